"""Differences with their intervals, a row each, beside the line of no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inflor_bench.reports.draw import palette
from inflor_bench.reports.draw.axes import ROW, Key, add_axes, add_key, bands, label_width, rows
from inflor_bench.reports.draw.canvas import Drawing, canvas, points, width

_LABEL = 34  # characters


@dataclass(frozen=True)
class DrawnDifference:
    """One difference: what it is of, its value and interval in the axis' unit, whether it is `found`, and in words."""

    label: str
    value: float
    low: float
    high: float
    found: bool
    told: str


def differences(given: Sequence[DrawnDifference], axis: str, title: str, description: str) -> Drawing:
    """A row a difference: its interval as a line, its value as a dot, full where the difference is beyond chance."""
    names = [one.label for one in given]
    figure = canvas(width(), 66 + ROW * len(given))
    axes = add_axes(figure, label_width(names, _LABEL), 18, 24, 42)
    axes.axvline(0, color=palette.LEVEL, linewidth=points(1.2), linestyle="--")
    for row, one in enumerate(given):
        axes.plot([one.low, one.high], [row, row], color=palette.INK, linewidth=points(1.4))
        fill = palette.INK if one.found else palette.PAPER
        axes.scatter([one.value], [row], s=points(6) ** 2, color=fill, edgecolor=palette.INK, zorder=3)
    axes.set_xlabel(axis)
    labels = rows(axes, names, _LABEL)
    add_key(
        figure,
        8,
        [
            Key("beyond chance", palette.INK, marker="o"),
            Key("not told from none", palette.PAPER, palette.INK, "o"),
        ],
    )
    return Drawing(figure, title, description, labels, bands(axes, [("", one.told) for one in given]))
