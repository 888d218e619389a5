"""The figures: plain values in, one inline SVG out. Layers run down the page in every figure, as in the tables.

All of them are drawn within `svg.style()`, which a whole page enters once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports import palette, svg
from reports.format import significant, tick
from reports.pareto import front
from reports.text import clean, shorten_start

WIDTH = 400.0
_CHARACTER = 5.0
_ROW = 17.0


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


@dataclass(frozen=True)
class Series:
    """One model's values from run to run; None where a run has none."""

    mark: str
    neuron: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Density:
    """A histogram as shares of all elements over equal bins of [low, high)."""

    low: float
    high: float
    shares: Sequence[float]


def accuracy_energy(name: str, points: Sequence[Point], energy_model: str, title: str, description: str) -> Markup:
    """Accuracy with its interval over estimated energy on a logarithmic axis; the Pareto front is the stepped line."""
    figure = svg.canvas(WIDTH, 300)
    axes = _axes(figure, 48, 14, 16, 44)
    axes.set_xscale("log")
    joules = [p.joules for p in points]
    low, high = min(joules) / 1.6, max(joules) * 1.9
    axes.set_xlim(low, high)
    bottom, top = min(p.low for p in points), max(p.high for p in points)
    room = max(top - bottom, 0.004) * 0.16
    axes.set_ylim(bottom - room, min(top + room, 1 + room))
    on_front = front([(p.joules, p.accuracy) for p in points])
    steps = [points[i] for i in on_front]
    axes.step(
        [*(p.joules for p in steps), high],
        [*(p.accuracy for p in steps), steps[-1].accuracy],
        where="post",
        color=palette.MUTED,
        linewidth=1.2,
        linestyle=(0, (4, 2)),
        zorder=1,
    )
    for index, point in enumerate(points):
        colour = palette.neuron_colour(point.neuron)
        (bar,) = axes.plot([point.joules] * 2, [point.low, point.high], color=colour, linewidth=1.4, marker="None")
        dot = axes.scatter(
            [point.joules],
            [point.accuracy],
            s=46 if index in on_front else 34,
            marker=palette.neuron_marker(point.neuron),
            color=colour,
            edgecolor=palette.PAPER,
            linewidth=0.8,
            zorder=3,
        )
        bar.set_gid(f"mark:{point.mark}")
        dot.set_gid(f"mark:{point.mark}")
    _place_labels(axes, points)
    _si_log_axis(axes, "J")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(round(100 * v, 6))))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(f"estimated energy per inference, {clean(energy_model, 40)}")
    axes.set_ylabel("accuracy / %")
    return svg.finish(figure, name, title, description)


def variant_costs(name: str, variants: Sequence[Variant], energy_model: str, title: str, description: str) -> Markup:
    """Synaptic operations (AC and MAC stacked) and estimated energy of each neuron, each on an axis of its own."""
    height = 74 + 24.0 * len(variants)
    left = _label_width([v.label for v in variants], 16)
    figure = svg.canvas(WIDTH, height)
    middle = left + (WIDTH - left) / 2
    counts = _axes(figure, left, WIDTH - middle + 6, 26, 42)
    joules = _axes(figure, middle + 12, 14, 26, 42)
    ac = np.array([v.ac or 0.0 for v in variants])
    mac = np.array([v.mac or 0.0 for v in variants])
    _bars(counts, np.zeros_like(ac), ac, 0.55, facecolor=palette.AC, linewidth=0)
    _bars(counts, ac, ac + mac, 0.55, facecolor=palette.MAC, linewidth=0)
    counts.autoscale_view()
    for row, variant in enumerate(variants):
        if variant.joules is not None:
            joules.plot([0, variant.joules], [row, row], color=palette.GRID, linewidth=2.2, marker="None", zorder=1)
            dot = joules.scatter(
                [variant.joules],
                [row],
                s=40,
                marker=palette.neuron_marker(variant.neuron),
                color=palette.neuron_colour(variant.neuron),
                linewidth=0,
                zorder=3,
            )
            dot.set_gid(f"mark:{variant.mark}")
        else:
            joules.text(0.02, row, "no estimate", transform=joules.get_yaxis_transform(), va="center", fontsize=8)
        if variant.ac is None:
            counts.text(0.02, row, "not counted", transform=counts.get_yaxis_transform(), va="center", fontsize=8)
    labels = _rows(counts, [v.label for v in variants], 16)
    _rows(joules, [""] * len(variants), 16)
    _from_zero(counts, "")
    _from_zero(joules, "J")
    counts.set_title("Operations")
    joules.set_title("Estimated energy")
    counts.set_xlabel("AC + MAC per inference")
    joules.set_xlabel(clean(energy_model, 24) + ", per inference")
    return svg.finish(figure, name, title, description, labels)


def loss_by_layer(
    name: str, layers: Sequence[str], profiles: Sequence[LossProfile], title: str, description: str
) -> Markup:
    """Left, what the reset throws away per spike; right, the quantisation error, solid as is, dashed after MPR."""
    figure = svg.canvas(WIDTH, 74 + _ROW * len(layers))
    left = _label_width(layers, 22)
    middle = left + (WIDTH - left) / 2
    reset = _axes(figure, left, WIDTH - middle + 6, 26, 42)
    error = _axes(figure, middle + 12, 14, 26, 42)
    rows = np.arange(len(layers))
    for profile in profiles:
        look: dict[str, Any] = {
            "color": palette.neuron_colour(profile.neuron),
            "marker": palette.neuron_marker(profile.neuron),
            "markersize": 5.0,
            "markeredgewidth": 0.6,
            "linewidth": 1.3,
        }
        lines = reset.plot(_gaps(profile.reset_loss), rows, **look)
        lines += error.plot(_gaps(profile.before), rows, **look)
        if any(value is not None for value in profile.after):
            look |= {"linestyle": (0, (3, 1.6)), "markerfacecolor": palette.PAPER, "markeredgecolor": look["color"]}
            lines += error.plot(_gaps(profile.after), rows, **look)
        for line in lines:
            line.set_gid(f"mark:{profile.mark}")
            line.set_clip_on(False)
    labels = _rows(reset, layers, 22)
    _rows(error, [""] * len(layers), 22)
    _from_zero(reset, "")
    _from_zero(error, "")
    reset.set_title("Reset loss")
    error.set_title("Quantisation error")
    reset.set_xlabel("mean |u − v − o| per spike")
    error.set_xlabel("mean (o − u)², dashed (o − φ(u))²")
    return svg.finish(figure, name, title, description, labels)


def operations_by_layer(
    name: str, layers: Sequence[tuple[str, float, float, float]], title: str, description: str
) -> Markup:
    """(layer, AC, MAC, dense) per inference: AC and MAC as bars, what a dense pass would take as their outline."""
    names = [layer[0] for layer in layers]
    figure = svg.canvas(WIDTH, 58 + _ROW * len(layers))
    axes = _axes(figure, _label_width(names, 22), 14, 10, 42)
    ac, mac, dense = (np.array([layer[i] for layer in layers], dtype=float) for i in (1, 2, 3))
    _bars(axes, np.zeros_like(dense), dense, 0.66, facecolor="none", edgecolor=palette.MUTED, linewidth=0.8)
    _bars(axes, np.zeros_like(ac), ac, 0.66, facecolor=palette.AC, linewidth=0)
    _bars(axes, ac, ac + mac, 0.66, facecolor=palette.MAC, linewidth=0)
    axes.autoscale_view()
    labels = _rows(axes, names, 22)
    _from_zero(axes, "")
    axes.set_xlabel("operations per inference (outline: dense)")
    return svg.finish(figure, name, title, description, labels)


def firing_rates(
    name: str, layers: Sequence[str], rates: Sequence[Sequence[float]], title: str, description: str
) -> Markup:
    """Spikes per neuron, layers down and time steps across; the deeper the colour, the more spikes."""
    steps = len(rates[0])
    left = _label_width(layers, 22)
    figure = svg.canvas(min(left + 14 + max(steps * 62, 160), WIDTH), 44 + 20.0 * len(layers))
    axes = _axes(figure, left, 14, 6, 36)
    tint = to_rgb(palette.HEAT)
    colours = ListedColormap([(*tint, float(alpha)) for alpha in np.linspace(0.05, 0.75, 64)])
    largest = max(max(row) for row in rates)
    seaborn.heatmap(
        np.array(rates),
        ax=axes,
        vmin=0,
        vmax=largest or 1.0,
        cmap=colours,
        cbar=False,
        linewidths=1.5,
        linecolor=palette.PAPER,
        xticklabels=False,
        yticklabels=False,
    )
    axes.grid(visible=False)
    axes.set_xlabel("time step", labelpad=16)
    labels = _beside(axes, [row + 0.5 for row in range(len(layers))], layers, 22)
    every = -(-steps // 20)
    labels += [_at(axes, t + 0.5, len(layers) + 0.6, str(t + 1)) for t in range(0, steps, every)]
    if steps <= 10:
        labels += [
            _at(axes, t + 0.5, row + 0.5, significant(rate, 2))
            for row, line in enumerate(rates)
            for t, rate in enumerate(line)
        ]
    return svg.finish(figure, name, title, description, labels)


def membranes(
    name: str,
    layers: Sequence[tuple[str, Density, Density | None]],
    firing_level: float,
    colour: str,
    title: str,
    description: str,
) -> Markup:
    """One ridge a layer, each to its own height: the membrane filled, after MPR as a line; and the firing level."""
    row = 30.0
    names = [layer[0] for layer in layers]
    figure = svg.canvas(WIDTH, 70 + row * len(layers))
    axes = _axes(figure, _label_width(names, 22), 14, 28, 42)
    axes.grid(visible=False)
    shapes: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    for base, (_, before, after) in zip(reversed(range(len(layers))), layers, strict=True):
        x, y = _outline(before)
        shapes.append(np.column_stack([[x[0], *x, x[-1]], [base, *(base + y), base]]))
        if after is not None:
            x, y = _outline(after)
            lines += [np.column_stack([x, base + y]), np.full((1, 2), np.nan)]
    axes.hlines(
        range(len(layers)), 0, 1, transform=axes.get_yaxis_transform(), color=palette.GRID, linewidth=0.8, zorder=0.5
    )
    axes.add_collection(PolyCollection(shapes, facecolor=palette.MUTED, alpha=0.45, linewidth=0, zorder=2))
    if lines:
        axes.plot(*np.concatenate(lines).T, color=colour, linewidth=1.3, marker="None", zorder=3)
    axes.axvline(firing_level, color=palette.LEVEL, linewidth=1.2, linestyle=(0, (4, 2)), zorder=4)
    axes.annotate(
        f"firing level {tick(firing_level)}",
        (firing_level, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
    )
    axes.set_xlim(*_range([d for layer in layers for d in layer[1:] if d is not None]))
    axes.set_ylim(-0.15, len(layers) + 0.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("membrane potential u (shape) and φ(u) (line)")
    return svg.finish(figure, name, title, description, _beside(axes, range(len(names)), names[::-1], 22))


def latency_distribution(
    name: str, seconds: Sequence[float], marks: Sequence[tuple[str, float]], title: str, description: str
) -> Markup:
    """The share of rounds that took at most so long, with named quantiles; 500 steps at most."""
    figure = svg.canvas(WIDTH, 240)
    axes = _axes(figure, 44, 18, 22, 42)
    values = np.sort(np.asarray(seconds, dtype=float))
    if len(values) > 500:
        values = np.quantile(values, np.linspace(0, 1, 500))
    seaborn.ecdfplot(x=values, ax=axes, color=palette.SOFT, linewidth=1.5)
    for label, value in marks:
        axes.axvline(value, color=palette.MUTED, linewidth=1, linestyle=(0, (3, 2)))
        axes.annotate(
            label,
            (value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, "s")))
    axes.set_xlabel("time per forward pass")
    axes.set_ylabel("share of rounds")
    return svg.finish(figure, name, title, description)


def energy_models(name: str, models: Sequence[tuple[str, float]], title: str, description: str) -> Markup:
    """Estimated J per inference by model of energy, on a logarithmic axis."""
    names = [model[0] for model in models]
    figure = svg.canvas(WIDTH, 58 + 22.0 * len(models))
    axes = _axes(figure, _label_width(names, 22), 18, 10, 42)
    axes.set_xscale("log")
    joules = [model[1] for model in models if model[1] > 0]
    if joules:
        axes.set_xlim(min(joules) / 2, max(joules) * 2)
    for row, (_, value) in enumerate(models):
        if value > 0:
            axes.scatter([value], [row], s=36, color=palette.SOFT_MPR, linewidth=0, zorder=3)
    labels = _rows(axes, names, 22)
    _si_log_axis(axes, "J")
    axes.set_xlabel("estimated energy per inference")
    return svg.finish(figure, name, title, description, labels)


def trend(
    name: str, series: Sequence[Series], ends: tuple[str, str], label: str, title: str, description: str
) -> Markup:
    """Values from run to run, evenly spaced; the first and the last commit are named."""
    figure = svg.canvas(WIDTH, 220)
    axes = _axes(figure, 60, 16, 12, 34)
    for line in series:
        (drawn,) = axes.plot(
            range(len(line.values)),
            _gaps(line.values),
            color=palette.neuron_colour(line.neuron),
            marker=palette.neuron_marker(line.neuron) if len(line.values) <= 30 else "None",
            markersize=5,
            markeredgewidth=0.6,
            linewidth=1.4,
        )
        drawn.set_gid(f"mark:{line.mark}")
    axes.margins(y=0.12)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v)))
    if "J" in label:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, "J")))
    axes.set_ylabel(label)
    bottom = float(figure.bbox.height) - 16
    left, right = float(axes.bbox.x0), float(axes.bbox.x1)
    names = [svg.Label(left, bottom, ends[0], "start"), svg.Label(right, bottom, ends[1], "end")]
    return svg.finish(figure, name, title, description, names)


def _axes(figure: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes with margins in units of the canvas."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.patch.set_visible(False)
    figure.patch.set_visible(False)
    return axes


def _bars(axes: Axes, start: np.ndarray, end: np.ndarray, height: float, **look: Any) -> None:
    """Horizontal bars at rows 0, 1, ..., as one artist."""
    half = height / 2
    boxes = [
        [(a, r - half), (b, r - half), (b, r + half), (a, r + half)]
        for r, (a, b) in enumerate(zip(start, end, strict=True))
    ]
    axes.add_collection(PolyCollection(boxes, **look))


def _label_width(labels: Sequence[str], limit: int) -> float:
    return 14 + _CHARACTER * max((min(len(label), limit) for label in labels), default=0)


def _rows(axes: Axes, names: Sequence[str], limit: int) -> list[svg.Label]:
    """Make rows 0, 1, ... from the top; the labels to the left of the axes."""
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.4, -0.6)
    return _beside(axes, range(len(names)), names, limit)


def _beside(axes: Axes, rows: Iterable[float], names: Sequence[str], limit: int) -> list[svg.Label]:
    """Labels to the left of the axes at the given values of y."""
    edge = float(axes.bbox.x0) - 5
    return [
        svg.Label(edge, _at(axes, 0, row, "").y, shorten_start(name, limit), "end")
        for row, name in zip(rows, names, strict=True)
    ]


def _at(axes: Axes, x: float, y: float, text: str) -> svg.Label:
    """A label in the middle of a point of the data."""
    right, up = axes.transData.transform((x, y))
    assert axes.figure is not None
    return svg.Label(float(right), float(axes.figure.bbox.height - up), text, "middle")


def _from_zero(axes: Axes, unit: str) -> None:
    axes.set_xlim(left=0)
    if axes.get_xlim()[1] <= 1e-30 or not axes.has_data():
        axes.set_xlim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(3 if axes.get_position().width < 0.5 else 5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, unit) if v else "0"))


def _si_log_axis(axes: Axes, unit: str) -> None:
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


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _outline(density: Density) -> tuple[np.ndarray, np.ndarray]:
    """The histogram as steps, scaled to nine tenths of a row."""
    edges = np.linspace(density.low, density.high, len(density.shares) + 1)
    heights = np.asarray(density.shares, dtype=float)
    heights = 0.9 * heights / max(heights.max(), 1e-12)
    return np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)


def _range(densities: Sequence[Density]) -> tuple[float, float]:
    """The part of the axis that holds all but a thousandth of each histogram on either side."""
    lows, highs = [], []
    for density in densities:
        cumulative = np.cumsum(density.shares)
        if cumulative[-1] <= 0:
            continue
        edges = np.linspace(density.low, density.high, len(density.shares) + 1)
        lows.append(edges[int(np.searchsorted(cumulative, 0.001 * cumulative[-1]))])
        highs.append(edges[int(np.searchsorted(cumulative, 0.999 * cumulative[-1])) + 1])
    return (min(lows, default=-1.0), max(highs, default=2.0))


def _place_labels(axes: Axes, points: Sequence[Point]) -> None:
    """Write each point's label where it covers no point and no other label; leave out the one that fits nowhere."""
    if len(points) > 24:
        return
    to_pixels: Callable[[tuple[float, float]], np.ndarray] = axes.transData.transform
    spots = [to_pixels((p.joules, p.accuracy)) for p in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    for point, (x, _) in zip(points, spots, strict=True):
        taken.append((x - 2, to_pixels((point.joules, point.low))[1], x + 2, to_pixels((point.joules, point.high))[1]))
    left, bottom, right, top = axes.bbox.extents
    for point, (x, y) in zip(points, spots, strict=True):
        label = clean(point.label, 28)
        width, height = _CHARACTER * len(label), 9.0
        for dx, dy, side in (
            (6, 6, "left"),
            (-6, 6, "right"),
            (8, -3, "left"),
            (-8, -3, "right"),
            (6, -14, "left"),
            (-6, -14, "right"),
        ):
            start = x + dx if side == "left" else x + dx - width
            box = (start, y + dy, start + width, y + dy + height)
            if box[0] < left or box[2] > right or box[1] < bottom or box[3] > top:
                continue
            if any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in taken):
                continue
            taken.append(box)
            axes.annotate(
                label,
                (point.joules, point.accuracy),
                xytext=(dx, dy),
                textcoords="offset points",
                ha=side,
                fontsize=9,
            ).set_gid(f"mark:{point.mark}")
            break
