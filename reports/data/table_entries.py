"""Table entries for the figures of a cell: how each is printed, sorted, and named as missing."""

from __future__ import annotations

from collections.abc import Callable

from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import Missing, ReportCell, absent
from inflor_bench.reports.data.format import THIN, percent, si, significant
from inflor_bench.reports.data.tables import Datum, missing, number

_LABELS = {"unavailable": "not measured", "skipped": "skipped", "failed": "failed"}


def none(why: Missing) -> Datum:
    """The entry of a value that is not there."""
    return missing(why.reason, _LABELS[why.status])


def accuracy(cell: ReportCell) -> Datum:
    """Accuracy in per cent, with its Wilson interval."""
    value = cell.accuracy
    if isinstance(value, Missing):
        return none(value)
    interval = f"{100 * value.low:.2f} to {100 * value.high:.2f}"
    return Datum(percent(value.value, 2), value.value, detail=interval)


def figure(cell: ReportCell, name: str, shown: Callable[[float], str] = si) -> Datum:
    """A metric per inference."""
    value = cell.figure(name)
    return none(value) if isinstance(value, Missing) else Datum(shown(value), value)


def firing_rate(cell: ReportCell) -> Datum:
    """Spikes per neuron and step."""
    return figure(cell, "firing_rate", significant)


def energy(cell: ReportCell, model: str | None, largest: float | None = None) -> Datum:
    """Estimated J per inference; a bar where the largest of the column is given."""
    if model is None:
        return missing("no model of energy was evaluated", "not estimated")
    value = cell.energy(model)
    if isinstance(value, Missing):
        return missing(value.reason, "not estimated")
    share = value.joules / largest if largest else None
    return Datum(si(value.joules, "J"), value.joules, share=share)


def latency(cell: ReportCell, quantile: str) -> Datum:
    """A latency quantile in s per forward pass: `median`, `p90`, `p95` or `p99`."""
    section = cell.record.latency
    if isinstance(section, Absent):
        return none(absent(section))
    value: float | None = getattr(section, quantile)
    if value is None:
        return missing(f"{quantile} needs more rounds than the {section.rounds} that were timed")
    if quantile != "median":
        return Datum(si(value, "s"), value)
    interval = ""
    if section.median_low is not None and section.median_high is not None:
        interval = f"{si(section.median_low, 's')} to {si(section.median_high, 's')}"
    return Datum(si(value, "s"), value, detail=f"{interval} {section.doubt}".rstrip())


def measured_energy(cell: ReportCell) -> Datum:
    """Measured J per inference, and the part above idle."""
    section = cell.record.power
    if isinstance(section, Absent):
        return none(absent(section))
    above = f"{si(section.joules_per_inference_above_idle, 'J')} above idle"
    return Datum(si(section.joules_per_inference, "J"), section.joules_per_inference, detail=above)


def quantisation(cell: ReportCell) -> tuple[Datum, Datum]:
    """Quantisation error before and after MPR."""
    value = cell.quantisation
    if isinstance(value, Missing):
        return none(value), none(value)
    before, after = value
    return Datum(loss(before), before), number(after, loss, "a neuron offers no rectifier")


def loss(value: float) -> str:
    """A mean error of a membrane: below 1e-6 it is rounding of floating-point numbers."""
    return "0" if value == 0 else f"<{THIN}10⁻⁶" if value < 1e-6 else significant(value)
