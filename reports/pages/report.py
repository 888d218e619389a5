"""A run in, a directory of pages out: a pure function of the run file, its comparison and its history."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data import card, changes, layers, provenance
from inflor_bench.reports.data.cells import NEURONS, ReportCell, collect, headline_energy
from inflor_bench.reports.data.summaries import RunSummary
from inflor_bench.reports.data.tables import Table
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.draw import canvas
from inflor_bench.reports.files import write
from inflor_bench.reports.pages import badge, downloads, overview, reset, trends, worth
from inflor_bench.reports.pages.comment import comment
from inflor_bench.reports.pages.compare import compare_page, pairs
from inflor_bench.reports.pages.model import model_page
from inflor_bench.reports.pages.model_plots import changes_plot
from inflor_bench.verdict.compare import Comparison

_SHOWN = 12


@dataclass(frozen=True)
class Site:
    """The place of a report on a site of many: the way back to its index, and the address of the trends."""

    root: str
    trends: str


def build(
    run: Run,
    out: Path,
    *,
    comparison: Comparison | None = None,
    history: Sequence[RunSummary] = (),
    site: Site | None = None,
    commits: str = "",
) -> Path:
    """Write the report of a run into the directory `out` and return its `index.html`.

    The pages need no network, no server and no JavaScript. The same input gives the same bytes. With a comparison there
    is a page for it, `compare.html`; with a history of two runs or more, oldest first, there is `trends.html`, unless
    the report is part of a `site`, which has its own. `commits` is the address that a commit's page begins with, where
    one is known.

    Raises:
        ReportInputError: The run has no cell, or `out` cannot be written.
    """
    cells = collect(run)
    if not cells:
        raise ReportInputError("There is nothing to report: give a run file with at least one measured cell.")
    if comparison is not None and comparison.base is None and not comparison.findings:
        comparison = None  # there is nothing to tell
    with canvas.for_page():
        write(out, _files(run, cells, comparison, history, site, commits))
    return out / "index.html"


def _files(
    run: Run,
    cells: Sequence[ReportCell],
    comparison: Comparison | None,
    history: Sequence[RunSummary],
    site: Site | None,
    commits: str,
) -> dict[str, str | bytes]:
    """Every file of the report by its path."""
    energy_model = headline_energy(cells)
    models = overview.model_table(cells, energy_model, changes.by_cell(comparison, cells) if comparison else None)
    base = comparison.base if comparison else None
    both = pairs(base, cells) if base else []
    changed = [(cell, layers.layer_changes(before.record, cell.record)) for before, cell in both]
    tables = downloads.tables(cells, energy_model, models, changed)
    drawn = trends.trends(history, trends.of_cells(cells))
    answers = worth.answers(cells)
    neurons = [n for n in NEURONS if any(c.neuron == n for c in cells)]
    facts = provenance.of_run(run)
    pages = environment()

    said, colour = badge.message(cells, comparison)
    files: dict[str, str | bytes] = {
        "badge.json": badge.endpoint(said, colour),
        "badge.svg": badge.svg(said, colour),
        "comment.md": comment(cells, energy_model, comparison, models, answers),
        downloads.run_name(run): downloads.run_file(run),
    }
    for name, _, table in tables:
        files |= downloads.as_files(name, table)
    if drawn.lines and site is None:
        files |= trend_files(pages, drawn, neurons, "index.html", "The report", commits=commits)
    files["index.html"] = pages.get_template("overview.html").render(
        **_overview(cells, energy_model, models, answers),
        **_judgement(comparison, cells),
        run=run,
        commit=provenance.commit(run),
        facts=facts,
        run_file=downloads.run_name(run),
        tables=[(name, what) for name, what, _ in tables],
        trends=drawn,
        trends_at=site.trends if site else "trends.html",
        levels=drawn.event_table(_SHOWN),
        neurons=neurons,
        site=site.root if site else "",
        root="",
    )
    if comparison is not None and base is not None:
        files["compare.html"] = pages.get_template("compare.html").render(
            page=compare_page(comparison, base, cells, changed, energy_model),
            title=f"Comparison {provenance.commit(base)} → {provenance.commit(comparison.head)}",
            sides=[(s, r, provenance.commit(r)) for s, r in (("Base", base), ("Head", comparison.head))],
            neurons=neurons,
            root="",
        )
    template = pages.get_template("model.html")
    by_address = {cell.slug: found for cell, found in changed if not cell.skipped}
    answer_of = {answer.cell.slug: answer for answer in answers}
    for index, cell in enumerate(cells):
        found = by_address.get(cell.slug)
        files[f"models/{cell.slug}.html"] = template.render(
            page=model_page(cell, energy_model),
            summary=card.summary(cell),
            model_facts=provenance.of_cell(cell),
            facts=facts,
            root="../",
            title=cell.name,
            change=comparison.sentences.get(cell.record.name, "") if comparison else "",
            against=None if found is None else {"plot": changes_plot(found), "table": layers.model_table(found)},
            worth=answer_of.get(cell.slug),
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
    *,
    commits: str = "",
) -> dict[str, str | bytes]:
    """The trends page with its downloads."""
    page = pages.get_template("trends.html").render(
        page=drawn,
        title="From run to run",
        neurons=neurons,
        home=home,
        home_label=home_label,
        damaged=damaged,
        explored=trends.explored(drawn, commits) if drawn.lines else None,
        root="",
    )
    return {"trends.html": page} | downloads.as_files("trends", trends.long_table(drawn))


def _overview(
    cells: Sequence[ReportCell], energy_model: str | None, models: Table, answers: Sequence[worth.AgainstTwin]
) -> dict[str, Any]:
    """What the overview says of the cells."""
    return {
        "answers": answers,
        "worth": worth.plots(answers),
        "title": overview.title(cells),
        "sentence": overview.sentence(cells, energy_model),
        "cells": cells,
        "skipped": [(cell, cell.skipped) for cell in cells if cell.skipped],
        "models": models,
        "pareto": overview.accuracy_energy(cells, energy_model),
        "comparisons": reset.comparisons(cells, energy_model),
        "facets": {
            "dataset": ("Data set", sorted({c.dataset for c in cells})),
            "network": ("Network", sorted({c.network for c in cells})),
            "neuron": ("Neuron", list(dict.fromkeys(c.neuron for c in cells))),
            "T": ("T", sorted({c.timesteps for c in cells}, key=lambda t: (len(t), t))),
        },
    }


def _judgement(comparison: Comparison | None, cells: Sequence[ReportCell]) -> dict[str, Any]:
    """What the overview says of the comparison."""
    return {
        "tiles": changes.strip(comparison) if comparison else None,
        "judged_against": changes.judged_against(comparison) if comparison else None,
        "notes": comparison.notes if comparison else (),
        "findings": changes.moved_table(comparison, cells, _SHOWN) if comparison else None,
    }


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
    # All are inlined, so a page is one file that can be mailed; the policy lets no other script run.
    pages.globals["style"] = Markup(style)
    pages.globals["script"] = Markup(script)
    pages.globals["script_hash"] = _sha256(script)
    library, explore, look = (
        pages.loader.get_source(pages, name)[0]  # type: ignore[union-attr]
        for name in ("uplot/uPlot.iife.min.js", "explore.js", "uplot/uPlot.min.css")
    )
    pages.globals["explore"] = Markup(library + explore)
    pages.globals["explore_hash"] = _sha256(library + explore)
    pages.globals["explore_style"] = Markup(look)
    pages.filters["t"] = _isolated
    pages.filters["clean"] = clean
    pages.filters["raw"] = _raw
    return pages


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _isolated(value: object, limit: int = 160) -> Markup:
    """A string of a run: one clean line, escaped, and isolated from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(escape(clean(value, limit)))


def _raw(value: float | int) -> str:
    """A value as data: nine digits are more than anybody sorts by."""
    return str(value) if isinstance(value, int) else f"{value:.9g}"
