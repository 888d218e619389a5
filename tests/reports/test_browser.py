"""What a page does in a real browser, from the disk, without a network: sorting, filtering, copying, telling."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from inflor_bench.record.run_file import Run
from inflor_bench.record.section import Absent
from tests.reports.conftest import SOFT_MPR

pytestmark = pytest.mark.long


def model_names(page: Any) -> list[str]:
    return page.eval_on_selector_all("#models tbody tr:not([hidden]) th", "all => all.map(e => e.dataset.value)")


def test_every_cell_and_layer_is_there(run: Run, report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    assert sorted(model_names(page)) == sorted(run.cells)
    links = {n: page.get_attribute(f"#models th[data-value='{n}'] a", "href") for n in run.cells}
    for name, result in run.cells.items():
        page.goto((report / links[name]).as_uri())
        assert name in page.inner_text("h1")
        record = result.record
        for section, table in ((record.synops, "synaptic-layers"), (record.spikes, "spiking-layers")):
            if isinstance(section, Absent):
                assert page.query_selector(f"#{table}") is None
            else:
                shown = page.eval_on_selector_all(f"#{table} tbody th", "all => all.map(e => e.textContent.trim())")
                assert shown == [layer.name for layer in section.layers]


def test_a_skipped_cell_says_why(report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    assert "cifar10 is not here: give --data" in page.inner_text(".notice")
    page.click(".notice a")
    assert "cifar10 is not here: give --data" in page.inner_text(".lede")


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_sorting(run: Run, report: Path, visit: Any, by: str) -> None:
    page = visit(report / "index.html").page
    button = page.locator("#models thead button", has_text="Accuracy")
    for descending in (True, False):
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")
        known = {n: c.record.accuracy for n, c in run.cells.items() if not isinstance(c.record.accuracy, Absent)}
        expected = sorted((a.value for a in known.values()), reverse=descending)
        order = model_names(page)
        assert [known[name].value for name in order[:-1]] == expected
        assert order[-1] not in known, "what was not measured stays last"
        wanted = "descending" if descending else "ascending"
        assert page.get_attribute("#models th[aria-sort]", "aria-sort") == wanted


def test_filtering_by_mouse(report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    page.select_option("[data-facet=dataset]", "fashion-mnist")
    page.select_option("[data-facet=neuron]", "soft-mpr")
    assert model_names(page) == ["fashion-mnist/resnet8/soft-mpr/T2/s0"]
    assert page.inner_text(".filters output") == "1 of 10 models"
    faded = page.evaluate("[...document.querySelectorAll('#accuracy-energy .out')].map(e => e.dataset.mark)")
    assert "digits-resnet8-soft-mpr-t4-s0" in faded
    assert "fashion-mnist-resnet8-soft-mpr-t2-s0" not in faded


def test_a_filter_is_part_of_the_address(report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    page.select_option("[data-facet=dataset]", "digits")
    page.fill(".filters input", "hard")
    address = page.evaluate("location.hash")
    again = visit(report / "index.html", anchor=address)
    assert model_names(again.page) == ["digits/resnet8/hard/T4/s0", "digits/resnet8/hard-mpr/T4/s0"]
    assert again.complaints == []


def test_a_layer_lights_up_in_figures_and_tables_and_tells_its_figures(report: Path, visit: Any) -> None:
    page = visit(report / SOFT_MPR).page
    page.hover("#synaptic-layers tbody tr:nth-child(2) th")
    assert page.locator("#operations .band.lit").count() == 1
    page.locator("#operations .band").nth(1).hover()
    assert page.inner_text("#tip").startswith("stages.0.0.conv1: AC ")
    assert page.locator("#synaptic-layers tr.lit th").inner_text() == "stages.0.0.conv1"


def test_filtering_the_runs_of_a_site(site: Path, visit: Any) -> None:
    page = visit(site / "index.html").page
    assert page.locator("#runs tbody tr:visible").count() == 4
    page.keyboard.press("/")
    page.keyboard.type("222222222222")
    assert page.locator("#runs tbody tr:visible").count() == 1
    page.keyboard.press("Escape")
    page.select_option("[data-facet=verdict]", "no base")
    assert page.locator("#runs tbody tr:visible th").inner_text().startswith("000000000000")


def test_filtering_and_moving_by_keyboard(report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    page.keyboard.press("/")
    page.keyboard.type("mpr fashion")
    assert model_names(page) == ["fashion-mnist/resnet8/soft-mpr/T2/s0"]
    page.keyboard.press("Escape")
    assert len(model_names(page)) == 10
    page.focus("#models tbody tr:nth-child(2) th a")
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('tr').rowIndex - document.querySelector('#models tbody tr').rowIndex"
    assert page.evaluate(focused) == 2
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/*.html")


def test_marks_and_rows_light_up_together(report: Path, visit: Any) -> None:
    page = visit(report / "index.html").page
    mark = "fashion-mnist-resnet8-hard-t2-s0"
    page.hover(f"#model-{mark} th")
    lit = page.evaluate("[...document.querySelectorAll('#accuracy-energy .lit')].map(e => e.dataset.mark)")
    assert set(lit) == {mark}
    page.locator(f"#accuracy-energy [data-mark={mark}] use").first.hover(force=True)
    assert "accuracy" in page.inner_text("#tip")


def test_what_a_mark_says_is_found_by_the_columns_name_wherever_it_stands(
    report: Path, visit: Any, tmp_path: Path
) -> None:
    mark = "fashion-mnist-resnet8-hard-t2-s0"
    shutil.copytree(report, tmp_path / "report")
    index = tmp_path / "report/index.html"
    text = index.read_text()
    more = re.sub(r'(<tr id="model-[^>]*>\s*<th .*?</th>)', r"\1<td>another column</td>", text, flags=re.DOTALL)
    assert more.count("another column") == 10
    index.write_text(more)
    told = [
        visit(path).page.get_attribute(f"#accuracy-energy [data-mark={mark}]", "data-tip")
        for path in (report / "index.html", index)
    ]
    assert re.fullmatch(
        r"fashion-mnist/resnet8/hard/T2/s0: accuracy [0-9.]+.%.*, estimated energy [0-9.]+.[nµm]J.*", told[0]
    )
    assert told[1] == told[0]


@pytest.mark.parametrize(
    ("name", "start"),
    [("CSV", "Model,Data set,T"), ("Markdown", "| Model | Data set"), ("LaTeX", "\\begin{tabular}{l")],
)
def test_copying_a_table(report: Path, visit: Any, name: str, start: str) -> None:
    page = visit(report / "index.html", permissions=["clipboard-read", "clipboard-write"]).page
    page.select_option("[data-facet=dataset]", "digits")
    page.click(f"[data-table=models] .tools button >> text={name}")
    page.wait_for_selector("[data-table=models] .tools [role=status]:has-text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(start)
    assert copied.count("resnet8") == 5


def test_a_copied_csv_holds_raw_values(run: Run, report: Path, visit: Any) -> None:
    page = visit(report / "index.html", permissions=["clipboard-read", "clipboard-write"]).page
    page.click("[data-table=models] .tools button >> text=CSV")
    page.wait_for_selector("[data-table=models] .tools [role=status]:has-text('Copied')")
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    for row in rows:
        record = run.cells[row["Model"]].record
        if isinstance(record.energy, Absent):
            assert row["Energy, estimated: horowitz45-fp32 [J]"] == ""
        else:
            joules = float(row["Energy, estimated: horowitz45-fp32 [J]"])
            assert joules == pytest.approx(record.energy.models[0].joules, rel=1e-8)


@pytest.mark.parametrize("script", [True, False])
def test_complete_without_javascript(run: Run, report: Path, visit: Any, script: bool) -> None:
    page = visit(report / "index.html", java_script_enabled=script).page
    shown = page.locator("#models tbody tr:visible")
    assert shown.count() == len(run.cells)
    assert page.locator("svg.plot").count() == 2 + 2 * 2
    # Nothing that only works with a script is on show without it.
    assert page.locator("button:visible, select:visible").count() > 0 if script else True
    assert script or page.locator("button:visible, select:visible, input:visible").count() == 0


def test_a_link_to_a_model_finds_its_row(report: Path, visit: Any) -> None:
    page = visit(report / "index.html", anchor="#model-digits-resnet8-soft-t4-s0").page
    row = page.locator("#model-digits-resnet8-soft-t4-s0")
    assert "resnet8 soft" in row.inner_text()
    expect(row).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_theme(report: Path, visit: Any, scheme: str) -> None:
    page = visit(report / "index.html", color_scheme=scheme).page
    ink = page.evaluate("getComputedStyle(document.querySelector('.plot text')).fill")
    assert ink == page.evaluate("getComputedStyle(document.body).color")
    channels = [int(c) for c in ink[4:-1].split(",")]
    assert (max(channels) < 80) == (scheme == "light")


def test_trends_are_read_run_by_run_and_zoomed_into(compared: Path, visit: Any) -> None:
    seen = visit(compared / "trends.html")
    page = seen.page
    chart, told = page.locator(".explored").first, page.locator(".told").first
    assert page.locator(".explored canvas").count() == page.locator("#figures .canvas").count() > 3
    assert page.locator("#figures .canvas > svg").first.is_hidden()
    chart.scroll_into_view_if_needed()
    over = chart.locator(".u-over")
    box = over.bounding_box()
    over.hover(position={"x": 2, "y": box["height"] / 2})
    expect(told).to_contain_text("000000000000 2026-02-01 10:00")

    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=5)
    page.mouse.up()
    ranges = page.locator(".told", has_text="of 13.")
    expect(ranges).to_have_count(page.locator(".explored").count())
    first = page.get_by_role("button", name="All runs").first
    first.click()
    expect(ranges).to_have_count(0)
    assert first.is_hidden()

    chart.focus()
    page.keyboard.press("ArrowLeft")
    before = told.inner_text()
    assert "2026-02-12 10:00" in before
    page.keyboard.press("ArrowDown")
    assert told.inner_text() != before
    assert seen.complaints == []


def test_without_a_script_the_trends_are_pictures(compared: Path, visit: Any) -> None:
    page = visit(compared / "trends.html", java_script_enabled=False).page
    assert page.locator("#figures .canvas > svg").first.is_visible()
    assert page.locator(".explored").count() == 0
