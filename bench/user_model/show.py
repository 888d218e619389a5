"""A record on the terminal: layers with totals, then one line a figure. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from inflor_bench.metrics import METRICS
from inflor_bench.record.schema import Absent, Record, SpikeLayer, Spikes
from inflor_bench.reports.data.format import THIN, quantity


def show(record: Record, console: Console) -> None:
    """Print a record; all counts are for one inference."""
    console.print(_layers(record))
    table = Table(show_header=False, box=None)
    for name, text in _figures(record):
        table.add_row(name, text)
    console.print(table)


def _layers(record: Record) -> Table:
    table = Table("layer", "kind", title=f"{record.name}, per inference")
    for name in ("AC", "MAC", "dense", "input zeros", "spikes", "firing rate"):
        table.add_column(name, justify="right")
    synops, spikes = record.synops, record.spikes
    if not isinstance(synops, Absent):
        for layer in synops.layers:
            counts = [_number(value / synops.samples) for value in (layer.ac, layer.mac, layer.dense)]
            zeros = 1 - (layer.input_nonzero or 0) / layer.input_elements if layer.input_elements else None
            table.add_row(layer.name, layer.kind, *counts, "" if zeros is None else f"{zeros:.1%}", "", "")
    if not isinstance(spikes, Absent):
        for neuron in spikes.layers:
            kind = f"neuron, {neuron.recognised}" if neuron.recognised else "neuron"
            table.add_row(neuron.name, kind, "", "", "", "", *_spikes(spikes, [neuron]))
    table.add_section()
    counts = ["", "", ""]
    if not isinstance(synops, Absent):
        total = synops.total
        counts = [_number(value / synops.samples) for value in (total.ac, total.mac, total.dense)]
        if synops.uncounted:
            seen = ", ".join(f"{one.operator} in {one.name or 'the model itself'}" for one in synops.uncounted)
            table.caption = f"Not counted, so the total is a lower bound: {seen}"
    table.add_row("total", "", *counts, "", *(["", ""] if isinstance(spikes, Absent) else _spikes(spikes)))
    return table


def _spikes(spikes: Spikes, layers: list[SpikeLayer] | None = None) -> list[str]:
    layers = spikes.layers if layers is None else layers
    rate = spikes.firing_rate(layers[0]) if len(layers) == 1 else spikes.mean_firing_rate
    number = sum(layer.spikes for layer in layers) / spikes.samples
    return [_number(number), "" if rate is None else f"{rate:.4f}"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _figures(record: Record) -> list[tuple[str, str]]:
    """One line a quantity; of a section that was not measured one line with the reason."""
    data, model = record.provenance.dataset, record.model
    rows = {
        "inputs": f"{data.samples} samples of {data.name}, {data.split}" if data else "unknown",
        "time": f"{model.timesteps} steps" if model.timesteps else "no time axis",
    }
    for metric in METRICS.values():
        section = getattr(record, metric.section)
        if isinstance(section, Absent):
            rows.setdefault(metric.section.replace("_", " "), f"not measured: {section.reason}")
        elif metric.name in _DETAILS:  # what the table of layers says already needs no line of its own
            value = metric.value(record)
            if isinstance(value, Absent):
                rows[metric.label] = value.reason
                continue
            number = _number(value) if metric.layers else quantity(metric, value).replace(THIN, " ")
            rows[metric.label] = f"{number} {_DETAILS[metric.name](section)}"
    return list(rows.items())


_DETAILS: dict[str, Callable[[Any], str]] = {
    "accuracy": lambda s: f"({s.correct} of {s.n})",
    "neuron_updates": lambda s: "per inference",
    "quantisation_error": lambda s: "as a mean over all layers",
    "reset_loss": lambda s: "as a mean over all spikes",
    "energy": lambda s: f"per inference by {s.models[0].name}; {len(s.models)} estimates in the run file",
    "latency": lambda s: (f"for {s.batch_size} samples, median of {s.rounds} rounds{s.doubt and f', {s.doubt}'}"),
    "peak_bytes": lambda s: (
        f"({s.above_baseline_bytes / 1e6:,.1f} MB above what stood before), "
        f"parameters {s.parameter_bytes / 1e6:,.2f} MB"
    ),
    "joules": lambda s: f"per inference by {s.meter}",
}
