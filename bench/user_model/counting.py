"""One pass over the inputs of a user's own model: accuracy, spikes, operations, information loss, energy estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from inflor_bench.cell.sections import attempt, section
from inflor_bench.cell.test_set import energy_section, neuron_ops_section, synops_section
from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.accuracy import AccuracyMeter
from inflor_bench.measure.energy import EnergyModel
from inflor_bench.measure.information import InformationRecorder
from inflor_bench.measure.neurons.operations import NeuronUpdates
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.measure.neurons.unregistered import neurons_of
from inflor_bench.measure.neurons.watched import NeuronTaps
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.trial import few_of, matters
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.formulas.registry import FormulaError
from inflor_bench.measure.synops.independent import check_dense
from inflor_bench.measure.synops.result import SynOpResult
from inflor_bench.measure.synops.uncounted import UNRECEIVED
from inflor_bench.record.counted import Accuracy, DenseCheck, Information, Spikes
from inflor_bench.record.section import Absent, Section

PASS_SECTIONS = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy")


class _Counter(SynOpCounter):
    """Counts neuron updates by the taps, which know the neurons of other libraries."""

    def __init__(self, drive: Drive, few: Tensor, taps: NeuronTaps) -> None:
        plan = drive.plan
        by_step = plan.timesteps is not None and not isinstance(drive.model, torch.jit.ScriptModule)
        timed: Any = {"timesteps": plan.timesteps, "time_axis": plan.axis or "inside"} if by_step else {}
        super().__init__(drive.model, **timed)
        self._drive, self._few, self._taps = drive, few, taps

    def result(self, samples: int | None = None) -> SynOpResult:
        """The counts. A weight that no operator received, and that changes nothing that comes out, is not in use."""
        found = super().result(samples)
        used = [
            operator
            for operator in found.uncounted
            if operator.operator != UNRECEIVED or matters(self._drive, self._few, operator.name)
        ]
        return replace(found, uncounted=used)

    def neuron_ops(self) -> list[NeuronUpdates]:
        """Neuron updates by neuron."""
        return self._taps.neuron_ops()


class _Accuracy:
    """Accuracy as far as labels and outputs allow it; a refusal is kept and costs the other measurements nothing."""

    def __init__(self, labels: Tensor | None) -> None:
        self._labels, self._meter, self._done = labels, AccuracyMeter(), 0
        self._absent: Absent | None = None
        if labels is None:
            self._absent = Absent(status="unavailable", reason="no_labels: the inputs came without labels.")

    def update(self, logits: Tensor | None, samples: int) -> None:
        """Add a batch."""
        if self._absent is not None or self._labels is None:
            return
        labels = self._labels[self._done : self._done + samples]
        self._done += samples
        if logits is None:
            reason = (
                "no_logits: what the model gives is no tensor of [N, classes], nor one for each time step: name the "
                "part that is scored by --output."
            )
            self._absent = Absent(status="unavailable", reason=reason)
            return
        try:
            self._meter.update(logits, labels)
        except MeasureInputError as error:
            self._absent = Absent(status="failed", reason=str(error))

    def section(self) -> Accuracy | Absent:
        """What was found."""
        return self._absent or Accuracy.from_bits(self._meter.result().bits)


@torch.no_grad()
def count(
    drive: Drive,
    batches: Sequence[Tensor],
    labels: Tensor | None,
    energy_models: Sequence[EnergyModel],
    on_progress: Callable[[int], None],
) -> dict[str, Section]:
    """Run all batches once and return what that gives, by section; where it fails, the reason for every section."""
    taps, accuracy, done = NeuronTaps(drive.model, neurons_of(drive.model, drive.plan)), _Accuracy(labels), 0
    known = taps.no_membrane() is None
    counter = _Counter(drive, few_of(drive, batches[0]), taps)
    try:
        with ExitStack() as recorders:
            spikes = recorders.enter_context(SpikeRecorder(taps.root))
            information = InformationRecorder(taps.root)
            if known:
                recorders.enter_context(information)
            recorders.enter_context(taps)
            recorders.enter_context(counter)
            for batch in batches:
                samples = drive.samples(batch)
                with taps.forward(drive.plan.timesteps):
                    output = drive(batch)
                accuracy.update(drive.logits(output, samples), samples)
                done += samples
                on_progress(done)
    except (MeasureInputError, FormulaError) as error:
        absent = Absent(status="failed", reason=f"after {done} samples: {error}")
        return dict.fromkeys(PASS_SECTIONS, absent)
    one = batches[0].narrow(int(drive.plan.timed_input), 0, 1)
    no_membrane, no_cost = taps.no_membrane(), taps.no_cost()
    losses = attempt(Information, information.result)
    return {
        "accuracy": accuracy.section(),
        "spikes": _property(attempt(Spikes, spikes.result)),
        "synops": synops_section(counter, done),
        "neuron_ops": _unknown(no_cost) if no_cost else neuron_ops_section(counter, done),
        "information": _unknown(no_membrane) if no_membrane else _property(losses),
        "energy": energy_section(counter, done, energy_models, neurons_known=no_cost is None),
        "dense_check": section(DenseCheck, check_dense(drive.model, drive, one)),
    }


def _property(section: Section) -> Section:
    """What a recorder refuses is a property of the model, graded spikes say, and no mistake of the user's."""
    return Absent(status="unavailable", reason=section.reason) if isinstance(section, Absent) else section


def _unknown(reason: str) -> Absent:
    return Absent(status="unavailable", reason=f"unknown_neuron: {reason}")
