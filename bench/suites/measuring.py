"""Measures everything of a network that needs the whole test set, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict

import torch
from torch import nn

from bench.measure.accuracy import AccuracyMeter
from bench.measure.energy import estimate
from bench.measure.errors import MeasureInputError
from bench.measure.information import InformationRecorder
from bench.measure.spikes import NO_NEURONS, SpikeRecorder
from bench.measure.synop_result import SynOpLayer
from bench.measure.synops import SynOpCounter
from bench.suites.sections import attempt
from bench.track.records import (
    Absent,
    Accuracy,
    Energy,
    EnergyModel,
    Information,
    NeuronOps,
    NeuronOpsLayer,
    Section,
    Spikes,
    SynopCounts,
    SynopLayer,
    Synops,
    Uncounted,
)
from models.datasets import Dataset
from models.training import EVALUATION_BATCH


def measure_test_set(
    model: nn.Module, dataset: Dataset, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Section]:
    """Run the whole test set once and return what one pass gives, by section.

    The batches are those of training's own evaluation, so that a shipped accuracy is reproduced by the same arithmetic.
    """
    accuracy = AccuracyMeter()
    split, done = dataset.test, 0
    with ExitStack() as recorders, torch.inference_mode():
        spikes = recorders.enter_context(SpikeRecorder(model))
        information = recorders.enter_context(InformationRecorder(model))
        counter = recorders.enter_context(SynOpCounter(model))
        for images, labels in zip(
            split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True
        ):
            accuracy.update(model(dataset.normalise(images)), labels)
            done += len(labels)
            on_progress(done, len(split))
    synops = _synops(counter, len(split))
    neuron_ops = _neuron_ops(counter, len(split))
    return {
        "accuracy": Accuracy.from_bits(accuracy.result().bits),
        "spikes": attempt(Spikes, spikes.result),
        "synops": synops,
        "neuron_ops": neuron_ops,
        "information": attempt(Information, information.result),
        "energy": _energy(synops, neuron_ops),
    }


def _synops(counter: SynOpCounter, samples: int) -> Synops | Absent:
    try:
        result = counter.result(samples)
    except MeasureInputError as error:
        return Absent(status="failed", reason=str(error))
    return Synops(
        samples=samples,
        total=SynopCounts.model_validate(asdict(result.total)),
        layers=[_synop_layer(layer) for layer in result.layers.values()],
        uncounted=[Uncounted.model_validate(asdict(operator)) for operator in result.uncounted],
    )


def _synop_layer(layer: SynOpLayer) -> SynopLayer:
    """What a record keeps of a site; the counter knows more."""
    return SynopLayer.model_validate({name: getattr(layer, name) for name in SynopLayer.model_fields})


def _energy(synops: Synops | Absent, neuron_ops: NeuronOps | Absent) -> Energy | Absent:
    """Estimates from the counts; the ANN twin has no neuron updates to add."""
    if isinstance(synops, Absent):
        return Absent(status=synops.status, reason=f"no counts to estimate from: {synops.reason}")
    updates = {} if isinstance(neuron_ops, Absent) else {layer.name: layer.updates for layer in neuron_ops.layers}
    estimates = estimate(synops.layers, updates, samples=synops.samples)
    return Energy(models=[EnergyModel.model_validate(asdict(model)) for model in estimates])


def _neuron_ops(counter: SynOpCounter, samples: int) -> NeuronOps | Absent:
    layers = counter.neuron_ops()
    if not layers:
        return Absent(status="unavailable", reason=NO_NEURONS)
    return NeuronOps(samples=samples, layers=[NeuronOpsLayer.model_validate(asdict(layer)) for layer in layers])
