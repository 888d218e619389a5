"""Whether spiking is worth it, on the pages: every figure that is told is the verdict's own."""

import re

import pytest

from inflor_bench.record.run_file import read_run
from inflor_bench.reports.pages.figure import write_figures
from inflor_bench.reports.pages.report import build
from inflor_bench.verdict.worth import worth
from tests.verdict.measured_twins import pair, run_document


@pytest.fixture(scope="module", name="pair")
def pair_fixture():
    return pair()


@pytest.fixture(scope="module")
def pages(pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("worth")
    (out / "run.json").write_text(run_document(*pair))
    build(read_run(out / "run.json"), out / "report")
    return out


def words(path):
    """The text of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text("utf-8")).split())


def test_overview_model_page_and_comment_say_the_verdict(pair, pages):
    said = worth(*pair).sentence
    (model,) = (
        p for p in (pages / "report/models").glob("*.html") if "does not fire" not in p.name and "soft" in p.name
    )
    assert said in words(pages / "report/index.html")
    assert said in words(model)
    comment = (pages / "report/comment.md").read_text("utf-8")
    assert "### Is spiking worth it?" in comment
    assert said.replace("<", "&lt;").partition(";")[0] in comment.replace("\\", "")


def test_the_model_page_has_each_model_of_energy_and_each_layer(pair, pages):
    (model,) = (p for p in (pages / "report/models").glob("*.html") if "soft" in p.name)
    text = words(model)
    section = text[text.index("By model of energy") :]
    for one in worth(*pair).priced:
        assert f"{one.model} {one.version}" in section or one.model in section
        assert one.whole.pays_below in section
    for layer in pair[0].synops.layers:
        assert f"{layer.name} iso-event" in section


def test_the_twins_own_page_asks_nothing(pages):
    (twin,) = (p for p in (pages / "report/models").glob("*.html") if "quant" in p.name)
    assert "worth it" not in words(twin)


def test_a_threshold_of_another_network_is_quoted_nowhere(pages):
    for path in (pages / "report").rglob("*.html"):
        assert "6 %" not in words(path)
        assert "2409.08290" not in words(path)


def test_the_figure_marks_1_and_has_a_row_a_model_of_energy(pair, pages, tmp_path):
    (path,) = write_figures(read_run(pages / "run.json"), "worth", tmp_path, kind="pdf")
    assert path.read_bytes().startswith(b"%PDF")
    page = (pages / "report/index.html").read_text("utf-8")
    figure = page[page.index('id="worth"') :]
    for one in worth(*pair).priced:
        assert one.model in figure


def test_without_a_twin_the_section_says_what_is_missing(pair, tmp_path):
    (tmp_path / "run.json").write_text(run_document(pair[0]))
    build(read_run(tmp_path / "run.json"), tmp_path / "report")
    assert "no spiking model with its fair twin" in words(tmp_path / "report/index.html")
