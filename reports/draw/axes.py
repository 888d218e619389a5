"""What the figures share: axes with margins in units, bars, rows with their labels, and readable ticks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from inflor_bench.reports.data.format import tick
from inflor_bench.reports.data.text import shorten_start
from inflor_bench.reports.draw.canvas import Band, Label, points

CHARACTER = 5.0  # units, of small text
ROW = 17.0  # units
_GAP = 5.0


def add_axes(figure: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes with margins in units of the canvas."""
    width, height = (size * 72 / points(1) for size in figure.get_size_inches())
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.patch.set_visible(False)
    figure.patch.set_visible(False)
    return axes


def bars(axes: Axes, start: np.ndarray, end: np.ndarray, height: float, **look: Any) -> None:
    """Horizontal bars at rows 0, 1, ..., as one artist."""
    half = height / 2
    boxes = [
        [(a, r - half), (b, r - half), (b, r + half), (a, r + half)]
        for r, (a, b) in enumerate(zip(start, end, strict=True))
    ]
    axes.add_collection(PolyCollection(boxes, **look))


def label_width(labels: Sequence[str], limit: int) -> float:
    """Units that labels of at most `limit` characters take, with their margin."""
    return 14 + CHARACTER * max((min(len(label), limit) for label in labels), default=0)


def rows(axes: Axes, names: Sequence[str], limit: int) -> list[Label]:
    """Make rows 0, 1, ... from the top; the labels to the left of the axes."""
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.4, -0.6)
    return beside(axes, range(len(names)), names, limit)


def beside(axes: Axes, values: Iterable[float], names: Sequence[str], limit: int) -> list[Label]:
    """Labels to the left of the axes at the given values of y."""
    edge = float(axes.bbox.x0) - points(_GAP)
    return [
        Label(edge, at(axes, 0, row, "").y, shorten_start(name, limit), "end")
        for row, name in zip(values, names, strict=True)
    ]


def at(axes: Axes, x: float, y: float, text: str) -> Label:
    """A label in the middle of a point of the data."""
    right, up = axes.transData.transform((x, y))
    assert axes.figure is not None
    return Label(float(right), float(axes.figure.bbox.height - up), text, "middle")


def bands(axes: Axes, told: Sequence[tuple[str, str]], first: float = 0.0) -> list[Band]:
    """A band for each row 0, 1, ...: its mark, and what it says when it is pointed at."""
    half = abs(at(axes, 0, 1, "").y - at(axes, 0, 0, "").y) / 2
    return [Band(at(axes, 0, first + row, "").y - half, 2 * half, mark, text) for row, (mark, text) in enumerate(told)]


@dataclass(frozen=True)
class Key:
    """What a colour and a marker stand for."""

    label: str
    colour: str
    outline: str = ""
    marker: str = "s"


def add_key(figure: Figure, left: float, entries: Sequence[Key]) -> None:
    """The figure's key along its top, from `left` units on; what does not fit is left to the caption."""
    inch = figure.dpi
    height = (float(figure.bbox.height) - points(8)) / inch
    x = left
    for entry in entries:
        room = 22 + CHARACTER * len(entry.label)
        if points(x + room) > float(figure.bbox.width) + points(12):
            break
        look: dict[str, Any] = {
            "markerfacecolor": entry.colour,
            "markeredgecolor": entry.outline or entry.colour,
            "markeredgewidth": points(0.8),
        }
        mark = Line2D(
            [points(x + 4) / inch],
            [height],
            marker=entry.marker,
            linestyle="None",
            markersize=points(6.4),
            transform=figure.dpi_scale_trans,
            **look,
        )
        figure.add_artist(mark)
        place = points(x + 12) / inch, height
        figure.text(*place, entry.label, transform=figure.dpi_scale_trans, va="center", fontsize=points(9))
        x += room


def from_zero(axes: Axes, unit: str) -> None:
    """An x axis that begins at 0, with a few readable ticks."""
    axes.set_xlim(left=0)
    if axes.get_xlim()[1] <= 1e-30 or not axes.has_data():
        axes.set_xlim(0, 1)
    width = axes.get_position().width
    axes.xaxis.set_major_locator(MaxNLocator(5 if width >= 0.5 else 3 if width >= 0.2 else 2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, unit) if v else "0"))


def accuracy_axis(axes: Axes, bins: int) -> None:
    """A y axis of shares in [0, 1], in per cent, with at most `bins` steps."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(round(100 * v, 6))))
    axes.yaxis.set_major_locator(MaxNLocator(bins))
    axes.set_ylabel("accuracy / %")


def si_log_axis(axes: Axes, unit: str) -> None:
    """Three to seven readable ticks on a logarithmic x axis, with SI prefixes."""
    low, high = axes.get_xlim()
    decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
        if len(ticks) >= 3:
            break
    while len(ticks) > 7:
        ticks = ticks[::2]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, unit)))


def gaps(values: Iterable[float | None]) -> list[float]:
    """Values for a line that breaks where one is missing."""
    return [float("nan") if value is None else value for value in values]
