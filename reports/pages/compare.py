"""The comparison page: a base and a head side by side, model by model and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inflor_bench.metrics import METRICS, Metric
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data import changes, layers, provenance, table_entries
from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.format import points, relative
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, text, text_columns
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.draw import figures
from inflor_bench.reports.draw.plots import Plot
from inflor_bench.reports.pages.overview import label, point
from inflor_bench.verdict.compare import Comparison
from inflor_bench.verdict.findings import Finding

_LAYERS = 200


def pairs(base: Run, cells: Sequence[ReportCell]) -> list[tuple[ReportCell, ReportCell]]:
    """The base's cells that the head has as well, each with the head's, under the head's addresses."""
    return [(ReportCell(found, c.slug), c) for c in cells if (found := base.cells.get(c.record.name))]


def compare_page(
    comparison: Comparison,
    base: Run,
    cells: Sequence[ReportCell],
    changed: Sequence[tuple[ReportCell, Sequence[layers.LayerChange]]],
    energy_model: str | None,
) -> dict[str, Any]:
    """All that the page of a comparison with a base shows.

    `cells` are those of the head, `changed` what their layers did.
    """
    both = pairs(base, cells)
    return {
        "title": f"{provenance.commit(base)} → {provenance.commit(comparison.head)}",
        "sentence": changes.sentence(comparison),
        "strip": changes.strip(comparison),
        "notes": comparison.notes,
        "models": _models(comparison, both, cells, energy_model),
        "plots": _plots(both, energy_model) if energy_model else [],
        "moved": changes.moved_table(comparison, cells),
        "undecided": changes.undecided_table(comparison, cells),
        "layers": layers.moved_table(changed, _LAYERS),
        "differences": _differences(base, comparison.head),
        "gone": [clean(name) for name in base.cells if name not in comparison.head.cells],
    }


def _models(
    comparison: Comparison,
    both: Sequence[tuple[ReportCell, ReportCell]],
    cells: Sequence[ReportCell],
    energy_model: str | None,
) -> Table:
    """A row a model: what the base had, what the head has, and the joint verdict."""
    columns = [Column("Model", numeric=False)]
    sides: dict[str, Callable[[ReportCell], Datum]] = {
        "accuracy": _accuracy,
        "firing_rate": table_entries.firing_rate,
        "operations": lambda c: table_entries.figure(c, "operations"),
        "energy": lambda c: table_entries.energy(c, energy_model),
    }
    for metric in (METRICS[name] for name in sides):
        group = f"{metric.title}, {energy_model or 'no model'}" if metric.name == "energy" else metric.title
        columns += [Column(side, metric.unit, group) for side in ("base", "head")] + [Column("change", "", group)]
    found = {(f.cell, f.metric): f for f in comparison.findings}
    bases = {cell.slug: base for base, cell in both}
    rows = []
    for cell in cells:
        base = bases.get(cell.slug)
        joint = comparison.sentences.get(cell.record.name)
        said = f"{cell.dataset}; {clean(joint, 300)}" if joint else f"{cell.dataset}; not in the base"
        data = [Datum(label(cell), cell.name, detail=said, href=f"models/{cell.slug}.html", tone=cell.neuron)]
        for name, entry in sides.items():
            head = entry(cell)
            if base is None:
                data += [missing("the base has no such model", "new"), head, Datum("–", None)]
            else:
                before = entry(base)
                data += [before, head, _change(before, head, METRICS[name], found.get((cell.record.name, name)))]
        rows.append(Row(data, mark=cell.slug))
    return Table("compared-models", "Base and head, model by model, per inference", columns, rows, sortable=True)


def _accuracy(cell: ReportCell) -> Datum:
    whole = table_entries.accuracy(cell)
    return Datum(whole.text, whole.value, reason=whole.reason)


def _change(before: Datum, head: Datum, metric: Metric, finding: Finding | None) -> Datum:
    if not isinstance(before.value, float | int) or not isinstance(head.value, float | int):
        return Datum("–", None)
    difference = head.value - before.value
    if metric.unit == "share":
        return Datum(points(difference), difference, detail=changes.test(finding) if finding else "")
    return Datum(relative(difference / before.value), difference / before.value) if before.value else Datum("–", None)


def _plots(both: Sequence[tuple[ReportCell, ReportCell]], energy_model: str) -> list[Plot]:
    groups: dict[str, list[tuple[figures.Point, figures.Point]]] = {}
    for base, cell in both:
        named = f"{cell.neuron} T{cell.timesteps}" if cell.model.neuron else cell.name
        before, now = (point(side, named, energy_model) for side in (base, cell))
        if before is not None and now is not None:
            groups.setdefault(cell.dataset, []).append((before, now))
    return [
        Plot(
            f"movement-{number}",
            dataset,
            "Pale: at the base. Full: now. Up is more accurate, left is cheaper; a model that did not move has no "
            "arrow. The numbers stand in the table above.",
            figures.movement(
                moved,
                energy_model,
                f"Accuracy and estimated energy at the base and now, {dataset}",
                f"How {len(moved)} models moved between the runs.",
            ),
            None,
        )
        for number, (dataset, moved) in enumerate(groups.items(), 1)
    ]


def _differences(*runs: Run) -> Table | None:
    """What else is different about base and head: code, machine, versions, threads; None where nothing is."""
    base, head = map(_facts, runs)
    rows = [
        Row([text(key), text(base.get(key, "none")), text(head.get(key, "none"))])
        for key in dict.fromkeys([*head, *base])
        if base.get(key) != head.get(key)
    ]
    columns = text_columns("What", "Base", "Head")
    return Table("run-differences", "Where the runs themselves differ", columns, rows) if rows else None


def _facts(run: Run) -> Mapping[str, str]:
    return {
        f"{facts.title.lower()}: {label}": value for facts in provenance.of_run(run) for label, value in facts.items
    }
