"""What a model of energy is, and what it may ask of a layer.

Accumulates (AC), multiply-accumulates (MAC) and dense operations are those of `SynOpCounter`: AC and MAC are the
operations whose input and weight are not zero, so a model built on them assumes hardware that skips zeros, for the ANN
twin too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Bits:
    """Of how many bits weights are, sums and membranes, and the values that activations have other than spikes."""

    weight: int = 8
    sum: int = 32
    activation: int = 8


class SynapticLayer(Protocol):
    """Synaptic operations of one layer, over all samples and steps. `SynOpSite` says what each means."""

    @property
    def name(self) -> str:
        """Name of the layer."""

    @property
    def kind(self) -> str:
        """Its sort: "linear", "conv2d", "matmul", ..."""

    @property
    def ac(self) -> int:
        """Accumulates."""

    @property
    def mac(self) -> int:
        """Multiply-accumulates."""

    @property
    def dense(self) -> int:
        """Pairs of input and weight, zeros included."""

    @property
    def weight_shape(self) -> list[int]:
        """Shape of the weight, empty without."""

    @property
    def bias(self) -> bool:
        """Whether a bias is added to every output element."""

    @property
    def input_rows(self) -> int | None:
        """Samples times steps (of a linear layer also times tokens). None where that was not told."""

    @property
    def input_elements(self) -> int:
        """Input elements of all rows."""

    @property
    def input_nonzero(self) -> int:
        """Input elements that are not 0: the input spikes, where the input is spikes."""

    @property
    def levels(self) -> int | None:
        """Distinct magnitudes of the input besides 0, where it was graded: ceil(log2(levels + 1)) bits hold one."""

    @property
    def output_channels(self) -> int | None:
        """Channels or features that come out. None where that was not told."""

    @property
    def output_elements(self) -> int | None:
        """Output elements of all rows. None where that was not told."""


class NeuronLayer(Protocol):
    """Neuron updates of one layer, over all samples and steps. `NeuronUpdates` says what each means."""

    @property
    def name(self) -> str:
        """Name of the layer."""

    @property
    def neurons(self) -> int:
        """Neurons whose membranes are kept."""

    @property
    def updates(self) -> int:
        """Neurons times samples times steps."""

    @property
    def leak_multiplies(self) -> int:
        """Multiplies of membranes by their decay."""

    @property
    def reset_operations(self) -> int:
        """Resets: one per spike."""


@dataclass(frozen=True)
class Term:
    """A product of an estimate: `count` of an operation over the run, and J each.

    `price` says what one costs, in words or as a formula.
    """

    operation: str
    count: float
    price: str
    joules_each: float

    @property
    def joules(self) -> float:
        """J over the run."""
        return self.count * self.joules_each


# What a model makes of a layer: its terms, whose sum is J over the run, or that sum alone.
Price = float | Sequence[Term]


def joules_of(price: Price) -> float:
    """J over the run."""
    return sum(term.joules for term in price) if isinstance(price, Sequence) else float(price)


def _nothing(layer: NeuronLayer) -> Price:
    return ()


def _everything(layer: SynapticLayer) -> bool:
    return True


@dataclass(frozen=True)
class EnergyModel:
    """A model of energy.

    Attributes:
        name: what tables call it.
        version: changes whenever a constant or a formula does.
        source: publication, process node, number format, and what has not been checked.
        synapses: price of the synaptic operations of one layer over the run, its terms or J alone. The second argument
            says whether the network has spiking neurons.
        neurons: the same of the neuron updates of one layer.
        covers: whether the model is made for a layer. Of others it prices what it can, and the estimate says so.
        at: the same model at other bits; None where its constants are of one number format.
    """

    name: str
    version: str
    source: str
    synapses: Callable[[SynapticLayer, bool], Price]
    neurons: Callable[[NeuronLayer], Price] = _nothing
    covers: Callable[[SynapticLayer], bool] = _everything
    at: Callable[[Bits], EnergyModel] | None = None

    @property
    def prices_neurons(self) -> bool:
        """Whether neuron updates cost anything by it."""
        return self.neurons is not _nothing


def at_bits(models: Iterable[EnergyModel], bits: Bits) -> tuple[EnergyModel, ...]:
    """The models, those that have such a choice at so many bits."""
    return tuple(model.at(bits) if model.at else model for model in models)


def per_operation(
    name: str,
    version: str,
    source: str,
    *,
    mac: float = 0.0,
    ac: float = 0.0,
    dense: float = 0.0,
    neuron_update: float = 0.0,
) -> EnergyModel:
    """A model of constants: J per multiply-accumulate, accumulate, synapse (zeros included) and neuron update."""

    def synapses(layer: SynapticLayer, spiking: bool) -> Price:
        terms = (
            Term("multiply-accumulates", layer.mac, "mac", mac),
            Term("accumulates", layer.ac, "ac", ac),
            Term("dense operations", layer.dense, "dense", dense),
        )
        return [term for term in terms if term.joules_each]

    def neurons(layer: NeuronLayer) -> Price:
        return [Term("neuron updates", layer.updates, "update", neuron_update)]

    return EnergyModel(name, version, source, synapses, neurons if neuron_update else _nothing)
