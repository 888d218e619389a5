"""Finds out how a model is run: where its time is, which are its neurons, how it is reset. The rest has to be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.adapters import RESETS, Adapted, library_of
from inflor_bench.measure.neurons.unregistered import BY_NAME, BY_OUTPUT, adapted, firing, named, registered, steps_of
from inflor_bench.measure.running.declared import Said as Said
from inflor_bench.measure.running.drive import Drive, Plan
from inflor_bench.measure.running.foreign import foreign_code
from inflor_bench.measure.running.trial import Layout, Trial, tensors
from inflor_bench.measure.synops.time_and_samples import TimeAxis

_AXES = (
    "inside (the model takes [N, ...] and makes the steps itself), leading ([T, N, ...]), flattened ([T*N, ...], time "
    "outermost) or calls (one step [N, ...] a call)"
)


def recognise(model: nn.Module, x: Tensor, said: Said, *, timed_input: bool = False) -> Plan:
    """Plan how to run a model, from what was said, what it is built of, and trials on the few samples `x`.

    Raises:
        MeasureInputError: something has to be said, what was said does not fit, the model raised something, or what it
            does with a sample depends on the others.
    """
    if said.axis is not None and said.axis not in get_args(TimeAxis):
        raise MeasureInputError(f"--time-axis is {said.axis!r}: give {_AXES}.")
    if timed_input:
        if said.timesteps not in (None, len(x)):
            raise MeasureInputError(f"The inputs have {len(x)} time steps, but --timesteps is {said.timesteps}.")
        said = replace(said, timesteps=len(x))
    neurons = _Neurons(model, said)
    reset = _reset(model, said)
    if timed_input and (said.axis == "inside" or (said.axis is None and not neurons.registered)):
        raise MeasureInputError(
            "The inputs have a time axis, and the model is not known to take one: give --time-axis leading, flattened "
            "or calls."
        )
    axis, steps = _time(model, x[0] if timed_input else x, said, reset, neurons)
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
    trial = Trial(drive, x, as_it_is=said.reset == "none")
    if (mixed := neurons.turned(trial) or trial.mixed()) is not None:
        raise MeasureInputError(
            f"A sample does something else alone than in a batch ({mixed} differs): the model mixes its samples, or "
            f"takes them for time steps. Give --time-axis {_AXES}."
        )
    if said.output is not None:
        drive.logits(trial.output, trial.samples)  # raises where there is no such output
    return replace(
        plan,
        samples_axis=trial.samples_axis(),
        neurons=neurons.found(trial, steps),
        left_out=frozenset(neurons.left_out),
    )


class _Neurons:
    """The neurons of a model: those that are registered, and by a trial those that nobody registered."""

    def __init__(self, model: nn.Module, said: Said) -> None:
        self._model, self._membrane = model, said.membrane
        self.left_out = named(model, said.not_neurons, "--not-neurons")
        self.registered = registered(model, self.left_out)
        self._named = named(model, said.neurons, "--neurons") - self.registered.keys() - self.left_out

    def unregistered(self, trial: Trial) -> dict[str, str]:
        """How each was recognised, by name."""
        inside = {f"{name}." for name in (*self.registered, *self._named)}
        firing_ones = firing(self._model, trial.together, self.left_out)
        by_output = {
            name: BY_OUTPUT
            for name in firing_ones
            if name not in self.registered
            and not any(f"{name}.".startswith(outer) for outer in inside)
            and not any(outer.startswith(f"{name}.") for outer in inside)
        }
        return by_output | {name: BY_NAME for name in self._named if name in trial.together}

    def turned(self, trial: Trial) -> str | None:
        """A neuron that takes [T, N, ...], and was given its samples where it takes its steps; None where none was."""
        for name, (_, known) in self.registered.items():
            where = trial.layout(name)
            if known.layout == "sequence" and where is not None and where.axis == 0:
                return name
        return None

    def found(self, trial: Trial, timesteps: int | None) -> dict[str, Adapted]:
        """What measuring needs to know of those that nobody registered."""
        return {
            name: adapted(name, trial, timesteps, how, self._membrane) for name, how in self.unregistered(trial).items()
        }


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


def _time(
    model: nn.Module, x: Tensor, said: Said, reset: Callable[[], None], neurons: _Neurons
) -> tuple[TimeAxis | None, int | None]:
    """Where time is, and T; by what was said, else by what neurons say of themselves and by a pass on [N, ...]."""
    known = [adapted for _, adapted in neurons.registered.values()]
    own_steps = {adapted.timesteps for adapted in known if adapted.timesteps is not None}
    if said.axis is not None:
        axis: Any = said.axis
        return axis, said.timesteps or (own_steps.pop() if len(own_steps) == 1 and axis == "inside" else None)
    layouts = {adapted.layout for adapted in known}
    if len(layouts) > 1:
        raise MeasureInputError(f"The model's neurons take time in different ways: give --time-axis {_AXES}.")
    if layouts == {"rows"}:
        if said.timesteps is not None and own_steps != {said.timesteps}:
            steps = ", ".join(map(str, sorted(own_steps)))
            raise MeasureInputError(
                f"The model's neurons make {steps} time steps, but --timesteps is {said.timesteps}."
            )
        return "inside", next(iter(own_steps)) if len(own_steps) == 1 else None
    try:
        trial = Trial(Drive(model, Plan(None, None, reset)), x, as_it_is=said.reset == "none")
    except MeasureInputError:
        if layouts == {"sequence"}:
            return _leading(said)
        raise
    if layouts == {"sequence"}:
        return _of_sequences(trial, said, neurons)
    if layouts == {"step"}:
        return _of_steps(trial, said, neurons)
    return _of_unregistered(trial, said, neurons)


def _leading(said: Said) -> tuple[TimeAxis, int]:
    if said.timesteps is None:
        raise MeasureInputError(
            "The model's neurons take all time steps at once: give --timesteps for a model that takes [T, N, ...], or "
            "--time-axis inside for one that makes the steps itself."
        )
    return "leading", said.timesteps


def _of_sequences(trial: Trial, said: Said, neurons: _Neurons) -> tuple[TimeAxis, int]:
    """Neurons that take [T, N, ...]: where the samples stand second in what they gave, the model made the steps."""
    where = {name: trial.layout(name) for name in neurons.registered}
    steps = {trial.of(name)[0].shapes[0][0] for name, layout in where.items() if layout == Layout(1, 1)}
    if not steps:
        return _leading(said)
    return "inside", _only(steps, said, "The model makes")


def _of_steps(trial: Trial, said: Said, neurons: _Neurons) -> tuple[TimeAxis, int]:
    """Neurons that make a step a call."""
    calls = {len(trial.of(name)[0].shapes) for name in neurons.registered} - {0}
    if len(calls) > 1:
        raise MeasureInputError(
            f"The model calls some neurons {min(calls)} times and others {max(calls)} times in one forward pass: "
            f"give --timesteps and --time-axis {_AXES}."
        )
    if calls - {1}:
        (called,) = calls
        if said.timesteps not in (None, called):
            raise MeasureInputError(
                f"The model calls its neurons {called} times in one forward pass, but --timesteps is "
                f"{said.timesteps}: leave it out, or give --time-axis."
            )
        return "inside", called
    if said.timesteps is None:
        raise MeasureInputError("The model makes one time step a call: give --timesteps, the number of calls.")
    return "calls", said.timesteps


def _of_unregistered(trial: Trial, said: Said, neurons: _Neurons) -> tuple[TimeAxis | None, int | None]:
    """Neurons that nobody registered, or none: their calls, or where samples and steps are in what they gave."""
    names = neurons.unregistered(trial)
    steps = steps_of(trial, names) - {1}
    if steps:
        return "inside", _only(steps, said, "The model's neurons make")
    second = {trial.together[name].shapes[0][1] if len(trial.together[name].shapes[0]) > 2 else None for name in names}
    after = second.pop() if len(second) == 1 else None  # of [N, T, ...], or of [N, C, ...]
    if after is not None and (after == said.timesteps or (said.timesteps is None and after in trial.rows())):
        return "inside", after
    if said.timesteps is not None or said.reset not in (None, "none"):
        what = f"--timesteps {said.timesteps}" if said.timesteps is not None else f"--reset {said.reset}"
        shapes = [
            f" ({name} gives {list(trial.together[name].shapes[0])} for {trial.samples} samples)" for name in names
        ]
        raise MeasureInputError(
            f"{what} says that the model has time{''.join(shapes[:1])}: say also where, with --time-axis {_AXES}."
        )
    return None, None


def _only(steps: set[int], said: Said, who: str) -> int:
    """The one number of steps that was seen, and that agrees with what was said."""
    seen = " and ".join(map(str, sorted(steps)))
    if len(steps) > 1:
        raise MeasureInputError(
            f"{who} {seen} time steps in one forward pass: give --timesteps and --time-axis {_AXES}."
        )
    (only,) = steps
    if said.timesteps not in (None, only):
        raise MeasureInputError(
            f"{who} {only} time steps in one forward pass, but --timesteps is {said.timesteps}: leave it out, or give "
            "--time-axis."
        )
    return only


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
        runs.append((list(tensors(output)), _state(drive.model)))
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


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor that a module holds besides its parameters, by name; buffers and the like stand in dictionaries."""
    found = {}
    for module_name, module in model.named_modules():
        for key, value in vars(module).items():
            held = value if isinstance(value, dict) else {key: value}
            if key not in ("_parameters", "_modules"):
                for name, item in held.items():
                    for index, tensor in enumerate(tensors(item)):
                        path = f"{module_name}.{name}".lstrip(".")
                        found[f"{path}[{index}]" if index else path] = tensor
    return found


def _same(one: Tensor | None, other: Tensor) -> bool:
    if one is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not other.is_floating_point():
        return torch.equal(one, other)
    return torch.allclose(one, other, equal_nan=True)
