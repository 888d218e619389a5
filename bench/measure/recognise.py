"""Finds out how a model is run: where its time is and how it is reset. What cannot be told has to be said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from bench.measure.adapters import RESETS, adapted_neurons, library_of
from bench.measure.drive import Drive, Plan
from bench.measure.errors import MeasureInputError
from bench.measure.foreign import foreign_code
from bench.measure.synop_time import TimeAxis

_AXES = (
    "inside (the model takes [N, ...] and makes the steps itself), leading ([T, N, ...]), flattened ([T*N, ...], time "
    "outermost) or calls (one step [N, ...] a call)"
)


@dataclass(frozen=True)
class Said:
    """What the user said of time and state; None where nothing. `reset`: "none", or a method of the model.

    `output` is the key, index or attribute of what is scored among what the model gives.
    """

    axis: str | None = None
    timesteps: int | None = None
    reset: str | None = None
    output: str | None = None


def recognise(model: nn.Module, x: Tensor, said: Said, *, timed_input: bool = False) -> Plan:
    """Plan how to run a model, from what was said, what it is built of, and two runs on the few samples `x`.

    Raises:
        MeasureInputError: something has to be said, what was said does not fit, or the model raised something.
    """
    if said.axis is not None and said.axis not in get_args(TimeAxis):
        raise MeasureInputError(f"--time-axis is {said.axis!r}: give {_AXES}.")
    reset = _reset(model, said)
    if timed_input:
        if said.timesteps not in (None, len(x)):
            raise MeasureInputError(f"The inputs have {len(x)} time steps, but --timesteps is {said.timesteps}.")
        said = replace(said, timesteps=len(x))
    takes_none = said.axis == "inside" or (said.axis is None and not adapted_neurons(model))
    if timed_input and takes_none:
        raise MeasureInputError(
            "The inputs have a time axis, and the model is not known to take one: give --time-axis leading, flattened "
            "or calls."
        )
    axis, steps = _time(model, x[0] if timed_input else x, said, reset)
    if axis in ("leading", "flattened", "calls") and steps is None:
        raise MeasureInputError(f"--time-axis {axis} needs the number of time steps: give --timesteps.")
    if timed_input and axis == "inside":
        raise MeasureInputError(
            "The inputs have a time axis, but the model makes the steps itself: give --time-axis, or inputs [N, ...]."
        )
    plan = Plan(axis, steps, reset, timed_input=timed_input, output=said.output)
    if axis == "calls" and _libraries(model) == {"norse"}:
        plan = replace(plan, carries_state=_returns_state(model, x[0] if timed_input else x))
    drive = Drive(model, plan)
    if said.reset != "none":
        _check_rest(drive, x, said)
    if said.output is not None:
        with torch.no_grad():
            drive.logits(drive(x), drive.samples(x))  # raises where there is no such output
    return plan


def _libraries(model: nn.Module) -> set[str]:
    return {library for module in model.modules() if (library := library_of(module)) is not None}


def _reset(model: nn.Module, said: Said) -> Callable[[], None]:
    if said.reset == "none":
        return lambda: None
    if said.reset is not None:
        method = getattr(model, said.reset, None)
        if not callable(method):
            raise MeasureInputError(
                f"--reset is {said.reset!r}, which is no method of {type(model).__name__}: name one, or give none."
            )
        name = said.reset

        def call() -> None:
            with foreign_code(f"The reset {type(model).__name__}.{name}()", "give --reset another method, or none"):
                method()

        return call
    resets = [RESETS[library] for library in sorted(_libraries(model)) if library in RESETS]

    def reset_all() -> None:
        for one in resets:
            one(model)

    return reset_all


def _time(model: nn.Module, x: Tensor, said: Said, reset: Callable[[], None]) -> tuple[TimeAxis | None, int | None]:
    """Where time is, and T."""
    neurons = adapted_neurons(model)
    own_steps = {adapted.timesteps for _, adapted in neurons.values() if adapted.timesteps is not None}
    if said.axis is not None:
        axis: Any = said.axis
        known = own_steps.pop() if len(own_steps) == 1 and axis == "inside" else None
        return axis, said.timesteps or known
    layouts = {adapted.layout for _, adapted in neurons.values()}
    if not layouts:
        if said.timesteps is not None or said.reset not in (None, "none"):
            what = f"--timesteps {said.timesteps}" if said.timesteps is not None else f"--reset {said.reset}"
            raise MeasureInputError(f"{what} says that the model has time: say also where, with --time-axis {_AXES}.")
        return None, None
    if len(layouts) > 1:
        raise MeasureInputError(f"The model's neurons take time in different ways: give --time-axis {_AXES}.")
    (layout,) = layouts
    if layout == "rows":
        if said.timesteps is not None and own_steps != {said.timesteps}:
            steps = ", ".join(map(str, sorted(own_steps)))
            raise MeasureInputError(
                f"The model's neurons make {steps} time steps, but --timesteps is {said.timesteps}."
            )
        return "inside", next(iter(own_steps)) if len(own_steps) == 1 else None
    if layout == "sequence":
        if said.timesteps is None:
            raise MeasureInputError(
                "The model's neurons take all time steps at once: give --timesteps for a model that takes [T, N, ...], "
                "or --time-axis inside for one that makes the steps itself."
            )
        return "leading", said.timesteps
    calls = _calls(model, [module for module, _ in neurons.values()], x, reset)
    if calls > 1:
        if said.timesteps not in (None, calls):
            raise MeasureInputError(
                f"The model calls its neurons {calls} times in one forward pass, but --timesteps is {said.timesteps}: "
                "leave it out, or give --time-axis."
            )
        return "inside", calls
    if said.timesteps is None:
        raise MeasureInputError("The model makes one time step a call: give --timesteps, the number of calls.")
    return "calls", said.timesteps


@torch.no_grad()
def _calls(model: nn.Module, neurons: list[nn.Module], x: Tensor, reset: Callable[[], None]) -> int:
    """How often the model calls a neuron in one forward pass."""
    counts = [0] * len(neurons)

    def count(index: int) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            counts[index] += 1

        return hook

    handles = [neuron.register_forward_hook(count(index)) for index, neuron in enumerate(neurons)]
    try:
        reset()
        Drive(model, Plan(None, None, reset)).run([x])
    finally:
        for handle in handles:
            handle.remove()
    called = {number for number in counts if number}
    if len(called) > 1:
        raise MeasureInputError(
            f"The model calls some neurons {min(called)} times and others {max(called)} times in one forward pass: "
            f"give --timesteps and --time-axis {_AXES}."
        )
    return called.pop() if called else 1


@torch.no_grad()
def _returns_state(model: nn.Module, x: Tensor) -> bool:
    output = Drive(model, Plan(None, None, lambda: None)).run([x])
    return isinstance(output, tuple) and len(output) == 2 and isinstance(output[0], Tensor)


@torch.no_grad()
def _check_rest(drive: Drive, x: Tensor, said: Said) -> None:
    """Run twice on the same input with the same random numbers: a model at rest does the same both times."""
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        output = drive(x)
        runs.append((list(_tensors(output)), _state(drive.model)))
    (first, before), (second, after) = runs
    changed = next((name for name in after if not _same(before.get(name), after[name])), None)
    same_output = len(first) == len(second) and all(map(_same, first, second))
    if same_output and changed is None:
        return
    kept = f" (it keeps {changed!r})" if changed else ""
    if said.reset is not None:
        raise MeasureInputError(
            f"After --reset {said.reset} the model does not do the same for the same input{kept}: name the method that "
            "brings it to rest, or give --reset none to measure it as it is."
        )
    raise MeasureInputError(
        f"The model does not do the same for the same input the second time{kept}: name the method that brings it to "
        "rest with --reset METHOD, or give --reset none to measure it as it is."
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value.detach().clone()
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor that a module holds besides its parameters, by name; buffers and the like stand in dictionaries."""
    found = {}
    for module_name, module in model.named_modules():
        for key, value in vars(module).items():
            held = value if isinstance(value, dict) else {key: value}
            if key not in ("_parameters", "_modules"):
                for name, item in held.items():
                    for index, tensor in enumerate(_tensors(item)):
                        path = f"{module_name}.{name}".lstrip(".")
                        found[f"{path}[{index}]" if index else path] = tensor
    return found


def _same(one: Tensor | None, other: Tensor) -> bool:
    if one is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not other.is_floating_point():
        return torch.equal(one, other)
    return torch.allclose(one, other, equal_nan=True)
