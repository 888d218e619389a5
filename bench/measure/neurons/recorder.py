"""What watches the spiking neurons of a module while it runs has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.protocol import SpikingNeuron, as_neuron, spiking_neurons
from inflor_bench.measure.unavailable import Unavailable

NO_NEURONS = "no_spiking_neurons: the network has no spiking neuron."


class NeuronRecorder:
    """Sees every call of a spiking neuron inside the `with` block, in all forwards of a module.

    A neuron that is called several times in one forward has one site per call: `name`, `name#2`, `name#3`, ...
    What cannot be recorded ends the watching, so that it costs nobody else the forward pass, and is raised later.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._spiking = spiking_neurons(module)
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []
        self._error: MeasureInputError | None = None

    def __enter__(self) -> Self:
        self._handles.append(self._module.register_forward_pre_hook(lambda module, args: self._calls.clear()))
        for name, neuron in self._spiking.items():
            self._handles.append(neuron.register_forward_hook(self._make_hook(name), with_kwargs=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _make_hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if self._error is not None:
                return
            self._calls[name] = self._calls.get(name, 0) + 1
            site = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
            neuron = as_neuron(module)
            inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            try:
                _check_call(site, neuron, inputs, output)
                self._see(site, neuron, inputs[0].detach(), output.detach())
            except MeasureInputError as error:
                self._error = error

        return hook

    def _see(self, name: str, neuron: SpikingNeuron, current: Tensor, spikes: Tensor) -> None:
        """Take note of one call: input current and spikes, both [T*N, ...]."""
        raise NotImplementedError

    def _samples(self, seen: Mapping[str, int]) -> int | Unavailable:
        """The number of samples that every neuron saw, or why there are none: the network has no spiking neuron.

        Raises:
            MeasureInputError: the watching had to stop (the message says where), or there was no forward pass, or
                neurons saw different numbers of samples.
        """
        if not self._spiking:
            return Unavailable(NO_NEURONS)
        if self._error is not None:
            raise self._error
        if not seen:
            raise MeasureInputError(
                "No spiking neuron was called; call the module itself, within the recorder, on at least one batch."
            )
        least, most = min(seen, key=seen.__getitem__), max(seen, key=seen.__getitem__)
        if seen[least] != seen[most]:
            raise MeasureInputError(
                f"{least} saw {seen[least]} samples but {most} {seen[most]}; every spiking neuron must run for every "
                "sample."
            )
        return seen[most]


def _check_call(site: str, neuron: SpikingNeuron, inputs: list[Tensor], output: Any) -> None:
    """Check that a neuron was called as `SpikingNeuron` says.

    Raises:
        MeasureInputError: no tensor came in or out, the shapes differ, or the rows are no multiple of the time steps.
    """
    if not inputs or not isinstance(output, Tensor):
        raise MeasureInputError(f"{site}: a spiking neuron must take one tensor and return one tensor.")
    if output.ndim == 0 or inputs[0].shape != output.shape:
        raise MeasureInputError(
            f"{site}: the spikes have shape {list(output.shape)} but the current {list(inputs[0].shape)}; "
            "a spiking neuron must keep the shape [T*N, ...]."
        )
    if neuron.timesteps < 1 or output.shape[0] % neuron.timesteps:
        raise MeasureInputError(
            f"{site}: {output.shape[0]} rows are not a multiple of its {neuron.timesteps} time steps; "
            "give the current as [T*N, ...]."
        )
