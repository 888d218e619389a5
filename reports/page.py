"""Runs in, a directory of pages out: a pure function of the run files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.track.compare import Comparison
from bench.track.runs import Run
from reports import changes, downloads, overview, provenance, reset, svg, trends
from reports.cells import NEURONS, Cell, collect, headline_energy
from reports.errors import ReportInputError
from reports.modelpage import model_page
from reports.plots import Plot
from reports.text import clean


def build(runs: Sequence[Run], out: Path, *, comparison: Comparison | None = None, history: Sequence[Run] = ()) -> Path:
    """Write the report of the runs into the directory `out` and return its `index.html`.

    The pages need no network, no server and no JavaScript. The same input gives the same bytes.

    Raises:
        ReportInputError: There is no run, or `out` cannot be written.
    """
    cells = collect(runs)
    if not cells:
        raise ReportInputError(
            "There is nothing to report: give at least one run file with at least one measured cell."
        )
    energy_model = headline_energy(cells)
    environment = _environment()
    with svg.style():
        files = _pages(environment, runs, cells, energy_model, comparison, history)
    _write(out, files)
    return out / "index.html"


def _pages(
    environment: Environment,
    runs: Sequence[Run],
    cells: Sequence[Cell],
    energy_model: str | None,
    comparison: Comparison | None,
    history: Sequence[Run],
) -> dict[str, str | bytes]:
    """Every file of the report by its path."""
    files = downloads.files(runs, cells, energy_model, comparison)
    drawn = trends.trends(history, cells, energy_model)
    files["index.html"] = _overview(environment, runs, cells, energy_model, comparison, files, drawn)
    template = environment.get_template("model.html")
    for index, cell in enumerate(cells):
        files[f"models/{cell.slug}.html"] = template.render(
            page=model_page(cell, energy_model),
            facts=provenance.of_cell(cell),
            root="../",
            title=cell.name,
            change=comparison.sentences.get(cell.record.name, "") if comparison else "",
            previous=cells[index - 1] if index else None,
            next=cells[index + 1] if index + 1 < len(cells) else None,
            energy_model=energy_model,
        )
    return files


def _overview(
    environment: Environment,
    runs: Sequence[Run],
    cells: Sequence[Cell],
    energy_model: str | None,
    comparison: Comparison | None,
    files: Mapping[str, str | bytes],
    drawn: Sequence[Plot],
) -> str:
    judged = changes.by_cell(comparison, cells) if comparison else None
    return environment.get_template("overview.html").render(
        title=overview.title(cells),
        sentence=overview.sentence(cells, energy_model),
        runs=runs,
        commits=[provenance.commit(run) for run in runs],
        cells=cells,
        skipped=[(cell, cell.skipped) for cell in cells if cell.skipped],
        models=overview.model_table(cells, energy_model, judged),
        pareto=overview.accuracy_energy(cells, energy_model),
        comparisons=reset.comparisons(cells, energy_model),
        strip=changes.strip(comparison) if comparison else None,
        judged_against=changes.judged_against(comparison) if comparison else None,
        notes=comparison.notes if comparison else (),
        trends=drawn,
        findings=changes.moved_table(comparison, cells) if comparison else None,
        undecided=changes.undecided_table(comparison, cells) if comparison else None,
        facts=[provenance.of_run(run) for run in runs],
        run_files=downloads.run_names(runs),
        has_sites="data/synaptic-layers.csv" in files,
        has_neurons="data/spiking-layers.csv" in files,
        neurons=[n for n in NEURONS if any(c.neuron == n for c in cells)],
        facets={
            "dataset": ("Data set", sorted({c.dataset for c in cells})),
            "network": ("Network", sorted({c.network for c in cells})),
            "neuron": ("Neuron", list(dict.fromkeys(c.neuron for c in cells))),
            "T": ("T", sorted({c.timesteps for c in cells}, key=lambda t: (len(t), t))),
        },
        energy_model=energy_model,
        root="",
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, _, _ = environment.loader.get_source(environment, "style.css")  # type: ignore[union-attr]
    script, _, _ = environment.loader.get_source(environment, "report.js")  # type: ignore[union-attr]
    # Both are inlined, so a page is one file that can be mailed; the policy lets no other script run.
    environment.globals["style"] = Markup(style)
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.filters["t"] = _isolated
    environment.filters["clean"] = clean
    return environment


def _isolated(value: object, limit: int = 160) -> Markup:
    """A string of a run: one clean line, escaped, and isolated from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(escape(clean(value, limit)))


def _write(out: Path, files: dict[str, str | bytes]) -> None:
    try:
        for name, content in sorted(files.items()):
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise ReportInputError(
            f"{out}: the report cannot be written ({error.strerror or error}); give a directory that can be written."
        ) from None
