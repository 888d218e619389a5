"""What figures are drawn on: one style, in units that fit a page on the screen or a column of a journal.

A unit is one CSS pixel of a page. In a figure for a paper it is smaller, so that all sizes shrink together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib
import seaborn
from matplotlib.figure import Figure

from inflor_bench.reports.draw import palette

PAGE_WIDTH = 400.0  # units
# Text of 9 units is then 7 pt in print, which journals ask for at least.
POINTS_A_UNIT_IN_PRINT = 7 / 9

_SIZES: dict[Any, float] = {
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.5,
    "axes.labelpad": 4.0,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.major.size": 3.0,
    "xtick.minor.size": 1.5,
    "xtick.major.width": 0.8,
    "xtick.major.pad": 3.5,
    "ytick.major.pad": 3.5,
    "grid.linewidth": 0.8,
}
_STYLE: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": palette.INK,
    "axes.labelcolor": palette.INK,
    "axes.titlecolor": palette.INK,
    "axes.edgecolor": palette.MUTED,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.labelcolor": palette.INK,
    "ytick.labelcolor": palette.INK,
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
    "grid.color": palette.GRID,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markeredgecolor": palette.PAPER,
    "path.simplify": True,
    "svg.hashsalt": "inflor-bench",
}


@dataclass(frozen=True)
class _Sheet:
    width: float  # units
    scale: float  # points a unit


_PAGE = _Sheet(PAGE_WIDTH, 1.0)
_sheet: ContextVar[_Sheet] = ContextVar("sheet", default=_PAGE)


@contextmanager
def for_page() -> Iterator[None]:
    """Draw for pages: colours are sentinels, text stays text."""
    with _style(_PAGE):
        palette.use(palette.SENTINELS)
        matplotlib.rcParams.update(_STYLE | {"svg.fonttype": "none"})
        yield


@contextmanager
def for_print(millimetres: float) -> Iterator[None]:
    """Draw for a paper, `millimetres` wide: real colours, fonts embedded in a PDF and drawn as outlines in an SVG."""
    with _style(_Sheet(millimetres * 72 / 25.4 / POINTS_A_UNIT_IN_PRINT, POINTS_A_UNIT_IN_PRINT)):
        palette.use(palette.printed())
        matplotlib.rcParams.update(_STYLE | {"svg.fonttype": "path"})
        yield


@contextmanager
def _style(sheet: _Sheet) -> Iterator[None]:
    """The project's style, whatever the user's own matplotlib settings are; they come back afterwards."""
    token = _sheet.set(sheet)
    try:
        with matplotlib.rc_context(), warnings.catch_warnings():
            # A name in a script that the layout font lacks is still text in the SVG; the reader's browser has the
            # glyphs.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            matplotlib.rcdefaults()
            seaborn.set_theme(context="paper", style="ticks")
            matplotlib.rcParams.update({key: value * sheet.scale for key, value in _SIZES.items()})
            yield
    finally:
        _sheet.reset(token)


def width() -> float:
    """The width of a whole figure, units."""
    return _sheet.get().width


def points(units: float) -> float:
    """A length of so many units as matplotlib wants it."""
    return units * _sheet.get().scale


def canvas(width: float, height: float) -> Figure:
    """A figure of `width` by `height` units."""
    return Figure(figsize=(points(width) / 72, points(height) / 72), dpi=72)


@dataclass(frozen=True)
class Label:
    """Text at a place of the canvas, in points from the top left: on a page a tenth of the cost of matplotlib's."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Band:
    """A strip across the canvas that belongs to one row: it lights up with its marks and tells its figures."""

    top: float
    height: float
    mark: str
    told: str


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn and not yet written: `title` and `description` are what is read aloud."""

    figure: Figure
    title: str
    description: str
    labels: Sequence[Label] = ()
    bands: Sequence[Band] = ()
