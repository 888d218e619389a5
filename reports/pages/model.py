"""What a model's page says: its key figures, its layers, its energy by every model of energy, where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.record.costs import EnergyModel
from inflor_bench.record.counted import DenseCheck, InformationLayer, SpikeLayer, Spikes, SynopLayer, Synops
from inflor_bench.record.section import Absent
from inflor_bench.record.tree import tree
from inflor_bench.reports.data import table_entries
from inflor_bench.reports.data.cells import Missing, ReportCell, absent, layers_of
from inflor_bench.reports.data.format import integer, share, si, significant
from inflor_bench.reports.data.instruments import conditions_table, power_table
from inflor_bench.reports.data.tables import (
    Column,
    Datum,
    Row,
    Table,
    missing,
    number,
    quantity_table,
    text,
    text_columns,
)
from inflor_bench.reports.data.text import layer_mark
from inflor_bench.reports.pages.explanation import explanation_table, formula, notes, prices
from inflor_bench.reports.pages.model_plots import LEVELS, figures_of
from inflor_bench.verdict.explanation import explain

# Two spaces that HTML does not take away.
INDENT = "\u00a0\u00a0"


def model_page(cell: ReportCell, energy_model: str | None) -> dict[str, Any]:
    """All that a model's page shows of its record."""
    estimates, failed = energy_estimates(cell)
    headline = next((m for m in estimates if m.name == energy_model), None)
    synops = cell.record.synops
    uncounted = [] if isinstance(synops, Absent) else synops.uncounted
    return {
        "cell": cell,
        "facts": facts(cell, energy_model),
        "figures": figures_of(cell),
        "modules": modules_table(cell, headline),
        "sites": sites_table(cell, headline),
        "neurons": neurons_table(cell),
        "energy": energy_table(estimates, failed) if estimates or failed else None,
        "explained": _explained(cell, headline),
        "memory": _memory(cell),
        "power": power_table(cell),
        "conditions": conditions_table(cell),
        "uncounted": [f"{u.name}: {u.operator}, {u.calls} calls" for u in uncounted],
        "checked": checked(cell.record.dense_check),
    }


def checked(check: DenseCheck | Absent | None) -> str:
    """What an independent counter makes of the dense operations; empty where a file is older than the check."""
    if check is None:
        return ""
    if isinstance(check, Absent):
        return f"Dense operations were not checked by another counter: {check.reason}"
    if check.ours == check.theirs:
        return (
            f"Of one sample {check.counter} counts {integer(check.ours)} dense operations, padding included, as here."
        )
    where = "; ".join(
        f"{one.name or 'the model itself'}: {integer(one.theirs)} for {integer(one.ours)} ({', '.join(one.operators)})"
        for one in check.differences
    )
    counts = f"{integer(check.theirs)} dense operations, padding included, for {integer(check.ours)} here"
    return f"Of one sample {check.counter} counts {counts}. They differ in {where}."


def energy_estimates(cell: ReportCell) -> tuple[Sequence[EnergyModel], Mapping[str, str]]:
    """All estimates of a cell, and why models gave none; empty where there is nothing."""
    section = cell.record.energy
    return ([], {}) if isinstance(section, Absent) else (section.models, section.failed)


def facts(cell: ReportCell, energy_model: str | None) -> list[tuple[str, Datum]]:
    """The key figures at the head of the page."""
    return [
        ("Accuracy", table_entries.accuracy(cell)),
        ("Firing rate", table_entries.firing_rate(cell)),
        ("AC per inference", table_entries.figure(cell, "ac")),
        ("MAC per inference", table_entries.figure(cell, "mac")),
        (f"Estimated energy, {energy_model or 'no model'}", table_entries.energy(cell, energy_model)),
        ("Measured energy", table_entries.measured_energy(cell)),
        ("Median latency", table_entries.latency(cell, "median")),
        ("Parameters", _parameters(cell)),
    ]


def _parameters(cell: ReportCell) -> Datum:
    count = cell.model.parameters
    return missing("the number of parameters was not recorded") if count is None else Datum(integer(count), count)


def modules_table(cell: ReportCell, energy: EnergyModel | None) -> Table | None:
    """Synaptic operations by module, each with all that is inside it; None where no module holds a part of them."""
    section = cell.record.synops
    if isinstance(section, Absent):
        return None
    modules = [branch for branch in tree([layer.name for layer in section.layers]) if branch.is_module]
    columns = [Column("Module", numeric=False), Column("Layers", "1"), *_operations_columns(energy)]
    rows = []
    for module in modules:
        inside = [section.layers[place] for place in module.layers]
        indented = Datum(INDENT * module.depth + module.name, module.name)
        rows.append(Row([indented, Datum(integer(len(inside)), len(inside)), *_operations(inside, section, energy)]))
    caption = "Synaptic operations by module, with all inside it"
    return Table("synaptic-modules", caption, columns, rows, sortable=True) if rows else None


def sites_table(cell: ReportCell, energy: EnergyModel | None) -> Table | None:
    """Synaptic operations by layer, per inference."""
    section = cell.record.synops
    if isinstance(section, Absent):
        return None
    columns = [
        *text_columns("Layer", "Operator"),
        Column("Output", numeric=False, meaning="shape of one sample at one step"),
        *_operations_columns(energy),
    ]
    rows = [
        Row(
            [
                Datum(layer.name, layer.name, detail=_input(layer)),
                text(layer.kind),
                text(shape(layer.output_shape)),
                *_operations([layer], section, energy),
            ],
            mark=layer_mark(layer.name),
        )
        for layer in section.layers
    ]
    return Table("synaptic-layers", "Synaptic operations by layer", columns, rows, sortable=True)


def _input(layer: SynopLayer) -> str:
    """What is special about what entered a layer."""
    graded = f"{layer.levels} levels" if layer.levels else ""
    return ", ".join(filter(None, ["mixed input" if layer.mixed else "", graded]))


def _operations_columns(energy: EnergyModel | None) -> list[Column]:
    group = "Operations per inference"
    return [
        Column("AC", "1", group, meaning="accumulates"),
        Column("MAC", "1", group, meaning="multiply-accumulates"),
        Column("dense", "1", group, meaning="in-bounds pairs, zeros included"),
        Column("dense, padded", "1", group, meaning="what FLOP counters report: padding taps included"),
        Column("active", "share", meaning="share of the dense pairs that were really computed"),
        Column("Share", "share", f"Estimated energy, {energy.name if energy else 'no model'}"),
    ]


def _operations(layers: Sequence[SynopLayer], section: Synops, energy: EnergyModel | None) -> list[Datum]:
    """What stands of these layers together in `_operations_columns`."""
    ac, mac, dense, padded = (
        sum(getattr(layer, name) for layer in layers) for name in ("ac", "mac", "dense", "dense_padded")
    )
    shares = energy_shares(energy)
    parts = [shares[layer.name] for layer in layers if layer.name in shares]
    return [
        *(Datum(si(value), value) for value in (count / section.samples for count in (ac, mac, dense, padded))),
        Datum(share((ac + mac) / dense), (ac + mac) / dense) if dense else missing("no dense pairs", "none"),
        Datum(share(sum(parts)), sum(parts), share=sum(parts))
        if len(parts) == len(layers)
        else missing("this model of energy has no estimate by layer", "not estimated"),
    ]


def neurons_table(cell: ReportCell) -> Table | None:
    """Spiking layers: rates, information loss and neuron updates."""
    spikes, information, updates = cell.record.spikes, cell.record.information, cell.record.neuron_ops
    by_spikes, by_loss, by_updates = ({x.name: x for x in layers_of(each)} for each in (spikes, information, updates))
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
        Column("Level error", "levels", meaning=LEVELS),
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
                        table_entries.none(
                            absent(updates) if isinstance(updates, Absent) else Missing("not counted here")
                        )
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
        gone = table_entries.none(
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
        return [table_entries.none(why)] * 4
    before, after, loss = layer.quantisation_error, layer.quantisation_error_rectified, layer.reset_loss
    return [
        Datum(table_entries.loss(before), before),
        number(after, table_entries.loss, "the neuron offers no rectifier", "none"),
        number(loss, table_entries.loss, "no neuron of this layer fired", "none fired"),
        number(
            layer.level_error,
            table_entries.loss,
            "its membrane is not in the current's unit, or the run is older",
            "none",
        ),
    ]


def energy_table(estimates: Sequence[EnergyModel], failed: Mapping[str, str]) -> Table:
    """Every estimate with its source and what it does not cover; a model that failed with the reason."""
    columns = [
        Column("Model of energy", numeric=False),
        Column("Energy", "J", "Estimated", meaning="J per inference"),
        *text_columns("Version", "Source"),
    ]
    rows = [
        Row([text(m.name), Datum(si(m.joules, "J"), m.joules), text(m.version), text("; ".join([m.source, *m.notes]))])
        for m in estimates
    ]
    rows += [
        Row([text(name), missing(reason, "not estimated"), text(""), text(reason)]) for name, reason in failed.items()
    ]
    return Table("energy-models", "Estimated energy per inference, by model of energy", columns, rows)


def _explained(cell: ReportCell, energy: EnergyModel | None) -> tuple[str, Table | None] | None:
    """How the estimate that tables lead with was computed, in a sentence and term by term; None without one."""
    if energy is None:
        return None
    try:
        found = explain(cell.record, energy.name)
    except TrackInputError as error:
        return f"How it was computed cannot be told. {error}", None
    said = "; ".join([f"E = sum over layers of {formula(found)}", *prices(found), notes(found)])
    return f"{said}. Of other models `inflor-bench explain RUN CELL --energy MODEL` tells it.", explanation_table(found)


def energy_shares(energy: EnergyModel | None) -> Mapping[str, float]:
    """Each layer's share of the estimate, whatever unit the parts are in."""
    whole = sum(energy.layers.values()) if energy else 0.0
    return {name: value / whole for name, value in energy.layers.items()} if energy and whole > 0 else {}


def shape(dimensions: Sequence[int]) -> str:
    """16 × 28 × 28, on one line."""
    return "\u00a0×\u00a0".join(str(d) for d in dimensions) or "scalar"


def _memory(cell: ReportCell) -> Table | None:
    section = cell.record.memory
    if isinstance(section, Absent):
        return None
    values = (
        ("peak", section.peak_bytes),
        ("above what stood before", section.above_baseline_bytes),
        ("parameters", section.parameter_bytes),
    )
    kind = {"host_peak_rss": "host memory", "cuda_peak_allocated": "GPU memory"}[section.kind]
    entries = ((label, Datum(si(value, "B"), value)) for label, value in values)
    caption = f"Peak {kind} while a batch of {section.batch_size} runs"
    return quantity_table("memory", caption, Column("Size", "B"), entries)
