"""Single figures of a run as files for a paper: those of the report, in a journal's width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data.cells import ReportCell, collect, headline_energy
from inflor_bench.reports.data.text import slug
from inflor_bench.reports.draw import canvas, paper
from inflor_bench.reports.draw.plots import Plot
from inflor_bench.reports.files import write
from inflor_bench.reports.pages import model_plots, overview, reset, worth

COLUMN_MILLIMETRES = 88.9  # IEEE; Nature's is 89

_Drawn = list[tuple[str, Plot]]
_Source = Callable[[Sequence[ReportCell], str | None], _Drawn]


def _pareto(cells: Sequence[ReportCell], energy_model: str | None) -> _Drawn:
    datasets = list(dict.fromkeys(c.dataset for c in cells))
    return [
        (d, p) for d in datasets for p in overview.accuracy_energy([c for c in cells if c.dataset == d], energy_model)
    ]


def _comparison(index: int) -> _Source:
    return lambda cells, energy_model: [(c.title, c.plots[index]) for c in reset.comparisons(cells, energy_model)]


def _model(name: str) -> _Source:
    def source(cells: Sequence[ReportCell], energy_model: str | None) -> _Drawn:
        return [(c.record.name, p) for c in cells if not c.skipped for p in model_plots.figures_of(c) if p.name == name]

    return source


def _worth(cells: Sequence[ReportCell], energy_model: str | None) -> _Drawn:
    return [(plot.title, plot) for plot in worth.plots(worth.answers(cells))]


FIGURES: Mapping[str, tuple[str, _Source]] = {
    "pareto": ("accuracy against estimated energy, a figure a data set", _pareto),
    "worth": ("energy over that of the fair twin by model of energy, a figure a data set", _worth),
    "loss": ("what hard reset loses and MPR changes by layer, a figure a network", _comparison(0)),
    "cost": ("operations and estimated energy of the neurons, a figure a network", _comparison(1)),
    "operations": ("AC and MAC by layer, a figure a model", _model("operations")),
    "rates": ("firing rates by layer and time step, a figure a model", _model("rates")),
    "membranes": ("the membrane before and after MPR, a figure a model", _model("membranes")),
    "information": ("information loss by layer, a figure a model", _model("information")),
    "latency": ("the distribution of latency, a figure a model", _model("latency")),
    "energy": ("estimates by model of energy, a figure a model", _model("energy")),
    "anytime": ("accuracy by time steps used, a figure a model", _model("anytime")),
}


def write_figures(
    run: Run, name: str, out: Path, *, kind: str, only: str = "*", millimetres: float = COLUMN_MILLIMETRES
) -> list[Path]:
    """Write a figure of a run, in as many files as it takes, named by what each shows.

    Args:
        run: The run.
        name: One of `FIGURES`.
        out: The directory of the files.
        kind: One of `paper.FORMATS`.
        only: A glob: the cells that are drawn.
        millimetres: The width; text is 7 pt whatever it is.

    Raises:
        ReportInputError: There is no such figure or format, nothing can be drawn, or `out` cannot be written.
    """
    if name not in FIGURES:
        raise ReportInputError(f"There is no figure {name!r}; choose one of {', '.join(FIGURES)}.")
    if kind not in paper.FORMATS:
        raise ReportInputError(f"There is no format {kind!r}; choose one of {', '.join(paper.FORMATS)}.")
    if not 60 <= millimetres <= 500:
        raise ReportInputError(f"A figure of {millimetres:g} mm is not readable; give a width from 60 to 500 mm.")
    cells = [c for c in collect(run) if fnmatchcase(c.record.name, only)]
    if not cells:
        raise ReportInputError(f"{run.path}: no cell matches {only!r}; its cells are {', '.join(run.cells)}.")
    with canvas.for_print(millimetres):
        found = FIGURES[name][1](cells, headline_energy(cells))
        made = {
            f"{name}-{slug(what)}.{kind}": paper.finish(plot.drawing, kind)
            for what, plot in found
            if plot.drawing is not None
        }
    if not made:
        why = next((plot.caption for _, plot in found), "no cell of it has what the figure shows")
        raise ReportInputError(f"{run.path}: there is nothing to draw for {name!r}: {why}")
    write(out, made)
    return [out / file for file in made]
