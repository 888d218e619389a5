"""A record on the terminal: layers with totals, then one line a figure. Imports no torch."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.track.records import Absent, Record, Section, SpikeLayer, Spikes


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
            table.add_row(neuron.name, "neuron", "", "", "", "", *_spikes(spikes, [neuron]))
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
    data, model = record.provenance.dataset, record.model
    rows = [
        ("inputs", f"{data.samples} samples of {data.name}, {data.split}" if data else "unknown"),
        ("time", f"{model.timesteps} steps" if model.timesteps else "no time axis"),
        ("accuracy", _text(record.accuracy)),
        ("synops", _text(record.synops)),
        ("spikes", _text(record.spikes)),
        ("neuron updates", _text(record.neuron_ops)),
        ("information", _text(record.information)),
        ("energy", _text(record.energy)),
        ("latency", _text(record.latency)),
        ("memory", _text(record.memory)),
        ("power", _text(record.power)),
    ]
    # What the table of layers says already needs no line of its own.
    return [(name, text) for name, text in rows if text]


def _text(section: Section) -> str:
    if isinstance(section, Absent):
        return f"not measured: {section.reason}"
    return str(_TEXTS.get(type(section).__name__, lambda _: "")(section))


_TEXTS = {
    "Accuracy": lambda s: f"{s.value:.2%} ({s.correct} of {s.n})",
    "NeuronOps": lambda s: f"{_number(s.updates / s.samples)} per inference",
    "Information": lambda s: (
        ", ".join(f"{x.name} {x.quantisation_error:.3g}" for x in s.layers[:8])
        + (", ..." if len(s.layers) > 8 else "")
        + " (quantisation error)"
    ),
    "Energy": lambda s: (
        ", ".join(f"{model.joules:.3g} J by {model.name}" for model in s.models[:2])
        + f"; {len(s.models)} estimates in the run file"
        if s.models
        else "no model gave an estimate"
    ),
    "Latency": lambda s: (
        f"{1e3 * s.median:.3g} ms for {s.batch_size} samples, median of {s.rounds} rounds"
        + ("" if s.steady else ", not steady")
    ),
    "Memory": lambda s: (
        f"{s.peak_bytes / 2**20:,.0f} MiB at the peak ({s.above_baseline_bytes / 2**20:,.1f} MiB above "
        f"what stood before), parameters {s.parameter_bytes / 2**20:,.2f} MiB"
    ),
    "Power": lambda s: f"{s.joules_per_inference:.3g} J per inference by {s.meter}",
}
