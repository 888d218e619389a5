"""The figures of several models: plain values in, a drawing out.

All of them are drawn within `canvas.for_page()` or `canvas.for_print()`. Layers run down the page, as in the tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from inflor_bench.reports.data.format import tick
from inflor_bench.reports.data.pareto import front
from inflor_bench.reports.data.table_entries import loss
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.draw import palette
from inflor_bench.reports.draw.axes import (
    CHARACTER,
    ROW,
    Key,
    accuracy_axis,
    add_axes,
    add_key,
    bands,
    bars,
    from_zero,
    gaps,
    label_width,
    rows,
    si_log_axis,
)
from inflor_bench.reports.draw.canvas import Drawing, Label, canvas, points, width


@dataclass(frozen=True)
class Point:
    """A model in the accuracy-energy plane: shares in [0, 1], J per inference."""

    mark: str
    label: str
    neuron: str
    accuracy: float
    low: float
    high: float
    joules: float


@dataclass(frozen=True)
class Variant:
    """One neuron of a comparison: label, and what it costs per inference; None where that was not counted."""

    mark: str
    label: str
    neuron: str
    ac: float | None
    mac: float | None
    joules: float | None


@dataclass(frozen=True)
class LossProfile:
    """Information loss of one model by layer; None where a layer has no value."""

    mark: str
    label: str
    neuron: str
    reset_loss: Sequence[float | None]
    before: Sequence[float | None]
    after: Sequence[float | None]
    levels: Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """One model's values from run to run, None where a run has none; a new level starts at each index of `levels`."""

    mark: str
    neuron: str
    values: Sequence[float | None]
    levels: Sequence[int] = ()


def accuracy_energy(models: Sequence[Point], energy_model: str, title: str, description: str) -> Drawing:
    """Accuracy with its interval over estimated energy on a logarithmic axis; the Pareto front is the stepped line."""
    shares = [share for p in models for share in (p.low, p.high)]
    room = max(max(shares) - min(shares), 0.004) * 0.16
    axes = _plane(300, models, shares, room)
    on_front = front([(p.joules, p.accuracy) for p in models])
    steps = [models[i] for i in on_front]
    axes.step(
        [*(p.joules for p in steps), axes.get_xlim()[1]],
        [*(p.accuracy for p in steps), steps[-1].accuracy],
        where="post",
        color=palette.MUTED,
        linewidth=points(1.2),
        linestyle=(0, (4, 2)),
        zorder=1,
    )
    for index, point in enumerate(models):
        colour = palette.neuron_colour(point.neuron)
        (bar,) = axes.plot(
            [point.joules] * 2, [point.low, point.high], color=colour, linewidth=points(1.4), marker="None"
        )
        dot = axes.scatter(
            [point.joules],
            [point.accuracy],
            s=points(6.8 if index in on_front else 5.8) ** 2,
            marker=palette.neuron_marker(point.neuron),
            color=colour,
            edgecolor=palette.PAPER,
            linewidth=points(0.8),
            zorder=3,
        )
        bar.set_gid(f"mark:{point.mark}")
        dot.set_gid(f"mark:{point.mark}")
    return _finished_plane(axes, models, energy_model, title, description)


def _plane(height: float, models: Sequence[Point], shares: Sequence[float], room: float) -> Axes:
    """Accuracy over energy on a logarithmic axis, wide enough for the models, with room above and below the shares."""
    axes = add_axes(canvas(width(), height), 48, 14, 16, 44)
    axes.set_xscale("log")
    axes.set_xlim(min(p.joules for p in models) / 1.6, max(p.joules for p in models) * 1.9)
    axes.set_ylim(min(shares) - room, min(max(shares) + room, 1 + room))
    return axes


def _finished_plane(axes: Axes, models: Sequence[Point], energy_model: str, title: str, description: str) -> Drawing:
    """The plane with the models' names and with what its axes say."""
    _place_labels(axes, models)
    si_log_axis(axes, "J")
    axes.set_xlabel(f"estimated energy per inference, {clean(energy_model, 40)}")
    accuracy_axis(axes, 6)
    assert isinstance(axes.figure, Figure)
    return Drawing(axes.figure, title, description)


def variant_costs(variants: Sequence[Variant], energy_model: str, title: str, description: str) -> Drawing:
    """Synaptic operations (AC and MAC stacked) and estimated energy of each neuron, each on an axis of its own."""
    left = label_width([v.label for v in variants], 16)
    figure = canvas(width(), 94 + 24.0 * len(variants))
    middle = left + (width() - left) / 2
    counts = add_axes(figure, left, width() - middle + 6, 46, 42)
    joules = add_axes(figure, middle + 12, 14, 46, 42)
    ac = np.array([v.ac or 0.0 for v in variants])
    mac = np.array([v.mac or 0.0 for v in variants])
    bars(counts, np.zeros_like(ac), ac, 0.55, facecolor=palette.AC, linewidth=0)
    bars(counts, ac, ac + mac, 0.55, facecolor=palette.MAC, linewidth=0)
    counts.autoscale_view()
    for row, variant in enumerate(variants):
        if variant.joules is not None:
            joules.plot(
                [0, variant.joules], [row, row], color=palette.GRID, linewidth=points(2.2), marker="None", zorder=1
            )
            dot = joules.scatter(
                [variant.joules],
                [row],
                s=points(6.3) ** 2,
                marker=palette.neuron_marker(variant.neuron),
                color=palette.neuron_colour(variant.neuron),
                linewidth=0,
                zorder=3,
            )
            dot.set_gid(f"mark:{variant.mark}")
        else:
            _say(joules, row, "no estimate")
        if variant.ac is None:
            _say(counts, row, "not counted")
    add_key(figure, left, [Key("AC", palette.AC), Key("MAC", palette.MAC)])
    labels = rows(counts, [v.label for v in variants], 16)
    rows(joules, [""] * len(variants), 16)
    from_zero(counts, "")
    from_zero(joules, "J")
    counts.set_title("Operations")
    joules.set_title("Estimated energy")
    counts.set_xlabel("AC + MAC per inference")
    joules.set_xlabel("J per inference")
    told = [(v.mark, f"{v.label}: {_counted(v)}") for v in variants]
    return Drawing(figure, title, description, labels, bands(counts, told))


def _counted(variant: Variant) -> str:
    parts = [] if variant.ac is None else [f"AC {tick(variant.ac)}, MAC {tick(variant.mac or 0.0)}"]
    parts += [] if variant.joules is None else [f"{tick(variant.joules, 'J')} estimated"]
    return ", ".join(parts) or "not counted"


def _say(axes: Axes, row: float, text: str) -> None:
    axes.text(0.02, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=points(8))


def loss_by_layer(
    layers: Sequence[str],
    profiles: Sequence[LossProfile],
    title: str,
    description: str,
    marks: Sequence[str] | None = None,
) -> Drawing:
    """What the reset throws away per spike; the quantisation error, solid as is, dashed after MPR; the level error.

    `marks` are those of the layers, where a figure is of one model.
    """
    figure = canvas(width(), 94 + ROW * len(layers))
    left = label_width(layers, 22)
    edges = [left + share * (width() - left) for share in (0, 0.31, 0.7, 1)]
    reset, error, levels = (
        add_axes(figure, start, width() - end + 14, 46, 42) for start, end in itertools.pairwise(edges)
    )
    places = np.arange(len(layers))
    for profile in profiles:
        look: dict[str, Any] = {
            "color": palette.neuron_colour(profile.neuron),
            "marker": palette.neuron_marker(profile.neuron),
            "markersize": points(5.0),
            "markeredgewidth": points(0.6),
            "linewidth": points(1.3),
        }
        lines = reset.plot(gaps(profile.reset_loss), places, **look)
        lines += error.plot(gaps(profile.before), places, **look)
        lines += levels.plot(gaps(profile.levels), places, **look)
        if any(value is not None for value in profile.after):
            look |= {"linestyle": (0, (3, 1.6)), "markerfacecolor": palette.PAPER, "markeredgecolor": look["color"]}
            lines += error.plot(gaps(profile.after), places, **look)
        for line in lines:
            line.set_gid(f"mark:{profile.mark}")
            line.set_clip_on(False)
    add_key(
        figure,
        0 if len(profiles) > 3 else left,
        [Key(p.label, palette.neuron_colour(p.neuron), marker=palette.neuron_marker(p.neuron)) for p in profiles],
    )
    labels = rows(reset, layers, 22)
    for axes, name, unit in (
        (reset, "Reset loss", "|u − v − o|"),
        (error, "Quantisation", "(o − u)²"),
        (levels, "Levels", "levels off"),
    ):
        if axes is not reset:
            rows(axes, [""] * len(layers), 22)
        from_zero(axes, "")
        axes.set_title(name)
        axes.set_xlabel(unit)
    told = [(mark, _lost(layers[i], profiles[0], i)) for i, mark in enumerate(marks or ())]
    return Drawing(figure, title, description, labels, bands(reset, told))


def _lost(layer: str, profile: LossProfile, index: int) -> str:
    named = (
        ("reset loss", profile.reset_loss),
        ("quantisation error", profile.before),
        ("after φ", profile.after),
        ("level error", profile.levels),
    )
    said = [f"{name} {loss(value)}" for name, values in named if (value := values[index]) is not None]
    return f"{layer}: {', '.join(said)}"


def changes_by_layer(
    operations: Sequence[tuple[str, float]], rates: Sequence[tuple[str, float]], title: str, description: str
) -> Drawing:
    """(layer, relative change): of operations above, of the firing rate below, on one scale."""
    sides = [
        (name, side) for name, side in (("Operations", operations), ("Firing rate", rates)) if any(x for _, x in side)
    ]
    figure = canvas(width(), 50 + sum(34 + ROW * len(side) for _, side in sides))
    left = label_width([layer for _, side in sides for layer, _ in side], 22)
    found = [100 * change for _, side in sides for _, change in side]
    low, high = min(0.0, *found), max(0.0, *found)
    room = 0.12 * (high - low)
    top = 26.0
    labels: list[Label] = []
    for name, side in sides:
        deep = ROW * len(side)
        height = float(figure.bbox.height) / points(1)
        axes = add_axes(figure, left, 14, top, height - top - deep)
        changes = np.array([100 * change for _, change in side])
        for mask, colour in ((changes > 0, palette.MAC), (changes < 0, palette.AC)):
            part = np.where(mask, changes, 0.0)
            bars(axes, np.zeros_like(part), part, 0.62, facecolor=colour, linewidth=0)
        labels += rows(axes, [layer for layer, _ in side], 22)
        axes.axvline(0, color=palette.MUTED, linewidth=points(0.8))
        axes.set_xlim(low - room if low else 0, high + room if high else 0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{tick(v)} %" if v else "0"))
        axes.set_title(name)
        if name != sides[-1][0]:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("change against the base")
        top += deep + 34
    return Drawing(figure, title, description, labels)


def movement(moved: Sequence[tuple[Point, Point]], energy_model: str, title: str, description: str) -> Drawing:
    """Models at the base (pale) and now, joined by an arrow, in the accuracy-energy plane."""
    both = [point for pair in moved for point in pair]
    shares = [point.accuracy for point in both]
    room = max((max(shares) - min(shares)) * 0.2, 0.004)  # ticks closer than that would share a label
    axes = _plane(280, both, shares, room)
    for base, head in moved:
        colour = palette.neuron_colour(head.neuron)
        look: dict[str, Any] = {"marker": palette.neuron_marker(head.neuron), "color": colour, "linewidth": 0}
        arrow = {"arrowstyle": "->", "color": colour, "linewidth": points(1.2), "shrinkA": 0, "shrinkB": points(3)}
        if (base.joules, base.accuracy) != (head.joules, head.accuracy):
            axes.annotate(
                "", (head.joules, head.accuracy), xytext=(base.joules, base.accuracy), arrowprops=arrow
            ).set_gid(f"mark:{head.mark}")
        for point, alpha in ((base, 0.4), (head, 1.0)):
            dot = axes.scatter([point.joules], [point.accuracy], s=points(6.3) ** 2, alpha=alpha, zorder=3, **look)
            dot.set_gid(f"mark:{head.mark}")
    return _finished_plane(axes, [head for _, head in moved], energy_model, title, description)


def trend(series: Sequence[Series], ends: tuple[str, str], unit: str, label: str, description: str) -> Drawing:
    """Values from run to run, evenly spaced; the first and the last commit are named, a ring opens a new level."""
    figure = canvas(width(), 220)
    axes = add_axes(figure, 60, 16, 12, 34)
    for line in series:
        colour = palette.neuron_colour(line.neuron)
        (drawn,) = axes.plot(
            range(len(line.values)),
            gaps(line.values),
            color=colour,
            marker=palette.neuron_marker(line.neuron) if len(line.values) <= 30 else "None",
            markersize=points(5),
            markeredgewidth=points(0.6),
            linewidth=points(1.4),
        )
        drawn.set_gid(f"mark:{line.mark}")
        levels = [i for i in line.levels if line.values[i] is not None]
        if levels:
            rings = axes.scatter(
                levels,
                gaps(line.values[i] for i in levels),
                s=points(10) ** 2,
                facecolor="none",
                edgecolor=palette.INK,
                linewidth=points(1.1),
                zorder=4,
            )
            rings.set_gid(f"mark:{line.mark}")
    axes.margins(y=0.12)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, unit)))
    axes.set_ylabel(label)
    bottom = float(figure.bbox.height) - points(16)
    left, right = float(axes.bbox.x0), float(axes.bbox.x1)
    names = [Label(left, bottom, ends[0], "start"), Label(right, bottom, ends[1], "end")]
    return Drawing(figure, label, description, names)


def _place_labels(axes: Axes, models: Sequence[Point]) -> None:
    """Write each point's label where it covers no point and no other label; leave out the one that fits nowhere."""
    if len(models) > 24:
        return
    to_pixels: Callable[[tuple[float, float]], np.ndarray] = axes.transData.transform
    size = points(1)
    spots = [to_pixels((p.joules, p.accuracy)) / size for p in models]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    for point, (x, _) in zip(models, spots, strict=True):
        ends = [to_pixels((point.joules, bound))[1] / size for bound in (point.low, point.high)]
        taken.append((x - 2, ends[0], x + 2, ends[1]))
    left, bottom, right, top = (side / size for side in axes.bbox.extents)
    for point, (x, y) in zip(models, spots, strict=True):
        label = clean(point.label, 28)
        wide, high = CHARACTER * len(label), 9.0
        for dx, dy, side in (
            (6, 6, "left"),
            (-6, 6, "right"),
            (8, -3, "left"),
            (-8, -3, "right"),
            (6, -14, "left"),
            (-6, -14, "right"),
        ):
            start = x + dx if side == "left" else x + dx - wide
            box = (start, y + dy, start + wide, y + dy + high)
            if box[0] < left or box[2] > right or box[1] < bottom or box[3] > top:
                continue
            if any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in taken):
                continue
            taken.append(box)
            axes.annotate(
                label,
                (point.joules, point.accuracy),
                xytext=(points(dx), points(dy)),
                textcoords="offset points",
                ha=side,
                fontsize=points(9),
            ).set_gid(f"mark:{point.mark}")
            break
