"""Every value of a run in one long table, for programs: a row a cell, quantity and layer."""

from __future__ import annotations

from collections.abc import Iterator

from inflor_bench.metrics import METRICS, Metric
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, text, text_columns


def values_table(run: Run) -> Table:
    """All quantities of all cells, of the whole network where `layer` is empty; counts are those of one inference.

    What was not measured has no value, and the reason.
    """
    columns = [
        *text_columns("run", "created", "commit", "cell", "dataset", "network", "neuron"),
        Column("timesteps"),
        Column("seed"),
        *text_columns("quantity", "unit", "layer"),
        Column("value"),
        *text_columns("reason"),
    ]
    rows = []
    for name, cell in run.cells.items():
        record = cell.record
        model, about = record.model, record.provenance
        commit = "" if isinstance(about.git, Absent) else about.git.sha
        words = (about.run_id, about.created, commit, name, model.dataset, model.network, model.neuron)
        known = [*map(_text, words), _number(model.timesteps), _number(model.seed)]
        for metric in METRICS.values():
            for layer, value in _values(record, metric):
                reason = value.reason if isinstance(value, Absent) else ""
                found = _number(None if isinstance(value, Absent) else value)
                rows.append(Row([*known, *map(text, (metric.name, metric.unit, layer)), found, text(reason)]))
    return Table("values", "Every value", columns, rows)


def _values(record: Record, metric: Metric) -> Iterator[tuple[str, float | Absent]]:
    """The value of the network, and those of its layers."""
    yield "", metric.value(record)
    section = getattr(record, metric.section)
    if metric.layers is not None and not isinstance(section, Absent):
        for layer, count in metric.layers(section).items():
            yield layer, count / section.samples


def _text(value: str | None) -> Datum:
    return text(value or "")


def _number(value: float | None) -> Datum:
    return Datum("", value)
