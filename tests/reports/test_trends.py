"""Levels from run to run, against what was put into the history, and the page that shows them."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet
import pytest

from inflor_bench.history.history import run_files
from inflor_bench.record.run_file import Run, read_run
from inflor_bench.reports.data.cells import collect
from inflor_bench.reports.data.shifts import events, lines
from inflor_bench.reports.data.summaries import RunSummary, ordered, read_summaries, summary
from inflor_bench.reports.draw import canvas
from inflor_bench.reports.pages import trends
from inflor_bench.reports.pages.report import build
from tests.command import ROOT
from tests.reports import sample

CELL = "fashion-mnist/resnet8/soft/T2/s0"


def test_a_summary_holds_the_record_s_figures(run: Run) -> None:
    kept = summary(run)
    record = run.cells[CELL].record
    figures = kept.cells[CELL]
    assert figures.accuracy == record.accuracy.correct / record.accuracy.n  # type: ignore[union-attr]
    total = record.synops.total  # type: ignore[union-attr]
    assert figures.operations == (total.ac + total.mac) / record.synops.samples  # type: ignore[union-attr]
    assert kept.cells["cifar10/resnet8/soft/T2/s0"].skipped == "cifar10 is not here: give --data"


def history(values: list[float | None], **more: list[Any]) -> list[RunSummary]:
    """A history of one cell whose operations, or what else is named, are these values."""
    with TemporaryDirectory() as directory:
        base = summary(sample.run_of([sample.record(CELL)], Path(directory) / "run.json"))
    made = []
    for i, value in enumerate(values):
        changes = {"operations": value} | {name: column[i] for name, column in more.items()}
        own = {key: changes.pop(key) for key in ("machine",) if key in changes}
        made.append(
            replace(
                base,
                run_id=f"r{i}",
                created=f"2026-01-01T10:{i:02}:00+00:00",
                cells={CELL: replace(base.cells[CELL], **changes)},
                **own,
            )
        )
    return made


def told(past: list[RunSummary], metric: str) -> list[tuple[int, float, float, str]]:
    found = [e for e in events(lines(past, [CELL])) if e.line.metric.name == metric]
    return [(e.index, e.before, e.after, e.verdict) for e in found]


def test_a_count_that_moves_is_a_new_level_at_once() -> None:
    assert told(history([5.0, 5.0, 7.0, 7.0]), "operations") == [(2, 5.0, 7.0, "regressed")]
    assert told(history([5.0, None, 4.0]), "operations") == [(2, 5.0, 4.0, "improved")]
    assert told(history([5.0, 5.0, 5.0]), "operations") == []


def test_what_scatters_needs_several_runs_to_move() -> None:
    noise = [1.0, 1.02, 0.99, 1.01, 0.98, 1.0, 1.03, 0.97, 1.01, 0.99, 1.0, 1.02]
    quiet = history([5.0] * 24, latency=noise + noise)
    assert told(quiet, "latency") == []
    moved = history([5.0] * 24, latency=noise + [1.5 * v for v in noise])
    ((index, before, after, verdict),) = told(moved, "latency")
    assert index == 12
    assert after / before == pytest.approx(1.5, rel=0.02)
    assert verdict == "regressed"


def test_time_is_followed_on_one_machine_only() -> None:
    past = history([5.0] * 4, latency=[9.0, 1.0, 9.0, 1.0], machine=["old", "new", "old", "new"])
    (line,) = [x for x in lines(past, [CELL]) if x.metric.name == "latency"]
    assert line.values == [None, 1.0, None, 1.0]


def test_another_model_of_energy_starts_another_line() -> None:
    past = history([5.0] * 3, energy=[1.0, 2.0, 2.0], energy_model=["x 1", "x 2", "x 2"])
    (line,) = [x for x in lines(past, [CELL]) if x.metric.name == "energy"]
    assert line.values == [None, 2.0, 2.0]


def test_an_estimate_that_follows_its_operations_is_told_once() -> None:
    past = history([5.0, 7.0], energy=[1.0, 1.4])
    assert [e.line.metric.name for e in events(lines(past, [CELL]))] == ["operations"]


def test_the_trends_page_has_every_run_and_model(compared: Path, past: list[RunSummary], run: Run, visit: Any) -> None:
    page = visit(compared / "trends.html").page
    measured = [n for n, c in run.cells.items() if c.record.accuracy.status == "measured"]
    shown = page.locator("#lines tbody th").evaluate_all("all => all.map(e => e.dataset.value)")
    assert sorted(shown) == sorted(measured)
    rows = page.locator("#trend-2-operations-data tbody tr")
    assert rows.count() == len(past) + 1
    first = rows.first.locator("th").text_content()
    assert first == past[0].commit, "oldest first"
    (level,) = page.locator("#levels tbody tr").all_inner_texts()
    assert level.startswith("8" * 12)
    assert f"{len(measured)} models" in level, "each spiked more from the ninth run on"
    assert "+11.1" in level
    with (compared / "data/trends.csv").open() as file:
        found = [r for r in csv.DictReader(file) if r["Cell"] == CELL and r["Metric"] == "operations [1]"]
    assert [float(r["Value"]) for r in found] == [m.cells[CELL].operations for m in [*past, summary(run)]]
    assert [r["New level"] for r in found] == ["0"] * 8 + ["1"] + ["0"] * 4
    table = pyarrow.parquet.read_table(compared / "data/trends.parquet")
    assert table.num_rows == sum(1 for _ in (compared / "data/trends.csv").open()) - 1


def test_one_run_has_no_trends_and_says_so(run: Run, tmp_path: Path, visit: Any) -> None:
    out = build(run, tmp_path, history=[summary(run)]).parent
    assert not (out / "trends.html").exists()
    assert "There is one run so far" in visit(out / "index.html").page.inner_text("#trends")


def test_a_history_names_damaged_files_and_holds_the_run_itself(run: Run, tmp_path: Path) -> None:
    sample.run_of(sample.nine(run_id="old", created="2026-01-01T00:00:00+00:00"), tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    found = read_summaries(tmp_path, besides=run)
    assert [m.run_id for m in found.runs] == ["old", run.run_id]
    assert len(found.damaged) == 1
    assert "b.json" in found.damaged[0]


def test_a_cached_history_is_the_one_that_was_read(history: Path, tmp_path: Path) -> None:
    folder, cache = tmp_path / "runs", tmp_path / "cache"
    shutil.copytree(history, folder)
    first = read_summaries(folder, cache=cache)
    assert read_summaries(folder, cache=cache) == first == read_summaries(folder)
    assert first.runs == ordered(summary(read_run(path)) for path in run_files(folder))
    path = sample.run_of(sample.nine(run_id="new", created="2027-01-01T00:00:00+00:00")[:1], folder / "new.json").path
    assert [m.run_id for m in read_summaries(folder, cache=cache).runs][-1] == "new"
    path.unlink()
    assert read_summaries(folder, cache=cache) == first


def test_many_runs_are_read_by_several_processes_in_their_order(tmp_path: Path) -> None:
    record = sample.record(layers=1, n=10)
    for i in range(70):
        one = sample.with_provenance(record, run_id=f"r{i:02}", created=f"2026-01-01T00:{i % 60:02}")
        sample.run_of([one], tmp_path / f"{i:02}.json")
    (tmp_path / "broken.json").write_text("[]")
    found = read_summaries(tmp_path)
    assert len(found.runs) == 70
    assert [m.order for m in found.runs] == sorted(m.order for m in found.runs)
    assert len(found.damaged) == 1


def test_time_orders_runs_whatever_offset_it_is_written_with() -> None:
    one, two = history([1.0, 2.0])
    early = replace(one, created="2026-01-01T12:00:00+02:00")
    late = replace(two, created="2026-01-01T10:30:00+00:00")
    assert early.order < late.order
    assert replace(one, created="whenever").order


def test_a_summary_leads_to_the_pages_that_a_report_has(run: Run) -> None:
    found = {cell.record.name: cell for cell in collect(run)}
    kept = summary(run).cells
    assert kept.keys() == found.keys()
    for name, cell in found.items():
        shown = (cell.slug, cell.dataset, cell.network, cell.neuron, cell.timesteps)
        assert (
            kept[name].page,
            kept[name].dataset,
            kept[name].network,
            kept[name].neuron,
            kept[name].timesteps,
        ) == shown
        assert kept[name].skipped == (cell.skipped.reason if cell.skipped else None)


def test_what_is_explored_is_what_the_figures_show_and_cannot_end_its_element(run: Run, past: list[RunSummary]) -> None:
    """Values as they stand in the history, verdicts of new levels, and addresses of commits where they are known."""
    hostile = replace(past[-1], message="</script><script>alert(1)</script> & more")
    with canvas.for_page():
        shown = trends.trends([*past[:-1], hostile], trends.of_cells(collect(run)))
    text = str(trends.explored(shown, "https://example.org/a/b/commit/"))
    assert not any(sign in text for sign in "<>&")
    given = json.loads(text)
    assert [one["href"] for one in given["runs"]] == [f"https://example.org/a/b/commit/{m.sha}" for m in past]
    assert given["runs"][-1]["message"] == "</script><script>alert(1)</script> & more"
    assert [figure["name"] for figure in given["figures"]] == [plot.name for plot in shown.plots]
    ours = [figure for figure in given["figures"] if any(one["label"] == CELL for one in figure["lines"])]
    accuracies = next(figure for figure in ours if figure["unit"] == "%")
    line = next(one for one in accuracies["lines"] if one["label"] == CELL)
    assert line["values"] == [pytest.approx(100 * m.cells[CELL].accuracy) for m in past]  # type: ignore[operator]
    counts = next(figure for figure in ours if figure["name"].endswith("-operations"))
    line = next(one for one in counts["lines"] if one["label"] == CELL)
    assert line["levels"] == {"8": "regressed"}
    assert all(one["href"] == "" for one in json.loads(str(trends.explored(shown)))["runs"])


@pytest.mark.parametrize(("file", "sha"), [("uPlot.iife.min.js", "19c8d4c6"), ("uPlot.min.css", "df630c6a")])
def test_the_library_that_draws_them_is_the_one_that_was_released(file: str, sha: str) -> None:
    """uPlot 1.6.32."""
    path = ROOT / "reports" / "templates" / "uplot" / file
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(sha)
    assert "MIT" in (path.parent / "LICENSE").read_text()
