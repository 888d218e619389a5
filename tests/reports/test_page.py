"""The report as files: the same twice, small, complete, and unimpressed by what a run's strings hold."""

from __future__ import annotations

import csv
import json
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from inflor_bench.errors import ReportInputError
from inflor_bench.record.costs import Energy
from inflor_bench.record.counted import Synops
from inflor_bench.record.run_file import Run, read_run
from inflor_bench.record.schema import SECTIONS, Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.pages.picture import picture
from inflor_bench.reports.pages.report import build
from inflor_bench.verdict.compare import judge
from tests.reports import sample
from tests.reports.conftest import pages

pytestmark = pytest.mark.long


def text_of(path: Path) -> str:
    parts: list[str] = []

    class Reader(HTMLParser):
        skip = 0

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.skip += tag in ("style", "script")

        def handle_endtag(self, tag: str) -> None:
            self.skip -= tag in ("style", "script")

        def handle_data(self, data: str) -> None:
            if not self.skip:
                parts.append(data)

    Reader().feed(path.read_text())
    return re.sub(r"[ \n]+", " ", "".join(parts))


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def built(folder: Path, *records: Record) -> Path:
    """The report of a run of these records."""
    return build(sample.run_of(records, folder / "run.json"), folder / "out").parent


def test_building_twice_gives_the_same_bytes(run: Run, report: Path, tmp_path: Path) -> None:
    build(run, tmp_path)
    assert files(tmp_path) == files(report)


def test_every_table_entry_is_the_record_s(run: Run, report: Path) -> None:
    rows = list(csv.DictReader((report / "data/models.csv").open()))
    assert {r["Model"] for r in rows} == set(run.cells)
    for row in rows:
        record = run.cells[row["Model"]].record
        if isinstance(record.synops, Absent):
            assert row["Operations per inference AC [1]"] == ""
        else:
            assert float(row["Operations per inference AC [1]"]) == record.synops.total.ac / record.synops.samples
        if not isinstance(record.energy, Absent):
            assert float(row["Energy, estimated horowitz45-fp32 [J]"]) == record.energy.models[0].joules
        assert row["Energy, measured by meter [J]"] == ""


def test_the_run_file_is_copied_as_it_is(run: Run, report: Path) -> None:
    (copy,) = (report / "data").glob("run-*.json")
    assert copy.read_bytes() == run.path.read_bytes()


def test_the_badge_is_valid_and_says_what_happened(report: Path, compared: Path, base: Run, run: Run) -> None:
    badge = json.loads((report / "badge.json").read_text())
    assert badge["schemaVersion"] == 1
    assert badge["message"] in (report / "badge.svg").read_text()
    ET.fromstring((report / "badge.svg").read_text())
    regressed = {f.cell for f in judge(base, run).regressions}
    message = json.loads((compared / "badge.json").read_text())["message"]
    assert message == (f"{len(regressed)} regressed" if regressed else "no regression")


def test_svg_is_well_formed_and_carries_no_foreign_style(report: Path) -> None:
    for path in pages(report):
        found = re.findall(r'<svg class="plot".*?</svg>', path.read_text(), re.DOTALL)
        assert found or "was skipped" in path.read_text()
        for svg in found:
            ET.fromstring(svg)
            assert "<style" not in svg
            assert not re.search(r"#0[0-9a-f]{5}\b(?!-)", re.sub(r'(?:id|href)="[^"]*"|url\([^)]*\)', "", svg)), (
                "a sentinel is left"
            )
            assert 'role="img"' in svg
            assert "<title" in svg
            assert "<desc" in svg


def test_estimated_and_measured_energy_share_no_column(tmp_path: Path) -> None:
    out = built(tmp_path, sample.record().model_copy(update={"power": sample.measured_power()}))
    (row,) = csv.DictReader((out / "data/models.csv").open())
    assert float(row["Energy, measured by meter [J]"]) == 0.0123
    assert float(row["Energy, estimated horowitz45-fp32 [J]"]) < 1e-3


def test_changes_are_shown_worst_first_with_cell_metric_and_layer(run: Run, base: Run, compared: Path) -> None:
    comparison = judge(base, run)
    moved = [f for f in comparison.findings if f.verdict in ("regressed", "accepted", "changed", "improved")]
    assert moved, "the base spikes less, so something must have moved"
    for name, shown in (("compare.html", len(moved)), ("index.html", 12)):
        page = (compared / name).read_text()
        table = page[page.index('id="changes-table"') :]
        assert table[: table.index("</table>")].count("<tr") == 1 + shown
    comment = (compared / "comment.md").read_text()
    assert comment.startswith("<!-- inflor-bench -->\n")
    for finding in comparison.regressions[:3]:
        assert finding.layer is None or finding.layer in text_of(compared / "compare.html")


def test_missing_parts_say_so(tmp_path: Path) -> None:
    """No power, no accuracy, ... : one model, one run, no history, and each part gone in turn."""
    whole = sample.record()
    gone = Absent(status="failed", reason="the tool broke")
    for section in SECTIONS:
        out = built(tmp_path / section, whole.model_copy(update={section: gone}))
        assert section == "memory" or "the tool broke" in text_of(pages(out)[1]), section
    page = text_of(out / "index.html")
    for said in ("no base run", "no two spiking variants", "made without a history", "One model measured"):
        assert said in page, said


def test_a_run_in_which_nothing_was_measured_says_so(tmp_path: Path) -> None:
    out = built(tmp_path, *(sample.skipped(r, "the disk is full") for r in sample.nine()[:2]))
    assert "None of the 2 models could be measured" in text_of(out / "index.html")
    assert all("the disk is full" in text_of(path) for path in pages(out))
    assert "No model has both an accuracy and an estimate" in text_of(out / "index.html") or "No model of energy" in (
        text_of(out / "index.html")
    )


def test_what_a_meter_read_is_shown_in_full(tmp_path: Path) -> None:
    out = built(tmp_path, sample.record().model_copy(update={"power": sample.measured_power()}))
    page = text_of(pages(out)[1])
    for said in ("nvml energy counter on NVIDIA Example", "12.1\u202fmJ to 12.5\u202fmJ", "24.0\u202fW", "±5 %"):
        assert said in page, said


def test_the_anytime_curve_of_a_card_is_drawn(tmp_path: Path) -> None:
    record = sample.record()
    weights = record.provenance.weights.model_copy(update={"card_anytime": [0.71, 0.91]})  # type: ignore[union-attr]
    page = pages(built(tmp_path, sample.with_provenance(record, weights=weights)))[1].read_text()
    table = page[page.index('id="anytime-data"') :]
    assert re.findall(r'data-value="([\d.]+)"', table[: table.index("</table>")]) == ["0.71", "0.91"]
    assert "made without a record of it" in text_of(pages(built(tmp_path, record))[1])


def test_layers_are_compared_one_by_one(run: Run, base: Run, compared: Path) -> None:
    name = "fashion-mnist/resnet8/soft-mpr/T2/s0"
    page = (compared / "models/fashion-mnist-resnet8-soft-mpr-t2-s0.html").read_text()
    table = page[page.index('id="base-layers"') :]
    table = table[table.index("<tbody>") : table.index("</tbody>")]
    rows = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in table.split("<tr")[1:]]
    shown = {re.sub("<.*?>", "", row[0]) for row in rows}
    sides = [{x.name: (x.ac, x.mac) for x in r.cells[name].record.synops.layers} for r in (base, run)]  # type: ignore[union-attr]
    assert shown == {layer for layer in sides[0] if sides[0][layer] != sides[1][layer]}
    whole = list(csv.DictReader((compared / "data/layer-changes.csv").open()))
    mine = [r for r in whole if r["Model"] == name and r["Quantity"] == "AC per inference"]
    for row in mine:
        a, b = (side[row["Layer"]][0] / sample.SAMPLES for side in sides)
        assert (float(row["Base"]), float(row["Head"])) == (a, b)
        assert float(row["Change"]) == pytest.approx(b / a - 1)


def test_the_same_run_compared_with_itself_has_nothing_to_tell(run: Run, tmp_path: Path) -> None:
    out = build(run, tmp_path, comparison=judge(run, run)).parent
    page = text_of(out / "compare.html")
    for said in ("Nothing moved", "Every layer does the same as at the base", "the same code, machine and versions"):
        assert said in page, said


def test_empty_sections_make_a_page_too(tmp_path: Path) -> None:
    record = sample.record().model_copy(
        update={
            "energy": Energy(models=[]),
            "synops": Synops(samples=1, total={"ac": 0, "mac": 0, "dense": 0, "dense_padded": 0}, layers=[]),  # type: ignore[arg-type]
        }
    )
    assert (built(tmp_path, record) / "index.html").exists()


def test_a_user_s_own_model_is_shown_by_its_name(tmp_path: Path) -> None:
    none = dict.fromkeys(("dataset", "network", "neuron", "timesteps", "seed"))
    out = built(tmp_path, sample.with_name(sample.record(), "my_package:Net", **none))
    assert "my_package:Net reaches" in text_of(out / "index.html")


@pytest.mark.slow
def test_pages_stay_small_with_many_cells_of_many_layers(tmp_path: Path) -> None:
    """Half of the budget's cells take at most half of the budget, with a base in which every layer differs."""
    head, base = (
        sample.run_of(
            [r for r in sample.fifty(scale=scale, run_id=name) if r.name.startswith("cifar10/")], tmp_path / name
        )
        for name, scale in (("head", 1.0), ("base", 0.9))
    )
    out = build(head, tmp_path / "out", comparison=judge(base, head)).parent
    assert (out / "index.html").stat().st_size < 500_000
    assert (out / "compare.html").stat().st_size < 500_000
    assert max(p.stat().st_size for p in pages(out)[1:]) < 1_000_000


def test_nothing_to_report_and_nowhere_to_write_are_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ReportInputError, match="nothing to report"):
        build(replace(run, cells={}), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportInputError, match="cannot be written"):
        build(run, tmp_path / "file" / "out")


def test_a_run_read_from_its_file_reports_the_same(run: Run, report: Path, tmp_path: Path) -> None:
    document = json.loads(run.path.read_text())
    assert len(document["benchmarks"]) + len(document["inflor_bench"]["untimed"]) == len(run.cells)
    build(read_run(run.path), tmp_path)
    assert (tmp_path / "index.html").read_bytes() == (report / "index.html").read_bytes()


@pytest.mark.needs("chromium")
def test_a_picture_is_a_png_of_the_page(run: Run, tmp_path: Path) -> None:
    data = picture(run, tmp_path / "a" / "out.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (1280, 1990)
    assert len(data) > 50_000, "an empty page compresses to less"


def test_a_browser_that_hangs_is_ended_and_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexec sleep 600\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("inflor_bench.reports.pages.picture.SECONDS", 0.5)
    with pytest.raises(ReportInputError, match=r"made no picture within 0.5 s"):
        picture(run, tmp_path / "out.png")
