"""Energy of one inference as models estimate it from operation counts. These are not measurements.

A model is one entry of `ENERGY_MODELS`: a name, a version, a source, and what one layer costs. Adding one is adding an
entry. Accumulates (AC), multiply-accumulates (MAC) and dense operations are those of `SynOpCounter`: AC and MAC are the
operations whose input and weight are not zero, so a model built on them assumes hardware that skips zeros, for the ANN
twin too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.measure.errors import MeasureInputError

PICOJOULE = 1e-12


class LayerOperations(Protocol):
    """Synaptic operations of one layer, over all samples."""

    @property
    def name(self) -> str:
        """Name of the layer."""

    @property
    def ac(self) -> int:
        """Accumulates."""

    @property
    def mac(self) -> int:
        """Multiply-accumulates."""

    @property
    def dense(self) -> int:
        """Pairs of input and weight, zeros included."""


@dataclass(frozen=True)
class EnergyEstimate:
    """What one model makes of one inference, J, with the share of every layer, which add up to `joules`."""

    name: str
    version: str
    source: str
    joules: float
    layers: dict[str, float]


@dataclass(frozen=True)
class EnergyModel:
    """A model: what the synapses of one layer cost (J, of its counts) and what one neuron update costs (J)."""

    name: str
    version: str
    source: str
    synapses: Callable[[LayerOperations], float]
    neuron_update: float = 0.0


def _per_operation(name: str, source: str, *, mac: float, ac: float) -> EnergyModel:
    """Energy per MAC and per AC, J; neuron updates cost nothing."""
    return EnergyModel(name, "1", source, lambda layer: mac * layer.mac + ac * layer.ac)


def _spiking_device(name: str, source: str, *, event: float, update: float) -> EnergyModel:
    """Energy per synaptic event and per neuron update, J, of a device that computes where something arrives."""
    return EnergyModel(name, "1", source, lambda layer: event * (layer.ac + layer.mac), update)


def _dense_device(name: str, source: str, *, event: float, update: float) -> EnergyModel:
    """Energy per synapse and per neuron update, J, of a device that computes every synapse at every step."""
    return EnergyModel(name, "1", source, lambda layer: event * layer.dense, update)


_HOROWITZ = (
    "Horowitz, Computing's energy problem, ISSCC 2014, 10.1109/ISSCC.2014.6757323: 45 nm, 0.9 V, {}; "
    "arithmetic alone, no memory access"
)
_FLOP_SOP = (
    "common in ANN-to-SNN conversion papers, attributed there to Hu et al. (12.5 pJ per FLOP) and Qiao et al. 2015 "
    "(77 fJ per synaptic operation); primary sources not checked"
)
_DEGNAN = "Degnan et al. 2016: {}; every synapse is computed at every step"
_HOEPPNER = "Hoeppner et al. 2019: {}"

ENERGY_MODELS: tuple[EnergyModel, ...] = (
    _per_operation(
        "horowitz45-fp32",
        _HOROWITZ.format("32-bit float: 3.7 pJ multiply, 0.9 pJ add"),
        mac=4.6 * PICOJOULE,
        ac=0.9 * PICOJOULE,
    ),
    _per_operation(
        "horowitz45-fp16",
        _HOROWITZ.format("16-bit float: 1.1 pJ multiply, 0.4 pJ add"),
        mac=1.5 * PICOJOULE,
        ac=0.4 * PICOJOULE,
    ),
    _per_operation(
        "horowitz45-int8",
        _HOROWITZ.format("8-bit integer: 0.2 pJ multiply, 0.03 pJ add"),
        mac=0.23 * PICOJOULE,
        ac=0.03 * PICOJOULE,
    ),
    _per_operation(
        "horowitz45-int32",
        _HOROWITZ.format("32-bit integer: 3.1 pJ multiply, 0.1 pJ add"),
        mac=3.2 * PICOJOULE,
        ac=0.1 * PICOJOULE,
    ),
    _per_operation("flop-sop", _FLOP_SOP, mac=12.5 * PICOJOULE, ac=0.077 * PICOJOULE),
    _dense_device("cpu-i7-4960x", _DEGNAN.format("Intel i7-4960X"), event=8.6e-9, update=8.6e-9),
    _dense_device("gpu-titan-black", _DEGNAN.format("NVIDIA GTX Titan Black"), event=0.3e-9, update=0.3e-9),
    _dense_device("arm-cortex-a", _DEGNAN.format("ARM Cortex-A"), event=0.9e-9, update=0.9e-9),
    _spiking_device(
        "loihi",
        "Davies et al. 2018: Intel Loihi, 14 nm, 23.6 pJ per synaptic operation and 3.5 pJ per spike within a tile",
        event=(23.6 + 3.5) * PICOJOULE,
        update=81 * PICOJOULE,
    ),
    _spiking_device("spinnaker", _HOEPPNER.format("SpiNNaker"), event=13.3e-9, update=26e-9),
    _spiking_device("spinnaker2", _HOEPPNER.format("SpiNNaker 2"), event=450e-12, update=2.19e-9),
)


def estimate(
    layers: Iterable[LayerOperations],
    neuron_updates: Mapping[str, int],
    *,
    samples: int,
    models: Sequence[EnergyModel] = ENERGY_MODELS,
) -> list[EnergyEstimate]:
    """Estimate the energy of one inference by every model.

    Args:
        layers: synaptic operations of every layer, over all samples and steps.
        neuron_updates: neuron updates by layer, over all samples and steps; empty without spiking neurons.
        samples: number of samples that were counted.
        models: the models, all by default.

    Raises:
        MeasureInputError: there is no sample.
    """
    if samples < 1:
        raise MeasureInputError(
            f"Energy is estimated per inference, but {samples} samples were counted; give at least 1."
        )
    layers = list(layers)
    estimates = []
    for model in models:
        shares: dict[str, float] = {}
        for layer in layers:
            shares[layer.name] = shares.get(layer.name, 0.0) + model.synapses(layer) / samples
        if model.neuron_update:
            for name, updates in neuron_updates.items():
                shares[name] = shares.get(name, 0.0) + model.neuron_update * updates / samples
        estimates.append(EnergyEstimate(model.name, model.version, model.source, sum(shares.values()), shares))
    return estimates
