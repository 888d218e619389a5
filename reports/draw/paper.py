"""A drawing as a file for a paper: real colours, fonts in the file, as wide as asked for, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from inflor_bench.reports.draw.canvas import Drawing, points

DOTS_PER_INCH = 600  # what journals ask of line drawings
_CENTRES = {"start": "left", "middle": "center", "end": "right"}


def _pdf(drawing: Drawing, out: io.BytesIO) -> None:
    metadata = {"Title": drawing.title, "CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
    FigureCanvasPdf(drawing.figure).print_pdf(out, metadata=metadata)  # type: ignore[no-untyped-call]


def _svg(drawing: Drawing, out: io.BytesIO) -> None:
    metadata = {"Title": drawing.title, "Date": None, "Creator": None}
    FigureCanvasSVG(drawing.figure).print_svg(out, metadata=metadata)  # type: ignore[no-untyped-call]


def _png(drawing: Drawing, out: io.BytesIO) -> None:
    canvas = FigureCanvasAgg(drawing.figure)
    metadata = {"Title": drawing.title, "Software": None}
    canvas.print_figure(out, dpi=DOTS_PER_INCH, facecolor="white", format="png", metadata=metadata)


FORMATS: Mapping[str, Callable[[Drawing, io.BytesIO], None]] = {"pdf": _pdf, "svg": _svg, "png": _png}


def finish(drawing: Drawing, kind: str) -> bytes:
    """The drawing, drawn within `canvas.for_print()`, as a file of one of `FORMATS`."""
    _write_labels(drawing)
    out = io.BytesIO()
    FORMATS[kind](drawing, out)
    return out.getvalue()


def _write_labels(drawing: Drawing) -> None:
    """On a page labels are written beside matplotlib; here they become part of the figure, whatever its resolution."""
    inch = drawing.figure.dpi
    height = float(drawing.figure.bbox.height)
    for label in drawing.labels:
        look: dict[str, Any] = {"ha": _CENTRES[label.anchor], "va": "center", "fontsize": points(9)}
        place = label.x / inch, (height - label.y) / inch
        drawing.figure.text(*place, label.text, transform=drawing.figure.dpi_scale_trans, **look)
