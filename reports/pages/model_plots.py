"""The figures of a model's page, each with its caption and its data, from the model's record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inflor_bench.record.costs import Energy, Latency
from inflor_bench.record.counted import Histogram, Information, InformationLayer, Spikes, Synops
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import ReportCell, absent, layers_of
from inflor_bench.reports.data.format import percent, si, significant
from inflor_bench.reports.data.layers import QUANTITIES, LayerChange
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, number, quantity_table, text
from inflor_bench.reports.data.text import layer_mark
from inflor_bench.reports.draw import figures, model_figures, palette
from inflor_bench.reports.draw.canvas import Drawing
from inflor_bench.reports.draw.plots import Plot, no_plot

LEVELS = "mean distance of a neuron's spike count from the level to which a quantiser rounds its mean current"

# The caption, the figure and the table of its data; or why there is nothing to draw.
_Drawn = tuple[str, Drawing | None, Table | None] | str


def figures_of(cell: ReportCell) -> list[Plot]:
    """The figures of one model."""
    plots = [_plot(cell, *figure) for figure in _FIGURES]
    steps = cell.has_time and cell.model.timesteps is not None and cell.model.timesteps > 1
    return [*plots, _anytime(cell)] if steps else plots


def _plot(
    cell: ReportCell, name: str, heading: str, section: str, gone: str, draw: Callable[[ReportCell, str, Any], _Drawn]
) -> Plot:
    """The figure of a section of the record; where there is nothing to draw, its place with the reason."""
    found = getattr(cell.record, section)
    drawn = f"{gone}: {absent(found).reason}" if isinstance(found, Absent) else draw(cell, heading, found)
    return no_plot(name, heading, drawn) if isinstance(drawn, str) else Plot(name, heading, *drawn)


def _operations(cell: ReportCell, heading: str, section: Synops) -> _Drawn:
    if not section.layers:
        return "The model has no layer with synaptic operations."
    n = section.samples
    layers = [
        model_figures.LayerOperations(layer_mark(x.name), x.name, x.ac / n, x.mac / n, x.dense / n)
        for x in section.layers
    ]
    drawing = model_figures.operations_by_layer(
        layers, heading, f"Accumulates and multiply-accumulates of {len(layers)} layers."
    )
    caption = (
        "Accumulates and multiply-accumulates that were really computed, against a dense pass over the same layer. "
        "The numbers stand in the table of synaptic operations."
    )
    return caption, drawing, None


def _rates(cell: ReportCell, heading: str, section: Spikes) -> _Drawn:
    layers = [x for x in section.layers if x.neurons and x.spikes_per_step]
    steps = max((len(x.spikes_per_step) for x in layers), default=0)
    layers = [x for x in layers if len(x.spikes_per_step) == steps]
    if not layers:
        return "The network has no spiking neurons."
    rates = [[section.firing_rate(x, step) for step in range(steps)] for x in layers]
    columns = [Column("Layer", numeric=False)] + [Column(f"step {t + 1}", "1") for t in range(steps)]
    rows = [Row([text(x.name), *(Datum(significant(r), r) for r in row)]) for x, row in zip(layers, rates, strict=True)]
    drawing = model_figures.firing_rates(
        [x.name for x in layers],
        rates,
        [layer_mark(x.name) for x in layers],
        heading,
        f"Spikes per neuron of {len(layers)} layers at {steps} time steps.",
    )
    caption = "Spikes per neuron at each time step, over all measured samples. The deeper the colour, the more spikes."
    return caption, drawing, Table("rates-data", heading, columns, rows)


def _membranes(cell: ReportCell, heading: str, section: Information) -> _Drawn:
    if not section.layers:
        return "The network has no spiking neurons."
    layers = [(x.name, _density(x.membrane), _density(x.rectified) if x.rectified else None) for x in section.layers]
    level = (
        "each has its own firing level"
        if section.firing_level is None
        else f"the firing level is {section.firing_level}"
    )
    drawing = model_figures.membranes(
        layers,
        [x.firing_level if section.firing_level is None else section.firing_level for x in section.layers],
        palette.neuron_colour(cell.neuron) if cell.has_time else palette.SOFT_MPR,
        heading,
        f"Distribution of the membrane potential in {len(layers)} layers; {level}.",
    )
    used = (
        "This network was trained with MPR."
        if cell.model.mpr
        else "This network was trained without MPR; φ is applied to its membranes here only to show what it would do."
    )
    caption = (
        "Each layer's membrane potential u (filled) and the same values after the rectifier φ (line), each to its own "
        f"height. A neuron fires above its dashed level, and φ never moves a value across it. {used}"
    )
    return caption, drawing, _membrane_table(section.layers)


def _density(histogram: Histogram) -> model_figures.Density:
    whole = max(sum(histogram.counts) + histogram.below + histogram.above, 1)
    return model_figures.Density(histogram.low, histogram.high, [c / whole for c in histogram.counts])


def _membrane_table(layers: Sequence[InformationLayer]) -> Table:
    """Shares of the membranes in 25 bins at most: the figure's data at a size one can read."""
    columns = [Column("Layer", numeric=False), Column("of", numeric=False)]
    rows: list[Row] = []
    edges: np.ndarray | None = None
    for layer in layers:
        for kind, histogram in (("u", layer.membrane), ("φ(u)", layer.rectified)):
            if histogram is None:
                continue
            step = max(1, -(-len(histogram.counts) // 25))
            here = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)[::step]
            if edges is None:
                edges = here
                columns.append(Column(f"below {significant(float(here[0]))}", "share"))
                columns += [
                    Column(f"from {significant(float(edge))}", "share")
                    for edge in here[: -(-len(histogram.counts) // step)]
                ]
                columns.append(Column(f"from {significant(histogram.high)}", "share"))
            elif len(here) != len(edges) or not np.array_equal(here, edges):
                continue  # another binning does not fit these columns; the run's JSON holds it
            counts = [sum(histogram.counts[i : i + step]) for i in range(0, len(histogram.counts), step)]
            whole = max(sum(counts) + histogram.below + histogram.above, 1)
            values = [count / whole for count in (histogram.below, *counts, histogram.above)]
            rows.append(Row([text(layer.name), text(kind), *(Datum(percent(v), round(v, 6)) for v in values)]))
    return Table("membranes-data", "Shares of the membrane potential", columns, rows)


def _information(cell: ReportCell, heading: str, section: Information) -> _Drawn:
    if not section.layers:
        return "The network has no spiking neurons."
    layers = section.layers
    drawing = figures.loss_by_layer(
        [x.name for x in layers],
        [loss_profile(cell, cell.neuron)],
        heading,
        f"Reset loss and quantisation error of {len(layers)} layers.",
        [layer_mark(x.name) for x in layers],
    )
    caption = (
        "Left: mean |u − v − o| over the neurons that fired. Middle: mean squared distance of spike and membrane, "
        f"as it is (solid) and after φ (dashed). Right: {LEVELS}. The numbers stand in the table of spiking layers."
    )
    return caption, drawing, None


def loss_profile(cell: ReportCell, label: str) -> figures.LossProfile:
    """What a cell's layers lose, as a figure takes it."""
    layers = layers_of(cell.record.information)
    return figures.LossProfile(
        cell.slug,
        label,
        cell.neuron,
        [x.reset_loss for x in layers],
        [x.quantisation_error for x in layers],
        [x.quantisation_error_rectified for x in layers],
        [x.level_error for x in layers],
    )


def _latency(cell: ReportCell, heading: str, section: Latency) -> _Drawn:
    marks = [("median", section.median)] + ([("p95", section.p95)] if section.p95 is not None else [])
    doubts = {
        "disturbed": " Other processes took the processors meanwhile: read with care.",
        "not steady": " The warm-up never became steady: read with care.",
    }
    caption = (
        f"{section.rounds} rounds of a batch of {section.batch_size}, after {section.warmup_iterations} warm-up "
        f"passes, on {cell.record.provenance.device} with {cell.record.provenance.threads} threads."
        f"{doubts.get(section.doubt, '')}"
    )
    quantities = [
        ("minimum", section.minimum),
        ("median", section.median),
        ("interquartile range", section.iqr),
        ("p90", section.p90),
        ("p95", section.p95),
        ("p99", section.p99),
        ("CPU time per inference", section.cpu_seconds_per_inference),
    ]
    if section.inferences_per_second:
        quantities.append(("time per inference, sustained", 1 / section.inferences_per_second))
    entries = (
        (label, number(v, lambda s: si(s, "s"), "needs more rounds" if label[0] == "p" else "not recorded"))
        for label, v in quantities
    )
    table = quantity_table("latency-data", "Latency", Column("Time", "s"), entries)
    if len(cell.result.rounds) < 2:
        return f"{caption} The single rounds are not in the run, so there is no curve.", None, table
    drawing = model_figures.latency_distribution(
        cell.result.rounds, marks, "Latency distribution", f"Share of {len(cell.result.rounds)} rounds over time."
    )
    return caption, drawing, table


def _energy(cell: ReportCell, heading: str, section: Energy) -> _Drawn:
    estimates = section.models
    if not estimates:
        return "No model of energy was evaluated."
    drawing = model_figures.energy_models(
        [(m.name, m.joules) for m in estimates], heading, f"Estimates of {len(estimates)} models of energy."
    )
    caption = (
        "The same operations, priced by different models of energy. The spread says how much an estimate depends on "
        "its model. None of these was measured."
    )
    return caption, drawing, None


# The name, the heading, the section that it shows, what is said where that is absent, and what draws it.
_FIGURES = (
    ("operations", "Synaptic operations by layer", "synops", "Not counted", _operations),
    ("rates", "Firing rate by layer and time step", "spikes", "Not measured", _rates),
    ("membranes", "Membrane potential before and after MPR", "information", "Not measured", _membranes),
    ("information", "Information loss by layer", "information", "Not measured", _information),
    ("latency", "Latency", "latency", "Not measured", _latency),
    ("energy", "Estimated energy by model of energy", "energy", "Not estimated", _energy),
)


def _anytime(cell: ReportCell) -> Plot:
    name, heading = "anytime", "Anytime accuracy"
    weights = cell.record.provenance.weights
    shares = weights.card_anytime if weights else []
    if not shares:
        return no_plot(name, heading, "Not known: the weights were made without a record of it.")
    columns = [Column("Time steps used", "1"), Column("Accuracy", "share")]
    rows = [Row([Datum(str(t), t), Datum(percent(value, 2), value)]) for t, value in enumerate(shares, 1)]
    drawing = model_figures.anytime(
        shares,
        palette.neuron_colour(cell.neuron),
        heading,
        f"Accuracy of the answer after 1 to {len(shares)} time steps.",
    )
    caption = "How accurate an answer after fewer time steps is: one pass over the test set after training."
    return Plot(name, heading, caption, drawing, Table(f"{name}-data", heading, columns, rows))


def changes_plot(found: Sequence[LayerChange]) -> Plot:
    """Change by layer: operations left, firing rate right."""
    name, heading = "base-change", "Change by layer"
    ac, mac, rates = ([x for x in found if x.quantity is QUANTITIES[i]] for i in (0, 1, 3))
    whole = [(a.layer, _ratio(_sum(a.base, m.base), _sum(a.head, m.head))) for a, m in zip(ac, mac, strict=True)]
    changes = (
        [(x, r) for x, r in whole if r is not None],
        [(x.layer, x.relative) for x in rates if x.relative is not None],
    )
    if not any(change for side in changes for _, change in side):
        return no_plot(name, heading, "No layer does more or fewer operations, and none fires more or less often.")
    drawing = figures.changes_by_layer(
        changes[0], changes[1], heading, "Relative change of operations and of firing rate by layer."
    )
    caption = (
        "Relative change against the base. Operations are AC and MAC together; the firing rate is spikes per neuron "
        "and step. What is the same in every layer is left out."
    )
    return Plot(name, heading, caption, drawing, None)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _ratio(base: float | None, head: float | None) -> float | None:
    return head / base - 1 if base and head is not None else None
