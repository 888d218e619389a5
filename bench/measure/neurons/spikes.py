"""Spikes, counted exactly, per layer and time step.

The firing rate is spikes / (neurons * samples * steps). It is left to the reader of the counts, which are integers and
therefore the same whatever the batch size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure import native
from inflor_bench.measure.neurons.protocol import SpikingNeuron, map_pieces
from inflor_bench.measure.neurons.recorder import NeuronRecorder
from inflor_bench.measure.unavailable import Unavailable


@dataclass(frozen=True)
class SpikeLayer:
    """Spikes of one layer over all samples, one count per step. `shape` is that of one sample at a step, [C, H, W].

    `recognised` says by what it is known to be a spiking neuron, where it does not say so itself.
    """

    name: str
    shape: tuple[int, ...]
    neurons: int
    spikes_per_step: tuple[int, ...]
    recognised: str | None = None


@dataclass(frozen=True)
class Spikes:
    """Spike counts of all layers, in the order of their first call."""

    samples: int
    layers: tuple[SpikeLayer, ...]


def is_binary(spikes: Tensor) -> bool:
    """Tell whether every element is exactly 0 or 1 (NaN and infinities are not)."""
    if spikes.dtype == torch.bool:
        return True
    found = native.binary(spikes)
    if found is not None:
        return found
    # Infinity is its own square too.
    return not spikes.numel() or (torch.equal(spikes * spikes, spikes) and bool(spikes.amax() <= 1))


def count_per_step(spikes: Tensor, timesteps: int) -> Tensor:
    """Number of ones at each step, [T], int64, of binary spikes [T*N, ...]. Exact."""
    per_sample = spikes.reshape(timesteps, -1, max(1, spikes.shape[1:].numel()))
    # float32 holds every integer up to 2**24, and its sum is by far the fastest.
    dtype = torch.float32 if per_sample.shape[2] <= 1 << 24 else torch.float64
    return per_sample.sum(dim=2, dtype=dtype).to(torch.int64).sum(dim=1)


class _Site:
    def __init__(self, shape: tuple[int, ...], timesteps: int, device: torch.device) -> None:
        self.shape = shape
        self.samples = 0
        self.timesteps = timesteps
        self.recognised: str | None = None
        self.spikes = torch.zeros(timesteps, dtype=torch.int64, device=device)


class SpikeRecorder(NeuronRecorder):
    """Counts spikes while a module runs: `with SpikeRecorder(module) as recorder: module(x)`, then `recorder.result()`.

    What a neuron gives must be 0 or 1. A neuron called several times in one forward has one layer per call: `name`,
    `name#2`.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self._sites: dict[str, _Site] = {}

    def _see(self, name: str, neuron: SpikingNeuron, current: Tensor, spikes: Tensor) -> None:
        shape = tuple(spikes.shape[1:])
        site = self._sites.setdefault(name, _Site(shape, neuron.timesteps, spikes.device))
        if (site.shape, site.timesteps) != (shape, neuron.timesteps):
            raise MeasureInputError(
                f"{name}: the shape was {list(site.shape)} with {site.timesteps} steps and is now {list(shape)} "
                f"with {neuron.timesteps}; measure inputs of one size at a time."
            )
        if not all(map_pieces(is_binary, 1, spikes)):
            raise MeasureInputError(f"{name}: the output holds values other than 0 and 1, so spikes cannot be counted.")
        site.recognised = getattr(neuron, "recognised", None)
        site.spikes += count_per_step(spikes, site.timesteps)
        site.samples += spikes.shape[0] // site.timesteps

    def result(self) -> Spikes | Unavailable:
        """Return the counts so far, or why there are none: the network has no spiking neuron.

        Raises:
            MeasureInputError: the counting had to stop (the message says where), or there was no forward pass.
        """
        samples = self._samples({name: site.samples for name, site in self._sites.items()})
        if isinstance(samples, Unavailable):
            return samples
        layers = [
            SpikeLayer(
                name=name,
                shape=site.shape,
                neurons=torch.Size(site.shape).numel(),
                spikes_per_step=tuple(site.spikes.tolist()),
                recognised=site.recognised,
            )
            for name, site in self._sites.items()
        ]
        return Spikes(samples=samples, layers=tuple(layers))
