"""What watches the spiking neurons of a module while it runs has in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.protocol import NeuronWatch, SpikingNeuron, spiking_neurons
from inflor_bench.measure.unavailable import Unavailable

NO_NEURONS = "no_spiking_neurons: the network has no spiking neuron."


class NeuronRecorder:
    """Sees every call of a spiking neuron inside the `with` block."""

    def __init__(self, module: nn.Module) -> None:
        self._spiking = bool(spiking_neurons(module))
        self._watch = NeuronWatch(module, self._see)

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, trace)

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
        if self._watch.error is not None:
            raise self._watch.error
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
