"""Strings of a run are untrusted: whatever they hold, they come out as text, on pages, in files and in copies."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.reports.data.summaries import summary
from inflor_bench.reports.data.text import spreadsheet_safe
from inflor_bench.reports.pages.report import build
from inflor_bench.verdict.compare import judge
from tests.reports import sample
from tests.reports.conftest import pages

pytestmark = pytest.mark.long

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></style></svg><svg onload=alert(3)>",
    '=HYPERLINK("http://example.org"){{ 7*7 }}{% raw %}$\\frac{1}{2}$ & µ #0b0b0b id="mark:x" url(#a)',
    "A" * 10_000,
    "\u202egnp.exe שלום עולם",
)
# Two at a time where a browser looks at every page; each alone among the slow tests.
TOGETHER = (EVIL[0] + EVIL[1], EVIL[3] + EVIL[2])


def evil_run(evil: str, path: Path) -> Run:
    return sample.run_of([poisoned(evil), sample.skipped(sample.record("digits/resnet8/soft/T4/s0"), evil)], path)


@pytest.mark.parametrize("evil", [*TOGETHER, *(pytest.param(evil, marks=pytest.mark.slow) for evil in EVIL)])
def test_pages_show_it_as_text(evil: str, tmp_path: Path, visit: Any) -> None:
    run = evil_run(evil, tmp_path / "run.json")
    base = sample.run_of([poisoned(evil, scale=0.5)], tmp_path / "base.json")
    out = build(run, tmp_path / "out", comparison=judge(base, run), history=[summary(base), summary(run)]).parent
    assert [p.name for p in pages(out)][:3] == ["index.html", "compare.html", "trends.html"]
    for path in pages(out):
        seen = visit(path, width=360)
        assert seen.complaints == []
        shown = seen.page.evaluate("document.documentElement.textContent").replace("\u202e", "")
        assert clean_start(evil) in shown
        active = "document.querySelectorAll('script, img, iframe, object, [onerror], [onload]').length"
        ours = 3 if path.name == "trends.html" else 1
        assert seen.page.evaluate(active) == ours, "our own scripts and nothing else"
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("evil", EVIL)
def test_downloads_hold_it_as_text(evil: str, tmp_path: Path) -> None:
    run = evil_run(evil, tmp_path / "run.json")
    out = build(run, tmp_path / "out", history=[summary(run), summary(run)]).parent
    tables = sorted((out / "data").glob("*.csv"))
    assert len(tables) == 4
    for path in tables:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(spreadsheet_safe(entry) == entry for row in rows for entry in row), path.name
        whole = pyarrow.parquet.read_table(path.with_suffix(".parquet"))
        assert whole.num_rows == len(rows) - 1
        assert whole.num_columns == len(rows[0])
    names = pyarrow.parquet.read_table(out / "data/trends.parquet")["Cell"].to_pylist()
    assert evil in names, "what has types needs no escape"
    comment = (out / "comment.md").read_text()
    text = comment.replace("<!-- -->", "")
    assert not re.search(r"<(?!!-- inflor-bench -->|/?details>|/?summary>)", text)
    assert "](" not in text
    assert len(comment) < 65_536
    assert "<script" not in (out / "badge.svg").read_text()


@pytest.mark.parametrize("evil", EVIL)
def test_copies_hold_it_as_text(evil: str, tmp_path: Path, visit: Any) -> None:
    run = evil_run(evil, tmp_path / "run.json")
    out = build(run, tmp_path / "out").parent
    page = visit(out / "index.html", permissions=["clipboard-read", "clipboard-write"]).page

    def copied(kind: str) -> str:
        page.click(f"[data-table=models] .tools button >> text={kind}")
        page.wait_for_selector(f"[data-table=models] .tools [role=status]:has-text('Copied as {kind}')")
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    columns = page.locator("#models thead tr:last-child th").count()
    rows = list(csv.reader(io.StringIO(copied("CSV"))))
    assert {len(row) for row in rows} == {columns}
    assert all(spreadsheet_safe(entry) == entry for row in rows for entry in row)

    lines = copied("Markdown").splitlines()
    assert len(lines) == 2 + 2
    for line in lines:
        bare = re.sub(r"\\.", "", line)  # an escaped character is a letter
        assert bare.count("|") == columns + 1
        assert not re.search(r"[<>`*_\[\]]", bare)

    for line in copied("LaTeX").splitlines()[2:-2]:
        bare = re.sub(
            r"\\(textbackslash|textasciitilde|textasciicircum|textmu|textsuperscript|varphi|times|toprule|midrule)",
            "",
            line,
        )
        bare = re.sub(r"\\[&%$#_{},\\]", "", bare)
        assert "\\" not in bare, "every command left is one of ours"
        if "rule" not in line:
            assert bare.count("&") == columns - 1
        assert not re.search(r"[#%_~^]", bare)


def clean_start(evil: str) -> str:
    return evil.replace("\u202e", "")[:20]


def poisoned(evil: str, scale: float = 1.0) -> Record:
    """A record each of whose strings is the evil one."""
    record = sample.record(scale=scale)
    values = record.model_dump()
    provenance, model = values["provenance"], values["model"]
    values["name"] = evil
    model |= {"dataset": evil, "network": evil, "neuron": evil, "reset": evil}
    provenance |= {"command": [evil], "device": evil, "versions": {evil: evil}, "created": evil, "run_id": evil}
    provenance["git"] |= {"message": evil, "branch": evil, "sha": evil, "committed": evil}
    provenance["machine"] = {"fingerprint": evil, "preimage": {"cpu": evil, evil: evil}}
    provenance["dataset"] |= {"name": evil, "split": evil}
    provenance["weights"] |= {"recipe": {evil: evil}, "training_key": evil}
    for section in ("spikes", "synops", "information", "neuron_ops"):
        values[section]["layers"][0]["name"] = evil
    values["synops"]["layers"][0]["kind"] = evil
    values["synops"]["uncounted"] = [{"name": evil, "operator": evil, "calls": 1}]
    values["energy"]["models"][0] |= {"name": evil, "source": evil, "version": evil}
    values["power"]["reason"] = evil
    return Record.model_validate(values)
