"""Figures for papers, read back by what has nothing to do with matplotlib."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.draw.palette import printed
from inflor_bench.reports.pages.figure import FIGURES, write_figures


def streams(pdf: bytes) -> bytes:
    """Everything in a PDF that is compressed, uncompressed, and the rest."""
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return pdf + b"".join(zlib.decompressobj().decompress(part) for part in found if part[:1] == b"x")


@pytest.mark.parametrize("name", [n for n in FIGURES if n not in ("anytime", "worth")])
def test_every_figure_is_a_pdf_as_wide_as_a_column_with_its_fonts_inside(run: Run, tmp_path: Path, name: str) -> None:
    paths = write_figures(run, name, tmp_path, kind="pdf", only="digits/*soft*" if name != "pareto" else "*")
    assert paths
    for path in paths:
        data = streams(path.read_bytes())
        (box,) = re.findall(rb"/MediaBox \[ ?([\d. ]+) ?\]", data)
        width = float(box.split()[2])
        assert width <= 88.9 / 25.4 * 72 + 0.01
        assert width == pytest.approx(252, abs=0.5) or name == "rates", "two time steps take less than a column"
        fonts = data.count(b"/Type /FontDescriptor")
        assert fonts > 0
        assert data.count(b"/FontFile2") >= fonts
        assert b"/Subtype /Type3" not in data
        sizes = {float(size) for size in re.findall(rb"/F\d+ ([\d.]+) Tf", data)}
        assert min(sizes) > 6


def test_a_figure_is_the_same_twice_and_dates_nothing(run: Run, tmp_path: Path) -> None:
    for kind in ("pdf", "svg", "png"):
        one, two = ([p.read_bytes() for p in write_figures(run, "pareto", tmp_path / side, kind=kind)] for side in "ab")
        assert one == two
        assert len(one) == 2, "one for each data set"
        assert b"CreationDate" not in one[0]


def test_a_figure_in_print_has_real_colours_and_outlines_for_text(run: Run, tmp_path: Path) -> None:
    (path,) = write_figures(run, "pareto", tmp_path, kind="svg", only="digits/*")
    text = path.read_text()
    assert printed()["inflor:soft-mpr"] in text
    assert "var(--" not in text
    assert "<text" not in text
    assert not re.search(r"#0([0-9a-f])(?:0\1){2}\b", text.replace("#000000", "")), "a sentinel is left"


def test_labels_and_key_of_a_png_stand_where_they_do_on_a_page(run: Run, tmp_path: Path) -> None:
    """Layers beside their rows and the key above, whatever the resolution: nothing in the corner below."""
    (path,) = write_figures(run, "loss", tmp_path, kind="png", only="digits/*")
    dark = np.asarray(Image.open(path).convert("L")) < 128
    height, width = dark.shape
    left = dark[:, : width // 5].any(axis=1)
    assert left[height // 4 : 3 * height // 4].mean() > 0.3
    assert not left[-height // 10 :].any()
    assert dark[: height // 10].any()


def test_a_png_has_the_resolution_that_journals_ask_for(run: Run, tmp_path: Path) -> None:
    (path,) = write_figures(run, "cost", tmp_path, kind="png", only="digits/*")
    data = path.read_bytes()
    assert int.from_bytes(data[16:20], "big") == pytest.approx(88.9 / 25.4 * 600, abs=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "paretto", "kind": "pdf"}, "choose one of pareto"),
        ({"name": "pareto", "kind": "eps"}, "choose one of pdf"),
        ({"name": "pareto", "kind": "pdf", "only": "nothing/*"}, "no cell matches"),
        ({"name": "pareto", "kind": "pdf", "millimetres": 5.0}, "not readable"),
        ({"name": "rates", "kind": "pdf", "only": "*/relu/*"}, "an ANN has no spikes"),
    ],
)
def test_what_cannot_be_drawn_is_said(run: Run, tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ReportInputError, match=re.escape(said)):
        write_figures(run, out=tmp_path, **options)  # type: ignore[arg-type]
