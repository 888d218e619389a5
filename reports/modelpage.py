"""What a model's page says: its key figures, its layers, its energy by every model of energy, where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.track.records import Absent, EnergyModel, Histogram, InformationLayer, SpikeLayer, Spikes, Synops
from reports import entries, figures, modelfigures, palette
from reports.cells import Cell, Missing, absent
from reports.format import integer, percent, share, si, significant
from reports.instruments import conditions_table, power_table
from reports.plots import Plot, no_plot
from reports.tables import Column, Datum, Row, Table, missing, text
from reports.text import digest


@dataclass(frozen=True)
class ModelPage:
    """Everything a model's page shows."""

    cell: Cell
    facts: Sequence[tuple[str, Datum]]
    figures: Sequence[Plot]
    sites: Table | None
    neurons: Table | None
    energy: Table | None
    memory: Table | None
    power: Table | None
    conditions: Table | None
    uncounted: Sequence[str]


def model_page(cell: Cell, energy_model: str | None) -> ModelPage:
    """Compute a model's page from its record."""
    estimates, failed = energy_estimates(cell)
    headline = next((m for m in estimates if m.name == energy_model), None)
    synops = cell.record.synops
    uncounted = (
        [] if isinstance(synops, Absent) else [f"{u.name}: {u.operator}, {u.calls} calls" for u in synops.uncounted]
    )
    return ModelPage(
        cell,
        facts(cell, energy_model),
        figures_of(cell),
        sites_table(cell, headline),
        neurons_table(cell),
        energy_table(estimates, failed) if estimates or failed else None,
        _memory(cell),
        power_table(cell),
        conditions_table(cell),
        uncounted,
    )


def figures_of(cell: Cell) -> list[Plot]:
    """The figures of one model."""
    steps = cell.model.timesteps is not None and cell.model.timesteps > 1
    return [
        _operations(cell),
        _rates(cell),
        _membranes(cell),
        _information(cell),
        _latency(cell),
        _energy(cell),
        *([_anytime(cell)] if steps else []),
    ]


def energy_estimates(cell: Cell) -> tuple[Sequence[EnergyModel], Mapping[str, str]]:
    """All estimates of a cell, and why models gave none; empty where there is nothing."""
    section = cell.record.energy
    return ([], {}) if isinstance(section, Absent) else (section.models, section.failed)


def facts(cell: Cell, energy_model: str | None) -> list[tuple[str, Datum]]:
    """The key figures at the head of the page."""
    return [
        ("Accuracy", entries.accuracy(cell)),
        ("Firing rate", entries.firing_rate(cell)),
        ("AC per inference", entries.operations(cell, "ac")),
        ("MAC per inference", entries.operations(cell, "mac")),
        (f"Estimated energy, {energy_model or 'no model'}", entries.energy(cell, energy_model)),
        ("Measured energy", entries.measured_energy(cell)),
        ("Median latency", entries.latency(cell, "median")),
        ("Parameters", _parameters(cell)),
    ]


def _parameters(cell: Cell) -> Datum:
    count = cell.model.parameters
    return missing("the number of parameters was not recorded") if count is None else Datum(integer(count), count)


def sites_table(cell: Cell, energy: EnergyModel | None) -> Table | None:
    """Synaptic operations by layer, per inference."""
    section = cell.record.synops
    if isinstance(section, Absent):
        return None
    shares = energy_shares(energy)
    columns = [
        Column("Layer", numeric=False),
        Column("Operator", numeric=False),
        Column("Output", numeric=False, meaning="shape of one sample at one step"),
        Column("AC", "1", "Operations per inference", meaning="accumulates"),
        Column("MAC", "1", "Operations per inference", meaning="multiply-accumulates"),
        Column("dense", "1", "Operations per inference", meaning="in-bounds pairs, zeros included"),
        Column(
            "dense, padded", "1", "Operations per inference", meaning="what FLOP counters report: padding taps included"
        ),
        Column("active", "share", meaning="share of the dense pairs that were really computed"),
        Column("Share", "share", f"Estimated energy, {energy.name if energy else 'no model'}"),
    ]
    rows = []
    for layer in section.layers:
        done = layer.ac + layer.mac
        active = (
            Datum(share(done / layer.dense), done / layer.dense) if layer.dense else missing("no dense pairs", "none")
        )
        part = shares.get(layer.name)
        rows.append(
            Row(
                [
                    Datum(layer.name, layer.name, detail="mixed input" if layer.mixed else ""),
                    text(layer.kind),
                    text(shape(layer.output_shape)),
                    *(
                        Datum(si(v), v)
                        for v in (getattr(layer, k) / section.samples for k in ("ac", "mac", "dense", "dense_padded"))
                    ),
                    active,
                    missing("this model of energy has no estimate by layer", "not estimated")
                    if part is None
                    else Datum(share(part), part, share=part),
                ],
                mark=layer_mark(layer.name),
            )
        )
    return Table("synaptic-layers", "Synaptic operations by layer", columns, rows, sortable=True)


def neurons_table(cell: Cell) -> Table | None:
    """Spiking layers: rates, information loss and neuron updates."""
    spikes, information, updates = cell.record.spikes, cell.record.information, cell.record.neuron_ops
    by_spikes = {} if isinstance(spikes, Absent) else {x.name: x for x in spikes.layers}
    by_loss = {} if isinstance(information, Absent) else {x.name: x for x in information.layers}
    by_updates = {} if isinstance(updates, Absent) else {x.name: x for x in updates.layers}
    names = list(dict.fromkeys([*by_spikes, *by_loss, *by_updates]))
    if not names:
        return None
    columns = [
        Column("Layer", numeric=False),
        Column("Shape", numeric=False, meaning="of one sample at one step"),
        Column("Neurons", "1"),
        Column("Firing rate", "1", meaning="spikes per neuron and step"),
        Column("as is", "1", "Quantisation error", meaning="mean (o − u)²"),
        Column("after φ", "1", "Quantisation error", meaning="mean (o − φ(u))²"),
        Column("Reset loss", "1", meaning="mean |u − v − o| per spike"),
        Column("updates", "1", "Neuron operations per inference", meaning="one per neuron and step"),
        Column("resets", "1", "Neuron operations per inference"),
    ]
    rows = []
    for name in names:
        layer, loss, done = by_spikes.get(name), by_loss.get(name), by_updates.get(name)
        rows.append(
            Row(
                [
                    text(name),
                    *_spiking(layer, spikes),
                    *_losses(loss, cell.record.information),
                    *(
                        entries.none(absent(updates) if isinstance(updates, Absent) else Missing("not counted here"))
                        if done is None or isinstance(updates, Absent)
                        else Datum(si(v / updates.samples), v / updates.samples)
                        for v in ((done.updates, done.reset_operations) if done else (0, 0))
                    ),
                ],
                mark=layer_mark(name),
            )
        )
    return Table("spiking-layers", "Spiking layers", columns, rows, sortable=True)


def _spiking(layer: SpikeLayer | None, spikes: Spikes | Absent) -> list[Datum]:
    if layer is None or isinstance(spikes, Absent):
        gone = entries.none(
            absent(spikes) if isinstance(spikes, Absent) else Missing("no spikes were counted in this layer")
        )
        return [gone] * 3
    rate = spikes.firing_rate(layer) if layer.neurons and layer.spikes_per_step else None
    return [
        text(shape(layer.shape)),
        Datum(integer(layer.neurons), layer.neurons),
        missing("the layer has no neurons", "none")
        if rate is None
        else Datum(significant(rate), rate, share=min(rate, 1)),
    ]


def _losses(layer: InformationLayer | None, section: object) -> list[Datum]:
    if layer is None:
        why = (
            absent(section)
            if isinstance(section, Absent)
            else Missing("information loss was not measured in this layer")
        )
        return [entries.none(why)] * 3
    before, after, loss = layer.quantisation_error, layer.quantisation_error_rectified, layer.reset_loss
    return [
        Datum(entries.loss(before), before),
        missing("the neuron offers no rectifier", "none") if after is None else Datum(entries.loss(after), after),
        missing("no neuron of this layer fired", "none fired") if loss is None else Datum(entries.loss(loss), loss),
    ]


def energy_table(estimates: Sequence[EnergyModel], failed: Mapping[str, str]) -> Table:
    """Every estimate with its source and what it does not cover; a model that failed with the reason."""
    columns = [
        Column("Model of energy", numeric=False),
        Column("Energy", "J", "Estimated", meaning="J per inference"),
        Column("Version", numeric=False),
        Column("Source", numeric=False),
    ]
    rows = [
        Row([text(m.name), Datum(si(m.joules, "J"), m.joules), text(m.version), text("; ".join([m.source, *m.notes]))])
        for m in estimates
    ]
    rows += [
        Row([text(name), missing(reason, "not estimated"), text(""), text(reason)]) for name, reason in failed.items()
    ]
    return Table("energy-models", "Estimated energy per inference, by model of energy", columns, rows)


def energy_shares(energy: EnergyModel | None) -> Mapping[str, float]:
    """Each layer's share of the estimate, whatever unit the parts are in."""
    whole = sum(energy.layers.values()) if energy else 0.0
    return {name: value / whole for name, value in energy.layers.items()} if energy and whole > 0 else {}


def layer_mark(name: str) -> str:
    """What ties a layer's rows and its marks in figures together."""
    return f"layer-{digest(name)}"


def shape(dimensions: Sequence[int]) -> str:
    """16 × 28 × 28, on one line."""
    return "\u00a0×\u00a0".join(str(d) for d in dimensions) or "scalar"


def _operations(cell: Cell) -> Plot:
    name, heading = "operations", "Synaptic operations by layer"
    section: Synops | Absent = cell.record.synops
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not counted: {absent(section).reason}")
    if not section.layers:
        return no_plot(name, heading, "The model has no layer with synaptic operations.")
    n = section.samples
    layers = [
        modelfigures.LayerOperations(layer_mark(x.name), x.name, x.ac / n, x.mac / n, x.dense / n)
        for x in section.layers
    ]
    drawing = modelfigures.operations_by_layer(
        layers, heading, f"Accumulates and multiply-accumulates of {len(layers)} layers."
    )
    caption = (
        "Accumulates and multiply-accumulates that were really computed, against a dense pass over the same layer. "
        "The numbers stand in the table of synaptic operations."
    )
    return Plot(name, heading, caption, drawing, None)


def _rates(cell: Cell) -> Plot:
    name, heading = "rates", "Firing rate by layer and time step"
    section = cell.record.spikes
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not measured: {absent(section).reason}")
    layers = [x for x in section.layers if x.neurons and x.spikes_per_step]
    steps = max((len(x.spikes_per_step) for x in layers), default=0)
    layers = [x for x in layers if len(x.spikes_per_step) == steps]
    if not layers:
        return no_plot(name, heading, "The network has no spiking neurons.")
    rates = [[section.firing_rate(x, step) for step in range(steps)] for x in layers]
    columns = [Column("Layer", numeric=False)] + [Column(f"step {t + 1}", "1") for t in range(steps)]
    rows = [Row([text(x.name), *(Datum(significant(r), r) for r in row)]) for x, row in zip(layers, rates, strict=True)]
    drawing = modelfigures.firing_rates(
        [x.name for x in layers],
        rates,
        [layer_mark(x.name) for x in layers],
        heading,
        f"Spikes per neuron of {len(layers)} layers at {steps} time steps.",
    )
    caption = "Spikes per neuron at each time step, over all measured samples. The deeper the colour, the more spikes."
    return Plot(name, heading, caption, drawing, Table("rates-data", heading, columns, rows))


def _membranes(cell: Cell) -> Plot:
    name, heading = "membranes", "Membrane potential before and after MPR"
    section = cell.record.information
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not measured: {absent(section).reason}")
    if not section.layers:
        return no_plot(name, heading, "The network has no spiking neurons.")
    layers = [(x.name, _density(x.membrane), _density(x.rectified) if x.rectified else None) for x in section.layers]
    drawing = modelfigures.membranes(
        layers,
        section.firing_level,
        palette.neuron_colour(cell.neuron) if cell.neuron != "relu" else palette.SOFT_MPR,
        heading,
        f"Distribution of the membrane potential in {len(layers)} layers; the firing level is {section.firing_level}.",
    )
    used = (
        "This network was trained with MPR."
        if cell.model.mpr
        else "This network was trained without MPR; φ is applied to its membranes here only to show what it would do."
    )
    caption = (
        "Each layer's membrane potential u (filled) and the same values after the rectifier φ (line), each to its own "
        f"height. A neuron fires above the dashed level, and φ never moves a value across it. {used}"
    )
    return Plot(name, heading, caption, drawing, _membrane_table(section.layers))


def _density(histogram: Histogram) -> modelfigures.Density:
    whole = max(sum(histogram.counts) + histogram.below + histogram.above, 1)
    return modelfigures.Density(histogram.low, histogram.high, [c / whole for c in histogram.counts])


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


def _information(cell: Cell) -> Plot:
    name, heading = "information", "Information loss by layer"
    section = cell.record.information
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not measured: {absent(section).reason}")
    if not section.layers:
        return no_plot(name, heading, "The network has no spiking neurons.")
    layers = section.layers
    profile = figures.LossProfile(
        cell.slug,
        cell.neuron,
        cell.neuron,
        [x.reset_loss for x in layers],
        [x.quantisation_error for x in layers],
        [x.quantisation_error_rectified for x in layers],
    )
    drawing = figures.loss_by_layer(
        [x.name for x in layers],
        [profile],
        heading,
        f"Reset loss and quantisation error of {len(layers)} layers.",
        [layer_mark(x.name) for x in layers],
    )
    caption = (
        "Left: mean |u − v − o| over the neurons that fired. Right: mean squared distance of spike and membrane, "
        "as it is (solid) and after φ (dashed). The numbers stand in the table of spiking layers."
    )
    return Plot(name, heading, caption, drawing, None)


def _latency(cell: Cell) -> Plot:
    name, heading = "latency", "Latency"
    section = cell.record.latency
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not measured: {absent(section).reason}")
    marks = [("median", section.median)] + ([("p95", section.p95)] if section.p95 is not None else [])
    steady = "" if section.steady else " The warm-up never became steady: read with care."
    caption = (
        f"{section.rounds} rounds of a batch of {section.batch_size}, after {section.warmup_iterations} warm-up "
        f"passes, on {cell.record.provenance.device} with {cell.record.provenance.threads} threads.{steady}"
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
    rows = [
        Row(
            [
                text(label),
                missing("needs more rounds" if label[0] == "p" else "not recorded")
                if v is None
                else Datum(si(v, "s"), v),
            ]
        )
        for label, v in quantities
    ]
    table = Table("latency-data", "Latency", [Column("Quantity", numeric=False), Column("Time", "s")], rows)
    if len(cell.result.rounds) < 2:
        return Plot(
            name, heading, caption + " The single rounds are not in the run, so there is no curve.", None, table
        )
    drawing = modelfigures.latency_distribution(
        cell.result.rounds, marks, "Latency distribution", f"Share of {len(cell.result.rounds)} rounds over time."
    )
    return Plot(name, heading, caption, drawing, table)


def _energy(cell: Cell) -> Plot:
    name, heading = "energy", "Estimated energy by model of energy"
    section = cell.record.energy
    if isinstance(section, Absent):
        return no_plot(name, heading, f"Not estimated: {absent(section).reason}")
    estimates = section.models
    if not estimates:
        return no_plot(name, heading, "No model of energy was evaluated.")
    drawing = modelfigures.energy_models(
        [(m.name, m.joules) for m in estimates], heading, f"Estimates of {len(estimates)} models of energy."
    )
    caption = (
        "The same operations, priced by different models of energy. The spread says how much an estimate depends on "
        "its model. None of these was measured. Once the movement of data counts, a spiking network of 5 time steps "
        "needs a mean firing rate below roughly 6 % to beat an equally precise quantised ANN (Yan et al., arXiv "
        "2409.08290, abstract)."
    )
    return Plot(name, heading, caption, drawing, None)


def _anytime(cell: Cell) -> Plot:
    name, heading = "anytime", "Anytime accuracy"
    weights = cell.record.provenance.weights
    shares = weights.card_anytime if weights else []
    if not shares:
        return no_plot(name, heading, "Not known: the weights were made without a record of it.")
    columns = [Column("Time steps used", "1"), Column("Accuracy", "share")]
    rows = [Row([Datum(str(t), t), Datum(percent(value, 2), value)]) for t, value in enumerate(shares, 1)]
    drawing = modelfigures.anytime(
        shares,
        palette.neuron_colour(cell.neuron),
        heading,
        f"Accuracy of the answer after 1 to {len(shares)} time steps.",
    )
    caption = "How accurate an answer after fewer time steps is: one pass over the test set after training."
    return Plot(name, heading, caption, drawing, Table(f"{name}-data", heading, columns, rows))


def _memory(cell: Cell) -> Table | None:
    section = cell.record.memory
    if isinstance(section, Absent):
        return None
    values = (
        ("peak", section.peak_bytes),
        ("above what stood before", section.above_baseline_bytes),
        ("parameters", section.parameter_bytes),
    )
    kind = {"host_peak_rss": "host memory", "cuda_peak_allocated": "GPU memory"}[section.kind]
    rows = [Row([text(label), Datum(si(value, "B"), value)]) for label, value in values]
    columns = [Column("Quantity", numeric=False), Column("Size", "B")]
    return Table("memory", f"Peak {kind} while a batch of {section.batch_size} runs", columns, rows)
