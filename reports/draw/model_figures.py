"""The figures of one model's page: plain values in, a drawing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from inflor_bench.reports.data.format import si, significant, tick
from inflor_bench.reports.draw import palette
from inflor_bench.reports.draw.axes import (
    ROW,
    Key,
    accuracy_axis,
    add_axes,
    add_key,
    at,
    bands,
    bars,
    beside,
    from_zero,
    label_width,
    rows,
    si_log_axis,
)
from inflor_bench.reports.draw.canvas import Drawing, canvas, points, width


@dataclass(frozen=True)
class LayerOperations:
    """Operations of one layer per inference."""

    mark: str
    name: str
    ac: float
    mac: float
    dense: float


@dataclass(frozen=True)
class Density:
    """A histogram as shares of all elements over equal bins of [low, high)."""

    low: float
    high: float
    shares: Sequence[float]


def operations_by_layer(layers: Sequence[LayerOperations], title: str, description: str) -> Drawing:
    """AC and MAC per inference as stacked bars; what a dense pass would take is their outline."""
    names = [layer.name for layer in layers]
    figure = canvas(width(), 76 + ROW * len(layers))
    axes = add_axes(figure, label_width(names, 22), 14, 26, 42)
    ac, mac, dense = (np.array([getattr(layer, kind) for layer in layers]) for kind in ("ac", "mac", "dense"))
    bars(axes, np.zeros_like(dense), dense, 0.66, facecolor="none", edgecolor=palette.MUTED, linewidth=points(0.8))
    bars(axes, np.zeros_like(ac), ac, 0.66, facecolor=palette.AC, linewidth=0)
    bars(axes, ac, ac + mac, 0.66, facecolor=palette.MAC, linewidth=0)
    axes.autoscale_view()
    labels = rows(axes, names, 22)
    from_zero(axes, "")
    axes.set_xlabel("operations per inference")
    add_key(
        figure,
        label_width(names, 22),
        [Key("AC", palette.AC), Key("MAC", palette.MAC), Key("dense pass", "none", palette.MUTED)],
    )
    told = [(x.mark, f"{x.name}: AC {si(x.ac)}, MAC {si(x.mac)}, of {si(x.dense)} in a dense pass") for x in layers]
    return Drawing(figure, title, description, labels, bands(axes, told))


def firing_rates(
    layers: Sequence[str], rates: Sequence[Sequence[float]], marks: Sequence[str], title: str, description: str
) -> Drawing:
    """Spikes per neuron, layers down and time steps across; the deeper the colour, the more spikes."""
    steps = len(rates[0])
    left = label_width(layers, 22)
    figure = canvas(min(left + 14 + max(steps * 62, 160), width()), 44 + 20.0 * len(layers))
    axes = add_axes(figure, left, 14, 6, 36)
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
        linewidths=points(1.5),
        linecolor=palette.PAPER,
        xticklabels=False,
        yticklabels=False,
    )
    axes.grid(visible=False)
    axes.set_xlabel("time step", labelpad=points(16))
    labels = beside(axes, [row + 0.5 for row in range(len(layers))], layers, 22)
    every = -(-steps // 20)
    labels += [at(axes, t + 0.5, len(layers) + 0.6, str(t + 1)) for t in range(0, steps, every)]
    if steps <= 10:
        labels += [
            at(axes, t + 0.5, row + 0.5, significant(rate, 2))
            for row, line in enumerate(rates)
            for t, rate in enumerate(line)
        ]
    told = [
        (mark, f"{name}: {', '.join(significant(rate) for rate in row[:12])}{' …' if steps > 12 else ''}")
        for mark, name, row in zip(marks, layers, rates, strict=True)
    ]
    return Drawing(figure, title, description, labels, bands(axes, told, 0.5))


def membranes(
    layers: Sequence[tuple[str, Density, Density | None]],
    firing_levels: Sequence[float | None],
    colour: str,
    title: str,
    description: str,
) -> Drawing:
    """One ridge a layer, each to its own height: the membrane filled, after MPR as a line; and the firing levels."""
    row = 30.0
    names = [layer[0] for layer in layers]
    figure = canvas(width(), 70 + row * len(layers))
    axes = add_axes(figure, label_width(names, 22), 14, 28, 42)
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
        range(len(layers)),
        0,
        1,
        transform=axes.get_yaxis_transform(),
        color=palette.GRID,
        linewidth=points(0.8),
        zorder=0.5,
    )
    axes.add_collection(PolyCollection(shapes, facecolor=palette.MUTED, alpha=0.45, linewidth=0, zorder=2))
    if lines:
        axes.plot(*np.concatenate(lines).T, color=colour, linewidth=points(1.3), marker="None", zorder=3)
    level = {"color": palette.LEVEL, "linewidth": points(1.2), "linestyle": (0, (4, 2)), "zorder": 4}
    known = [(base, at) for base, at in zip(reversed(range(len(layers))), firing_levels, strict=True) if at is not None]
    if len(known) == len(layers) and len(set(firing_levels)) == 1:
        axes.axvline(known[0][1], **level)
        _above(axes, known[0][1], f"firing level {tick(known[0][1])}")
    else:
        axes.vlines([at for _, at in known], [base for base, _ in known], [base + 0.9 for base, _ in known], **level)
    axes.set_xlim(*_range([d for layer in layers for d in layer[1:] if d is not None]))
    axes.set_ylim(-0.15, len(layers) + 0.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("membrane potential u (shape) and φ(u) (line)")
    return Drawing(figure, title, description, beside(axes, range(len(names)), names[::-1], 22))


def latency_distribution(
    seconds: Sequence[float], marks: Sequence[tuple[str, float]], title: str, description: str
) -> Drawing:
    """The share of rounds that took at most so long, with named quantiles; 500 steps at most."""
    figure = canvas(width(), 240)
    axes = add_axes(figure, 44, 18, 22, 42)
    values = np.sort(np.asarray(seconds, dtype=float))
    if len(values) > 500:
        values = np.quantile(values, np.linspace(0, 1, 500))
    seaborn.ecdfplot(x=values, ax=axes, color=palette.SOFT, linewidth=points(1.5))
    for label, value in marks:
        axes.axvline(value, color=palette.MUTED, linewidth=points(1), linestyle=(0, (3, 2)))
        _above(axes, value, label)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(v, "s")))
    axes.set_xlabel("time per forward pass")
    axes.set_ylabel("share of rounds")
    return Drawing(figure, title, description)


def energy_models(models: Sequence[tuple[str, float]], title: str, description: str) -> Drawing:
    """Estimated J per inference by model of energy, on a logarithmic axis."""
    names = [model[0] for model in models]
    figure = canvas(width(), 58 + 22.0 * len(models))
    axes = add_axes(figure, label_width(names, 22), 18, 10, 42)
    axes.set_xscale("log")
    joules = [model[1] for model in models if model[1] > 0]
    if joules:
        axes.set_xlim(min(joules) / 2, max(joules) * 2)
    for row, (_, value) in enumerate(models):
        if value > 0:
            axes.scatter([value], [row], s=points(6) ** 2, color=palette.SOFT_MPR, linewidth=0, zorder=3)
    labels = rows(axes, names, 22)
    si_log_axis(axes, "J")
    axes.set_xlabel("estimated energy per inference")
    told = [("", f"{name}: {si(value, 'J')}") for name, value in models]
    return Drawing(figure, title, description, labels, bands(axes, told))


def anytime(accuracies: Sequence[float], colour: str, title: str, description: str) -> Drawing:
    """Accuracy if the answer is taken after 1, 2, ... time steps; shares in [0, 1]."""
    figure = canvas(width(), 220)
    axes = add_axes(figure, 48, 16, 12, 42)
    steps = range(1, len(accuracies) + 1)
    axes.plot(steps, accuracies, color=colour, marker="o", markersize=points(5), linewidth=points(1.4))
    axes.margins(x=0.06, y=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel("time steps used")
    accuracy_axis(axes, 5)
    return Drawing(figure, title, description)


def _above(axes: Axes, x: float, label: str) -> None:
    axes.annotate(
        label,
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, points(5)),
        textcoords="offset points",
        ha="center",
        fontsize=points(9),
    )


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
