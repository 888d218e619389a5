"""Neurons of any library, watched while their model runs: what went in and came out, as [T*N, ...] at once.

The recorders (`SpikeRecorder`, `InformationRecorder`) know a spiking neuron by what it offers, called once a forward.
A library's neuron is called once a step, or with [T, N, ...], and returns its state beside the spikes. So every neuron
gets a tap: a module that offers what a `SpikingNeuron` offers and is handed what the neuron took and gave.

    taps = NeuronTaps(model)
    with SpikeRecorder(taps.root) as spikes, taps:
        for x in batches:
            with taps.forward(timesteps):
                ...  # one forward pass of all steps
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.adapters import Adapted, first_tensor
from inflor_bench.measure.neurons.operations import NeuronUpdates
from inflor_bench.measure.neurons.unregistered import Neurons, registered


class Tap(nn.Module):
    """What one neuron took and gave, as a `SpikingNeuron`. Called with the current and the spikes, both [T*N, ...]."""

    after_reset: Callable[[Tensor, Tensor], Tensor]
    rectify: Callable[[Tensor], Tensor]

    def __init__(self, adapted: Adapted) -> None:
        super().__init__()
        self.adapted = adapted
        self.timesteps = adapted.timesteps or 1
        self.decay, self.threshold, self.mpr = adapted.decay, adapted.threshold, adapted.mpr
        self.reset = adapted.reset or "unknown"
        self.recognised = adapted.recognised
        self.updates = self.spikes = self.neurons = self.disagreed = 0
        if adapted.dynamics is not None:
            for name in ("after_reset", "rectify"):
                if getattr(adapted.dynamics, name) is not None:
                    setattr(self, name, getattr(adapted.dynamics, name))

    def forward(self, current: Tensor, spikes: Tensor) -> Tensor:
        """Take note of a call, and pass the spikes on to whoever watches."""
        self.note(current, spikes)
        return spikes

    def note(self, current: Tensor, spikes: Tensor) -> None:
        """Add one call to the running numbers."""
        self.neurons = spikes.shape[1:].numel()
        self.updates += spikes.numel()
        self.spikes += int(torch.count_nonzero(spikes))
        dynamics = self.adapted.dynamics
        if dynamics is not None and dynamics.fires is not None:
            agreed = dynamics.fires(self.membrane(current)) == spikes.bool()
            self.disagreed += agreed.numel() - int(torch.count_nonzero(agreed))

    def membrane(self, current: Tensor) -> Tensor:
        """Membrane before the reset, [T*N, ...]. Raises MeasureInputError where it is not known."""
        if self.adapted.dynamics is None:
            raise MeasureInputError(f"{self.adapted.unknown}.")
        return self.adapted.dynamics.membrane(current.unflatten(0, (self.timesteps, -1))).flatten(0, 1)


def _membrane(name: str, module: nn.Module, attribute: str, spikes: Tensor) -> Tensor:
    held = getattr(module, attribute, None)
    if not isinstance(held, Tensor) or held.shape != spikes.shape:
        what = f"a tensor {list(held.shape)}" if isinstance(held, Tensor) else f"a {type(held).__name__}"
        raise MeasureInputError(
            f"--membrane is {attribute!r}, which in {name} holds {what} after a call: name what holds the membrane "
            f"before the reset, {list(spikes.shape)} as its spikes."
        )
    return held.clone()


class _Room(nn.Module):
    """Holds taps under the names of their neurons. Its forward marks the start of a forward pass."""

    def forward(self) -> None:
        """Do nothing; the recorders' hooks are what matters."""


class NeuronTaps:
    """A tap for every spiking neuron of a model; `root` is what recorders are given, `taps` are those by name.

    The neurons are those that are registered, or `neurons`.

    Raises:
        MeasureInputError: in `forward`, if a neuron was not called once a step or did not give what its layout says.
    """

    def __init__(self, model: nn.Module, neurons: Neurons | None = None) -> None:
        self.root = _Room()
        self.taps: dict[str, Tap] = {}
        self._neurons = registered(model, set()) if neurons is None else neurons
        for name, (_, adapted) in self._neurons.items():
            self.taps[name] = Tap(adapted)
            *path, leaf = name.split(".")
            room: nn.Module = self.root
            for part in path:
                if part not in room._modules:
                    room.add_module(part, _Room())
                room = cast(nn.Module, room._modules[part])
            room.add_module(leaf, self.taps[name])
        self._steps: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, (module, adapted) in self._neurons.items():
            self._handles.append(module.register_forward_hook(self._hook(name, adapted), with_kwargs=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @contextmanager
    def forward(self, timesteps: int | None) -> Iterator[None]:
        """Stand around one forward pass of all its steps; what was collected step by step is passed on at its end."""
        self.root()
        self._steps.clear()
        yield
        for name, calls in self._steps.items():
            steps = timesteps or len(calls)
            if len(calls) % steps:
                raise MeasureInputError(
                    f"{name} was called {len(calls)} times in one forward pass, which is no multiple of {steps} time "
                    "steps: give --timesteps."
                )
            places = len(calls) // steps
            for place in range(places):
                currents, spikes = zip(*calls[place::places], strict=True)
                self._pass_on(name, steps, torch.cat(currents), torch.cat(spikes))
        self._steps.clear()

    def _hook(self, name: str, adapted: Adapted) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            spikes, current = first_tensor(output), first_tensor((*args, *kwargs.values()))
            if spikes is None or current is None:
                raise MeasureInputError(f"{name}: a spiking neuron must take a tensor and give its spikes first.")
            if adapted.membrane is not None:
                current = _membrane(name, module, adapted.membrane, spikes)
            if adapted.dynamics is None or current.shape != spikes.shape:
                current = spikes  # nobody reads it: of this neuron there are spikes alone
            current, spikes = current.detach(), spikes.detach()
            if adapted.level is not None:
                spikes = spikes.abs() / adapted.level
            steps = adapted.timesteps or 1
            if adapted.layout == "step":
                # The model may write over what it was given before the last step is there.
                self._steps.setdefault(name, []).append((current.clone(), spikes.clone()))
            elif adapted.layout == "sequence":
                self._pass_on(name, spikes.shape[0], current.flatten(0, 1), spikes.flatten(0, 1))
            elif adapted.layout == "rows":
                self._pass_on(name, steps, current, spikes)
            else:
                apart = current, spikes
                if adapted.layout == "sample_rows":
                    apart = current.unflatten(0, (-1, steps)), spikes.unflatten(0, (-1, steps))
                self._pass_on(name, steps, *(tensor.transpose(0, 1).flatten(0, 1) for tensor in apart))

        return hook

    def _pass_on(self, name: str, timesteps: int, current: Tensor, spikes: Tensor) -> None:
        self.taps[name].timesteps = timesteps
        # What is computed about the neurons is no part of the model: no counter that is at work may see it.
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            self.taps[name](current, spikes)

    @property
    def timesteps(self) -> int | None:
        """The steps of the last forward pass, where all neurons made as many."""
        steps = {tap.timesteps for tap in self.taps.values() if tap.updates}
        return steps.pop() if len(steps) == 1 else None

    def no_membrane(self) -> str | None:
        """Why information loss cannot be measured; None where it can, as far as one can tell so far."""
        for name, tap in self.taps.items():
            if tap.adapted.dynamics is None:
                return f"{name}: {tap.adapted.unknown}."
            if tap.disagreed:
                return f"{name}: {tap.disagreed} of {tap.updates} spikes are not those that its known equation gives."
        return None

    def no_cost(self) -> str | None:
        """Why neuron updates cannot be counted; None where they can."""
        unknown = (name for name, tap in self.taps.items() if tap.adapted.leaks is None or tap.adapted.reset is None)
        name = next(unknown, None)
        return None if name is None else f"{name}: what an update of this neuron costs is not known here."

    def neuron_ops(self) -> list[NeuronUpdates]:
        """Neuron updates by neuron, in the order of definition; empty where `no_cost` says why."""
        if self.no_cost():
            return []
        return [
            NeuronUpdates(
                name=name,
                reset=tap.reset,
                mpr=tap.mpr,
                neurons=tap.neurons,
                updates=tap.updates,
                leak_multiplies=(tap.adapted.leaks or 0) * tap.updates,
                integrate_adds=(tap.adapted.adds or 0) * tap.updates,
                compares=tap.updates,
                reset_operations=0 if tap.reset == "none" else tap.spikes,
            )
            for name, tap in self.taps.items()
            if tap.updates
        ]
