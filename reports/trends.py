"""Accuracy and estimated energy from run to run: what may be compared whatever machine a run was made on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bench.track.runs import Run
from reports import figures
from reports.cells import Cell, Missing, collect
from reports.format import percent, si
from reports.plots import Plot
from reports.provenance import commit
from reports.tables import Column, Datum, Row, Table, text
from reports.text import clean

LONGEST = 100


def trends(history: Sequence[Run], cells: Sequence[Cell], energy_model: str | None) -> list[Plot]:
    """Two plots a data set, over the last hundred runs of the history; none without two runs to draw a line between."""
    runs = sorted(history, key=lambda run: (run.created, run.run_id))[-LONGEST:]
    if len(runs) < 2:
        return []
    past = [{c.record.name: c for c in collect([run])} for run in runs]
    known = [c for c in cells if sum(c.record.name in run for run in past) > 1]
    plots: list[Plot] = []
    for number, dataset in enumerate(dict.fromkeys(c.dataset for c in known), 1):
        mine = [c for c in known if c.dataset == dataset]
        plots += _plot(f"trend-{number}-accuracy", f"Accuracy, {dataset}", "accuracy / %", runs, past, mine, _accuracy)
        if energy_model is not None:
            name = f"trend-{number}-energy"
            label = f"J per inference, {clean(energy_model, 24)}"
            energy = partial(_energy, energy_model)
            plots += _plot(name, f"Estimated energy, {dataset}", label, runs, past, mine, energy)
    return plots


def _energy(model: str, cell: Cell) -> Datum:
    value = cell.energy(model)
    return Datum("–", None) if isinstance(value, Missing) else Datum(si(value.joules, "J"), value.joules)


def _accuracy(cell: Cell) -> Datum:
    value = cell.accuracy
    return Datum("–", None) if isinstance(value, Missing) else Datum(percent(value.value, 2), 100 * value.value)


def _plot(
    name: str,
    title: str,
    label: str,
    runs: Sequence[Run],
    past: Sequence[dict[str, Cell]],
    cells: Sequence[Cell],
    entry: Callable[[Cell], Datum],
) -> list[Plot]:
    lines = {
        c.slug: [entry(run[c.record.name]) if c.record.name in run else Datum("–", None) for run in past] for c in cells
    }
    lines = {key: line for key, line in lines.items() if sum(d.value is not None for d in line) > 1}
    shown = [c for c in cells if c.slug in lines]
    if not shown:
        return []
    columns = [Column("Commit", numeric=False), Column("Created", numeric=False), *(Column(c.name) for c in shown)]
    rows = [
        Row([text(commit(run)), text(clean(run.created, 40)), *(lines[c.slug][i] for c in shown)])
        for i, run in enumerate(runs)
    ]
    series = [
        figures.Series(
            c.slug, c.neuron, [float(d.value) if isinstance(d.value, float) else None for d in lines[c.slug]]
        )
        for c in shown
    ]
    ends = (commit(runs[0]), commit(runs[-1]))
    svg = figures.trend(name, series, ends, label, title, f"{title}: {len(shown)} models over {len(runs)} runs.")
    return [
        Plot(name, title, f"The last {len(runs)} runs, oldest first.", svg, Table(f"{name}-data", title, columns, rows))
    ]
