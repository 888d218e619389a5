"""The energy of spiking networks over that of their twins, by model of energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inflor_bench.reports.data.format import ratio
from inflor_bench.reports.draw import palette
from inflor_bench.reports.draw.axes import Key, add_axes, add_key, bands, label_width, rows, si_log_axis
from inflor_bench.reports.draw.canvas import Drawing, canvas, points, width


def energy_ratios(models: Mapping[str, Sequence[tuple[str, float]]], title: str, description: str) -> Drawing:
    """A band from the lowest to the highest ratio a model of energy, on a logarithmic axis with 1 marked.

    `models` has the (neuron, ratio) of each network by the name of the model of energy.
    """
    names = list(models)
    figure = canvas(width(), 70 + 22.0 * len(models))
    axes = add_axes(figure, label_width(names, 22), 18, 24, 42)
    axes.set_xscale("log")
    every = [value for found in models.values() for _, value in found]
    axes.set_xlim(min(*every, 1.0) / 1.5, max(*every, 1.0) * 1.5)
    axes.axvline(1, color=palette.LEVEL, linewidth=points(1.2), linestyle="--")
    for row, found in enumerate(models.values()):
        values = [value for _, value in found]
        axes.plot(
            [min(values), max(values)], [row, row], color=palette.GRID, linewidth=points(7), solid_capstyle="round"
        )
        for neuron, value in found:
            axes.scatter(
                [value],
                [row],
                s=points(6) ** 2,
                color=palette.neuron_colour(neuron),
                marker=palette.NEURON_MARKERS.get(neuron, "o"),
                linewidth=0,
                zorder=3,
            )
    labels = rows(axes, names, 22)
    si_log_axis(axes, "")
    axes.set_xlabel("energy of the spiking network over its twin's")
    neurons = list(dict.fromkeys(neuron for found in models.values() for neuron, _ in found))
    add_key(
        figure,
        8,
        [Key(n, palette.neuron_colour(n), marker=palette.NEURON_MARKERS.get(n, "o")) for n in neurons],
    )
    told = [
        ("", f"{model}: {', '.join(f'{neuron} {ratio(value)}' for neuron, value in found)}")
        for model, found in models.items()
    ]
    return Drawing(figure, title, description, labels, bands(axes, told))
