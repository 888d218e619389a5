"""What was counted over the test set: predictions, spikes, operations, neuron updates, information loss.

Counts are exact integers; rates and ratios are derived from them on reading.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from inflor_bench.record.section import Count, Section

if TYPE_CHECKING:  # it takes longer to import than all else here, and only per-sample bits need it
    import numpy as np


class Accuracy(Section):
    """Correct predictions, in total and bit by bit (zlib-compressed packed bits in base64) for paired tests.

    `anytime` are the correct predictions after 1, 2, ... T time steps of the same pass; None where that is not known.
    """

    status: Literal["measured"] = "measured"
    n: int = Field(ge=1)
    correct: Count
    bits: str
    anytime: list[Count] | None = None

    @property
    def value(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.n

    @classmethod
    def from_bits(cls, bits: np.ndarray) -> Accuracy:
        """Build from one boolean a sample."""
        import numpy as np

        packed = np.packbits(np.asarray(bits, dtype=bool)).tobytes()
        encoded = base64.b64encode(zlib.compress(packed, 9)).decode("ascii")
        return cls(n=int(bits.size), correct=int(bits.sum()), bits=encoded)

    def unpack(self) -> np.ndarray:
        """Return one boolean a sample, [n].

        The length is checked against `n` while decompressing, so that a hostile file cannot fill the memory.
        """
        import numpy as np

        expected = (self.n + 7) // 8
        compressed = base64.b64decode(self.bits, validate=True)
        most = 1032 * len(compressed) + 1032  # zlib makes at most 1032 bytes of one
        packed = zlib.decompressobj().decompress(compressed, min(expected, most) + 1)
        if len(packed) != expected:
            raise ValueError("accuracy.bits does not hold n bits")
        return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.n).astype(bool)

    @model_validator(mode="after")
    def _consistent(self) -> Accuracy:
        try:
            correct = int(self.unpack().sum())
        except (ValueError, zlib.error) as error:
            raise ValueError(f"accuracy.bits cannot be decoded: {error}") from None
        if correct != self.correct:
            raise ValueError("accuracy.correct disagrees with accuracy.bits")
        return self


class SpikeLayer(Section):
    """Spikes of one spiking layer over all samples. `shape` is that of one sample at one step, e.g. [C, H, W].

    `recognised` says by what a module of the user's was told to be a spiking neuron; None where it says so itself.
    """

    name: str
    shape: list[int]
    neurons: Count
    spikes_per_step: list[Count]
    recognised: str | None = None

    @property
    def spikes(self) -> int:
        """Spikes over all samples and steps."""
        return sum(self.spikes_per_step)


class Spikes(Section):
    """Spike counts. The firing rate (spikes per neuron and step) is spikes / (neurons * samples * steps)."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    layers: list[SpikeLayer]

    def firing_rate(self, layer: SpikeLayer, step: int | None = None) -> float:
        """Spikes per neuron and step of one layer, over all steps or at one."""
        steps = layer.spikes_per_step if step is None else [layer.spikes_per_step[step]]
        return sum(steps) / (layer.neurons * self.samples * len(steps))

    @property
    def mean_firing_rate(self) -> float | None:
        """Spikes per neuron and step over the whole network; None without spiking neurons."""
        return self.mean_firing_rate_of(self.layers)

    def mean_firing_rate_of(self, layers: Sequence[SpikeLayer]) -> float | None:
        """Spikes per neuron and step over some of the layers; None without spiking neurons."""
        sites = sum(layer.neurons * len(layer.spikes_per_step) for layer in layers) * self.samples
        return sum(layer.spikes for layer in layers) / sites if sites else None


class SynopCounts(Section):
    """Exact operations over all samples: accumulates, multiply-accumulates, in-bounds pairs, and pairs with padding."""

    ac: Count
    mac: Count
    dense: Count
    dense_padded: Count


class SynopLayer(SynopCounts):
    """Synaptic operations of one site.

    `mixed` says that the site saw both unit-valued and other inputs; `unit_share` is the share of its non-zero input
    elements whose magnitude was 1. `levels` are the distinct magnitudes besides 0 of a graded input, whole numbers or
    one scale times whole numbers; None of any other, of a binary one, and in older files. `input_nonzero` of
    `input_elements` were not 0, in `input_rows`, each of which is one step of one sample; `output_elements` came out,
    of `output_channels`, each with a `bias` or without. `per_step` are the operations, AC or MAC, at each time step;
    None where they were not asked for or, as `unattributed` says, where time is not known.
    """

    name: str
    kind: str
    weight_shape: list[int]
    output_shape: list[int]
    mixed: bool = False
    unit_share: float | None = None
    levels: Annotated[int, Field(ge=1)] | None = None
    input_elements: Count | None = None
    input_nonzero: Count | None = None
    input_rows: Count | None = None
    output_elements: Count | None = None
    output_channels: Count | None = None
    bias: bool | None = None
    per_step: list[Count] | None = None
    unattributed: str | None = None


class Uncounted(Section):
    """An operator that may hold synaptic operations and that no formula covers."""

    name: str
    operator: str
    calls: int


class Synops(Section):
    """Synaptic operations of all samples, by layer. Divide by `samples` for one inference."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    total: SynopCounts
    layers: list[SynopLayer]
    uncounted: list[Uncounted] = []


class DenseDifference(Section):
    """A module, with all inside it, in which two counts of dense operations differ, and the operators seen there."""

    name: str
    ours: Count
    theirs: Count
    operators: list[str]


class DenseCheck(Section):
    """Dense operations of one sample, padding included, by us and by an independent counter, and where they differ.

    `unsupported` are the operators of the network that the other one does not know, with their calls; most are not
    synaptic.
    """

    status: Literal["measured"] = "measured"
    counter: str
    ours: Count
    theirs: Count
    differences: list[DenseDifference] = []
    unsupported: dict[str, Count] = {}


class NeuronOpsLayer(Section):
    """Neuron updates of one layer over all samples, and what they are made of. `neurons` is how many it has."""

    name: str
    reset: str
    mpr: bool
    neurons: Count | None = None
    updates: Count
    leak_multiplies: Count
    integrate_adds: Count
    compares: Count
    reset_operations: Count


class NeuronOps(Section):
    """Neuron updates: one per neuron, step and sample. MPR adds nothing at inference: it never changes a spike."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    layers: list[NeuronOpsLayer]

    @property
    def updates(self) -> int:
        """Neuron updates over all samples and layers."""
        return sum(layer.updates for layer in self.layers)


class Histogram(Section):
    """Counts in equal bins over [low, high), with what fell below and above, so that histograms merge by addition."""

    low: float
    high: float
    counts: list[Count]
    below: Count
    above: Count


class InformationLayer(Section):
    """Information loss of one spiking layer (Guo et al., ECCV 2022), as means over samples, neurons and steps.

    `quantisation_error` is the mean of (o - u)^2, `quantisation_error_rectified` of (o - phi(u))^2; `reset_loss` is the
    mean of |u - v - o| over fired neurons, None where none fired. `elements` is the number of membranes, `fired` that
    of spikes. The rectified values apply phi whether or not the neuron uses it, and are None for a neuron that offers
    no phi. `firing_level` is the membrane above which its neurons fire, None where that is not one number.

    `level_error` is the mean over samples and neurons of |spikes - k|, with k / T the level to which a quantiser of
    T + 1 levels rounds the mean current; None where the membrane is not in the current's unit, and in older files.
    """

    name: str
    elements: Count
    fired: Count
    quantisation_error: float
    quantisation_error_rectified: float | None
    reset_loss: float | None
    membrane: Histogram
    rectified: Histogram | None
    firing_level: float | None = None
    level_error: float | None = None


class Information(Section):
    """Information loss by layer. `firing_level` is None where the layers fire at different levels."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    firing_level: float | None
    layers: list[InformationLayer]
