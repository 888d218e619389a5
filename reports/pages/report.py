"""Runs in, a directory of pages out: a pure function of the run files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.reports.data import changes, layers, provenance
from inflor_bench.reports.data.card import card
from inflor_bench.reports.data.cells import NEURONS, Cell, collect, headline_energy
from inflor_bench.reports.data.summaries import Moment
from inflor_bench.reports.data.tables import Table
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.draw import canvas
from inflor_bench.reports.draw.plots import Plot
from inflor_bench.reports.files import write
from inflor_bench.reports.pages import downloads, overview, reset, trends
from inflor_bench.reports.pages.compare import compare_page, pairs
from inflor_bench.reports.pages.model import model_page
from inflor_bench.verdict.compare import Comparison

_SHOWN = 12


@dataclass(frozen=True)
class Against:
    """A model's layers against the base; `table` is None where all are the same."""

    plot: Plot
    table: Table | None


@dataclass(frozen=True)
class Site:
    """The place of a report on a site of many: the way back to its index, and the address of the trends."""

    root: str
    trends: str


def build(
    runs: Sequence[Run],
    out: Path,
    *,
    comparison: Comparison | None = None,
    history: Sequence[Moment] = (),
    site: Site | None = None,
) -> Path:
    """Write the report of the runs into the directory `out` and return its `index.html`.

    The pages need no network, no server and no JavaScript. The same input gives the same bytes. With a comparison there
    is a page for it, `compare.html`; with a history of two runs or more, oldest first, there is `trends.html`, unless
    the report is part of a `site`, which has its own.

    Raises:
        ReportInputError: There is no run, or `out` cannot be written.
    """
    cells = collect(runs)
    if not cells:
        raise ReportInputError(
            "There is nothing to report: give at least one run file with at least one measured cell."
        )
    if comparison is not None and comparison.base is None and not comparison.findings:
        comparison = None  # there is nothing to tell
    with canvas.for_page():
        write(out, _files(runs, cells, comparison, history, site))
    return out / "index.html"


def _files(
    runs: Sequence[Run],
    cells: Sequence[Cell],
    comparison: Comparison | None,
    history: Sequence[Moment],
    site: Site | None,
) -> dict[str, str | bytes]:
    """Every file of the report by its path."""
    energy_model = headline_energy(cells)
    pages = environment()
    files = downloads.files(runs, cells, energy_model, comparison)
    drawn = trends.trends(history, trends.of_cells(cells))
    neurons = [n for n in NEURONS if any(c.neuron == n for c in cells)]
    if drawn.lines and site is None:
        files |= trend_files(pages, drawn, neurons, "index.html", "The report")
    files["index.html"] = _overview(pages, runs, cells, energy_model, comparison, drawn, neurons, site)
    base = comparison.base if comparison else None
    if comparison is not None and base is not None:
        files["compare.html"] = pages.get_template("compare.html").render(
            page=compare_page(comparison, base, cells, energy_model),
            title=f"Comparison {provenance.commit(base)} → {provenance.commit(comparison.head)}",
            sides=[(s, r, provenance.commit(r)) for s, r in (("Base", base), ("Head", comparison.head))],
            neurons=neurons,
            root="",
        )
    template = pages.get_template("model.html")
    bases = {cell.slug: record for cell, record in pairs(comparison, cells)} if comparison else {}
    for index, cell in enumerate(cells):
        files[f"models/{cell.slug}.html"] = template.render(
            page=model_page(cell, energy_model),
            card=card(cell),
            facts=provenance.of_run(cell.run),
            root="../",
            title=cell.name,
            change=comparison.sentences.get(cell.record.name, "") if comparison else "",
            against=_against(cell, bases.get(cell.slug)),
            previous=cells[index - 1] if index else None,
            next=cells[index + 1] if index + 1 < len(cells) else None,
        )
    return files


def trend_files(
    pages: Environment,
    drawn: trends.Trends,
    neurons: Sequence[str],
    home: str,
    home_label: str,
    damaged: Sequence[str] = (),
) -> dict[str, str | bytes]:
    """The trends page with its downloads."""
    page = pages.get_template("trends.html").render(
        page=drawn, title="From run to run", neurons=neurons, home=home, home_label=home_label, damaged=damaged, root=""
    )
    return {"trends.html": page} | downloads.as_files("trends", trends.long_table(drawn))


def _against(cell: Cell, base: Record | None) -> Against | None:
    if base is None or cell.skipped:
        return None
    found = layers.layer_changes(base, cell.record)
    return Against(layers.plot(found), layers.model_table(found))


def _overview(
    pages: Environment,
    runs: Sequence[Run],
    cells: Sequence[Cell],
    energy_model: str | None,
    comparison: Comparison | None,
    drawn: trends.Trends,
    neurons: Sequence[str],
    site: Site | None,
) -> str:
    judged = changes.by_cell(comparison, cells) if comparison else None
    by_name = {s.name: s for s in trends.of_cells(cells)}
    return pages.get_template("overview.html").render(
        title=overview.title(cells),
        sentence=overview.sentence(cells, energy_model),
        runs=runs,
        commits=[provenance.commit(run) for run in runs],
        cells=cells,
        skipped=[(cell, cell.skipped) for cell in cells if cell.skipped],
        models=overview.model_table(cells, energy_model, judged),
        pareto=overview.accuracy_energy(cells, energy_model),
        comparisons=reset.comparisons(cells, energy_model),
        tiles=changes.strip(comparison) if comparison else None,
        judged_against=changes.judged_against(comparison) if comparison else None,
        notes=comparison.notes if comparison else (),
        trends=drawn,
        trends_at=site.trends if site else "trends.html",
        levels=trends.event_table(drawn.history, drawn.events, by_name, _SHOWN) if drawn.events else None,
        findings=changes.moved_table(comparison, cells, _SHOWN) if comparison else None,
        facts=[provenance.of_run(run) for run in runs],
        run_files=downloads.run_names(runs),
        tables=[(name, what) for name, what, _ in downloads.tables(cells, energy_model, comparison)],
        neurons=neurons,
        facets={
            "dataset": ("Data set", sorted({c.dataset for c in cells})),
            "network": ("Network", sorted({c.network for c in cells})),
            "neuron": ("Neuron", list(dict.fromkeys(c.neuron for c in cells))),
            "T": ("T", sorted({c.timesteps for c in cells}, key=lambda t: (len(t), t))),
        },
        site=site.root if site else "",
        root="",
    )


def environment() -> Environment:
    """The templates, with everything in them escaped."""
    pages = Environment(
        loader=PackageLoader("inflor_bench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, _, _ = pages.loader.get_source(pages, "style.css")  # type: ignore[union-attr]
    script, _, _ = pages.loader.get_source(pages, "report.js")  # type: ignore[union-attr]
    # Both are inlined, so a page is one file that can be mailed; the policy lets no other script run.
    pages.globals["style"] = Markup(style)
    pages.globals["script"] = Markup(script)
    pages.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    pages.filters["t"] = _isolated
    pages.filters["clean"] = clean
    pages.filters["raw"] = _raw
    return pages


def _isolated(value: object, limit: int = 160) -> Markup:
    """A string of a run: one clean line, escaped, and isolated from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(escape(clean(value, limit)))


def _raw(value: float | int) -> str:
    """A value as data: nine digits are more than anybody sorts by."""
    return str(value) if isinstance(value, int) else f"{value:.9g}"
