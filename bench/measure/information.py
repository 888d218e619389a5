"""Information loss of spiking layers.

As defined in Guo et al., "Reducing Information Loss for Spiking Neural Networks" (ECCV 2022, arXiv 2307.04356).

With u the membrane before the reset, o the spike, v the membrane after the reset, phi the membrane potential rectifier:

    quantisation error   mean of (o - u)^2, and rectified: mean of (o - phi(u))^2
    reset loss           mean over the fired neurons of |u - v - o|, what the reset throws away

Means go over samples, neurons and time steps. The same loss in the unit of a quantiser of T + 1 levels, with c the
input current, as a mean over samples and neurons:

    level error          mean of |sum_t o - k|, k = clip(ceil(sum_t c - 1/2), 0, T)

k / T is the level to which such a quantiser rounds the mean current. With decay 1 and a constant current the soft reset
by 1 at the firing level 1/2 fires k times, so that its level error is 0.

Histograms of u and phi(u) have fixed bins, so they merge by addition.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure import native
from inflor_bench.measure.bins import BINS, BINS_PER_UNIT, HIGH, LOW
from inflor_bench.measure.neurons.protocol import SpikingNeuron, map_pieces, piece
from inflor_bench.measure.neurons.recorder import NeuronRecorder
from inflor_bench.measure.neurons.spikes import is_binary
from inflor_bench.measure.unavailable import Unavailable


@dataclass(frozen=True)
class Histogram:
    """Counts in equal bins over [low, high), lower edges included, with what fell below and above (from high on)."""

    low: float
    high: float
    counts: tuple[int, ...]
    below: int
    above: int


@dataclass(frozen=True)
class InformationLayer:
    """Information loss of one layer; `elements` membranes were looked at, of which `fired` spiked.

    The rectified values apply phi whether or not the neuron uses it, and are None for one that offers no `rectify`.
    `reset_loss` is None where none fired, and for a neuron that offers no `after_reset`. `firing_level` is None where
    it is not one number for the layer. `level_error` is None for a neuron that starts from another membrane than its
    first current, and for one whose first currents are all 0.
    """

    name: str
    elements: int
    fired: int
    quantisation_error: float
    quantisation_error_rectified: float | None
    reset_loss: float | None
    membrane: Histogram
    rectified: Histogram | None
    firing_level: float | None
    level_error: float | None


@dataclass(frozen=True)
class Information:
    """Information loss by layer, in the order of their first call, over `samples` samples.

    `firing_level` is None where the layers fire at different levels.
    """

    samples: int
    firing_level: float | None
    layers: tuple[InformationLayer, ...]


def bin_counts(values: Tensor) -> Tensor:
    """Counts of finite values: [1 + BINS + 1], int64: below LOW, the bins, from HIGH on. Exact for every float type."""
    scaled = (values * BINS_PER_UNIT).floor_()
    scaled = scaled.clamp_(LOW * BINS_PER_UNIT - 1, HIGH * BINS_PER_UNIT).sub_(LOW * BINS_PER_UNIT - 1)
    return torch.bincount(scaled.flatten().to(torch.int32), minlength=BINS + 2)


def _histogram(counts: Tensor) -> Histogram:
    below, *inside, above = counts.tolist()
    return Histogram(float(LOW), float(HIGH), tuple(inside), below, above)


def distance(values: Tensor, spikes: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of (spikes - values)^2, float64, and the `bin_counts` of the values."""
    found = native.distance(values, spikes)
    if found is not None:
        return torch.tensor(found[0], dtype=torch.float64), found[1]
    squares = torch.linalg.vector_norm(spikes - values, dtype=torch.float64).square()
    finite = bool(torch.isfinite(squares))  # what is no number has no bin, as the sum tells
    return squares, bin_counts(values) if finite else torch.zeros(BINS + 2, dtype=torch.int64, device=values.device)


def thrown_away(u: Tensor, v: Tensor, spikes: Tensor) -> Tensor:
    """Sum of |u - v - spike| where there is a spike, float64."""
    found = native.thrown_away(u, v, spikes)
    if found is not None:
        return torch.tensor(found, dtype=torch.float64)
    return torch.linalg.vector_norm((u - v).sub_(spikes).mul_(spikes), 1, dtype=torch.float64)


def levels_off(current: Tensor, spikes: Tensor, timesteps: int) -> Tensor:
    """Sum over neurons of |spikes - k|, float64, of a current and spikes [T*n, ...]: how many levels they are off.

    k is the level to which a quantiser of T + 1 levels rounds the mean current.
    """
    found = native.levels_off(current, spikes, timesteps)
    if found is not None:
        return torch.tensor(found, dtype=torch.float64)
    total, fired = (functools.reduce(torch.add, steps.chunk(timesteps)) for steps in (current, spikes))
    levels = (total - 0.5).ceil_().clamp_(0, timesteps)
    return torch.linalg.vector_norm(levels.sub_(fired), 1, dtype=torch.float64)


class _Part(NamedTuple):
    """Sums over one piece: float64 [squared error, rectified, lost, fired, levels off], and bin counts of u and phi(u).

    The levels are NaN where the first membrane is not the first current.
    """

    sums: Tensor
    membrane: Tensor
    rectified: Tensor | None


class _Site:
    """Running sums of one call of a neuron in the forward, in float64 and exact integers."""

    def __init__(self, name: str, neuron: SpikingNeuron) -> None:
        self.name = name
        self.neuron = neuron
        self.rectify: Callable[[Tensor], Tensor] | None = getattr(neuron, "rectify", None)
        self.after_reset: Callable[[Tensor, Tensor], Tensor] | None = getattr(neuron, "after_reset", None)
        self.samples = 0
        self.elements = 0
        self.has_first_current = False
        self.sums = torch.zeros(5, dtype=torch.float64)
        self.membrane, self.rectified = torch.zeros((2, BINS + 2), dtype=torch.int64).unbind()

    def add(self, current: Tensor, spikes: Tensor, most: int | None) -> None:
        """Add a batch: input current and spikes, both [T*N, ...]; of a sample beyond the first `most`, nothing."""
        timesteps = self.neuron.timesteps
        if most is not None:
            left = most - self.samples
            if left <= 0:
                return
            current, spikes = (piece(tensor.unflatten(0, (timesteps, -1)), 0, left) for tensor in (current, spikes))
        for part in map_pieces(self._part, timesteps, current, spikes):
            self.sums += part.sums.cpu()
            self.membrane += part.membrane.cpu()
            if part.rectified is not None:
                self.rectified += part.rectified.cpu()
        self.elements += spikes.numel()
        self.samples += spikes.shape[0] // timesteps

    @torch.no_grad()
    def _part(self, current: Tensor, spikes: Tensor) -> _Part:
        u = self.neuron.membrane(current)
        error, membrane = distance(u, spikes)
        if not bool(torch.isfinite(error)):
            raise MeasureInputError(
                f"{self.name}: the membrane holds NaN or infinity; check the weights and the input."
            )
        if not is_binary(spikes):
            raise MeasureInputError(f"{self.name}: the output holds values other than 0 and 1, so it has no spikes.")
        rectified_error = lost = torch.zeros_like(error)
        rectified = None
        if self.rectify is not None:
            rectified_error, rectified = distance(self.rectify(u), spikes)
        if self.after_reset is not None:
            lost = thrown_away(u, self.after_reset(u, spikes), spikes)
        sums = torch.stack(
            [error, rectified_error, lost, spikes.sum(dtype=torch.float64), self._levels_off(u, current, spikes)]
        )
        return _Part(sums, membrane, rectified)

    def _levels_off(self, u: Tensor, current: Tensor, spikes: Tensor) -> Tensor:
        timesteps = self.neuron.timesteps
        given, fired = current.to(u.dtype), spikes.to(u.dtype)
        first = given[: len(given) // timesteps]
        self.has_first_current = self.has_first_current or bool(first.any())
        if not torch.equal(u[: len(first)], first):
            return torch.full((), torch.nan, dtype=torch.float64, device=u.device)
        return levels_off(given, fired, timesteps).to(u.device)

    def layer(self) -> InformationLayer:
        """Return the means."""
        error, rectified_error, lost, fired, off = self.sums.tolist()
        # Of a neuron that nothing reaches at first, nobody knows whether its membrane is in its current's unit.
        has_unit = self.has_first_current and not math.isnan(off)
        return InformationLayer(
            name=self.name,
            elements=self.elements,
            fired=int(fired),
            quantisation_error=error / self.elements,
            quantisation_error_rectified=None if self.rectify is None else rectified_error / self.elements,
            reset_loss=lost / fired if fired and self.after_reset is not None else None,
            membrane=_histogram(self.membrane),
            rectified=None if self.rectify is None else _histogram(self.rectified),
            firing_level=None if self.neuron.threshold is None else float(self.neuron.threshold),
            level_error=off * self.neuron.timesteps / self.elements if has_unit else None,
        )


class InformationRecorder(NeuronRecorder):
    """Measures information loss while a module runs: `with InformationRecorder(module) as recorder: module(x)`.

    The membrane is computed again from the input current, few samples at a time, so memory does not grow with the
    batch. A neuron called several times in one forward has one layer per call: `name`, `name#2`. With `samples` only
    the first so many are measured, and the passes after them cost nothing.
    """

    def __init__(self, module: nn.Module, samples: int | None = None) -> None:
        super().__init__(module)
        self._most = samples
        self._sites: dict[str, _Site] = {}

    def _see(self, name: str, neuron: SpikingNeuron, current: Tensor, spikes: Tensor) -> None:
        self._sites.setdefault(name, _Site(name, neuron)).add(current, spikes, self._most)

    def result(self) -> Information | Unavailable:
        """Return the information loss so far, or why there is none: the network has no spiking neuron.

        Raises:
            MeasureInputError: the measuring had to stop (the message says where), or there was no forward pass.
        """
        samples = self._samples({name: site.samples for name, site in self._sites.items()})
        if isinstance(samples, Unavailable):
            return samples
        layers = tuple(site.layer() for site in self._sites.values())
        levels = {layer.firing_level for layer in layers}
        return Information(samples, levels.pop() if len(levels) == 1 else None, layers)
