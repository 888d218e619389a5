"""Measures everything of a network that needs the whole test set, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from torch import nn

from inflor_bench.cell.sections import attempt, section
from inflor_bench.errors import MeasureInputError
from inflor_bench.measure import energy as energy_estimates
from inflor_bench.measure.accuracy import AccuracyMeter
from inflor_bench.measure.information import InformationRecorder
from inflor_bench.measure.neurons.recorder import NO_NEURONS
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.independent import check_dense
from inflor_bench.measure.synops.result import SynOpSite
from inflor_bench.record.costs import Energy, EnergyModel
from inflor_bench.record.counted import (
    Accuracy,
    DenseCheck,
    Information,
    NeuronOps,
    NeuronOpsLayer,
    Spikes,
    SynopCounts,
    SynopLayer,
    Synops,
    Uncounted,
)
from inflor_bench.record.section import Absent, Section

if TYPE_CHECKING:
    from inflor_bench.models.datasets import Dataset


def measure_test_set(
    model: nn.Module,
    dataset: Dataset,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    energy_models: Sequence[energy_estimates.EnergyModel] = energy_estimates.ENERGY_MODELS,
    information_samples: int | None = None,
) -> dict[str, Section]:
    """Run the whole test set once and return what one pass gives, by section.

    Information loss is that of the first `information_samples`, None of all: a mean over a few thousand is as good. The
    batches are those of training's own evaluation, so that a shipped accuracy is reproduced by the same arithmetic.
    """
    # Here, because measuring a user's model imports no models of ours.
    from inflor_bench.models.training.evaluation import EVALUATION_BATCH, Anytime

    accuracy = AccuracyMeter()
    split, done = dataset.test, 0
    with ExitStack() as recorders, torch.inference_mode():
        spikes = recorders.enter_context(SpikeRecorder(model))
        information = recorders.enter_context(InformationRecorder(model, information_samples))
        counter = recorders.enter_context(SynOpCounter(model))
        anytime = recorders.enter_context(Anytime(model))
        for images, labels in split.batches(EVALUATION_BATCH):
            logits = model(dataset.normalise(images))
            accuracy.update(logits, labels)
            anytime.update(logits, labels)
            done += len(labels)
            on_progress(done, len(split))
    return {
        "accuracy": Accuracy.from_bits(accuracy.result().bits).model_copy(update={"anytime": anytime.correct}),
        "spikes": attempt(Spikes, spikes.result),
        "synops": synops_section(counter, len(split)),
        "neuron_ops": neuron_ops_section(counter, len(split)),
        "information": attempt(Information, information.result),
        "energy": energy_section(counter, len(split), energy_models),
        "dense_check": section(DenseCheck, check_dense(model, model, dataset.normalise(images[:1]))),
    }


def synops_section(counter: SynOpCounter, samples: int) -> Synops | Absent:
    """The synaptic operations that were counted, or why there are none."""
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


def _synop_layer(layer: SynOpSite) -> SynopLayer:
    """What a record keeps of a site; the counter knows more."""
    return SynopLayer.model_validate({name: getattr(layer, name) for name in SynopLayer.model_fields})


def energy_section(
    counter: SynOpCounter, samples: int, models: Sequence[energy_estimates.EnergyModel], *, neurons_known: bool = True
) -> Energy | Absent:
    """Estimates from the counts. A model that fails costs the others nothing; the ANN twin has no neurons to add.

    Without `neurons_known` there are spiking neurons, and what their updates cost is not known.
    """
    try:
        result = counter.result(samples)
    except MeasureInputError as error:
        return Absent(status="failed", reason=f"no counts to estimate from: {error}")
    layers, neurons = list(result.layers.values()), counter.neuron_ops() if neurons_known else None
    found, failed = [], {}
    for model in models:
        try:
            found += energy_estimates.estimate(layers, neurons, samples=samples, models=[model])
        except MeasureInputError as error:
            failed[model.name] = str(error)
    return Energy(models=[EnergyModel.model_validate(asdict(estimate)) for estimate in found], failed=failed)


def neuron_ops_section(counter: SynOpCounter, samples: int) -> NeuronOps | Absent:
    """The neuron updates that were counted, or why there are none."""
    layers = counter.neuron_ops()
    if not layers:
        return Absent(status="unavailable", reason=NO_NEURONS)
    return NeuronOps(samples=samples, layers=[NeuronOpsLayer.model_validate(asdict(layer)) for layer in layers])
