"""Estimates by models of energy, J per inference, with the share of every layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.energy.constants import ENERGY_MODELS
from inflor_bench.measure.energy.model import EnergyModel, NeuronLayer, SynapticLayer, joules_of


@dataclass(frozen=True)
class EnergyEstimate:
    """What one model makes of one inference, J, with the share of every layer, which add up to `joules`.

    `notes` name the layers that the model does not cover.
    """

    name: str
    version: str
    source: str
    joules: float
    layers: dict[str, float]
    notes: list[str] = field(default_factory=list)


def estimate(
    layers: Iterable[SynapticLayer],
    neurons: Iterable[NeuronLayer] | None,
    *,
    samples: int,
    models: Sequence[EnergyModel] = ENERGY_MODELS,
) -> list[EnergyEstimate]:
    """Estimate the energy of one inference by every model.

    Args:
        layers: synaptic operations of every layer, over all samples and steps.
        neurons: neuron updates of every layer, over all samples and steps; empty without spiking neurons. None
            where there are some and their updates are not known: then no model that prices them gives an energy.
        samples: number of samples that were counted.
        models: the models, by default those that ship with the package.

    Raises:
        MeasureInputError: there is no sample, or a model does not give an energy.
    """
    if samples < 1:
        raise MeasureInputError(
            f"Energy is estimated per inference, but {samples} samples were counted; give at least 1."
        )
    layers, neurons = list(layers), None if neurons is None else list(neurons)
    return [_estimate(model, layers, neurons, samples) for model in models]


def _estimate(
    model: EnergyModel, layers: Sequence[SynapticLayer], neurons: Sequence[NeuronLayer] | None, samples: int
) -> EnergyEstimate:
    if neurons is None and model.prices_neurons:
        raise MeasureInputError(
            f"The energy model {model.name!r} prices neuron updates, and those of this network are not known."
        )
    shares: dict[str, float] = {}

    def add(layer: SynapticLayer | NeuronLayer, price: Any, *arguments: Any) -> None:
        try:
            used = joules_of(price(layer, *arguments))
        except Exception as error:
            raise MeasureInputError(
                f"The energy model {model.name!r} failed on layer {layer.name!r} "
                f"({type(error).__name__}: {error}): correct the model."
            ) from error
        if not math.isfinite(used) or used < 0:
            raise MeasureInputError(
                f"The energy model {model.name!r} gave {used} J for layer {layer.name!r}: correct the model."
            )
        shares[layer.name] = shares.get(layer.name, 0.0) + used / samples

    for layer in layers:
        add(layer, model.synapses, neurons is None or bool(neurons))
    for neuron in neurons or ():
        add(neuron, model.neurons)
    uncovered = [f"{layer.name} ({layer.kind})" for layer in layers if not model.covers(layer)]
    notes = [f"not covered, priced by arithmetic alone: {', '.join(uncovered)}"] if uncovered else []
    return EnergyEstimate(model.name, model.version, model.source, sum(shares.values()), shares, notes)
