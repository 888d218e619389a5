"""A record on the terminal: layers with totals, then one line a figure. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from inflor_bench.metrics import METRICS
from inflor_bench.record.counted import DenseCheck, SpikeLayer, Spikes, SynopLayer, Synops
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.record.tree import tree
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
    sites = [] if isinstance(record.synops, Absent) else record.synops.layers
    neurons = [] if isinstance(record.spikes, Absent) else record.spikes.layers
    for branch in tree([*(layer.name for layer in sites), *(layer.name for layer in neurons)]):
        held = [sites[place] for place in branch.layers if place < len(sites)]
        firing = [neurons[place - len(sites)] for place in branch.layers if place >= len(sites)]
        table.add_row(
            "  " * branch.depth + branch.label,
            "" if branch.is_module else _kind(*held, *firing),
            *(_operations(record.synops, held) if held else [""] * 3),
            "" if branch.is_module else _zeros(*held),
            *_spikes(record.spikes, firing),
            style="italic" if branch.is_module else None,
        )
    table.add_section()
    table.add_row("total", "", *_operations(record.synops, sites), "", *_spikes(record.spikes, neurons))
    if not isinstance(record.synops, Absent) and record.synops.uncounted:
        seen = ", ".join(f"{one.operator} in {one.name or 'the model itself'}" for one in record.synops.uncounted)
        table.caption = f"Not counted, so the total is a lower bound: {seen}"
    return table


def _kind(layer: SynopLayer | SpikeLayer) -> str:
    if isinstance(layer, SynopLayer):
        return f"{layer.kind}, {layer.levels} levels" if layer.levels else layer.kind
    return f"neuron, {layer.recognised}" if layer.recognised else "neuron"


def _operations(synops: Synops | Absent, layers: Sequence[SynopLayer]) -> list[str]:
    """AC, MAC and dense of these layers together."""
    if isinstance(synops, Absent):
        return [""] * 3
    sums = (sum(getattr(layer, name) for layer in layers) for name in ("ac", "mac", "dense"))
    return [_number(value / synops.samples) for value in sums]


def _zeros(layer: SynopLayer | None = None) -> str:
    if layer is None or not layer.input_elements:
        return ""
    return f"{1 - (layer.input_nonzero or 0) / layer.input_elements:.1%}"


def _spikes(spikes: Spikes | Absent, layers: Sequence[SpikeLayer]) -> list[str]:
    """Spikes and firing rate of these layers together."""
    if isinstance(spikes, Absent) or not layers:
        return [""] * 2
    rate = spikes.mean_firing_rate_of(layers)
    return [_number(sum(layer.spikes for layer in layers) / spikes.samples), "" if rate is None else f"{rate:.4f}"]


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
    if isinstance(record.dense_check, DenseCheck) and (found := difference(record.dense_check)):
        rows["dense, checked"] = found
    return list(rows.items())


def difference(check: DenseCheck) -> str:
    """In what the other counter of dense operations differs; empty where it counts as we do."""
    if check.ours == check.theirs:
        return ""
    where = ", ".join(f"{', '.join(one.operators)} in {one.name or 'the model itself'}" for one in check.differences)
    return f"{check.ours:,} of one sample with padding, {check.theirs:,} by {check.counter}, by {where}"


_DETAILS: dict[str, Callable[[Any], str]] = {
    "accuracy": lambda s: f"({s.correct} of {s.n})",
    "neuron_updates": lambda s: "per inference",
    "quantisation_error": lambda s: "as a mean over all layers",
    "reset_loss": lambda s: "as a mean over all spikes",
    "level_error": lambda s: "levels of a quantiser, as a mean over all neurons",
    "energy": lambda s: f"per inference by {s.models[0].name}; {len(s.models)} estimates in the run file",
    "latency": lambda s: (f"for {s.batch_size} samples, median of {s.rounds} rounds{s.doubt and f', {s.doubt}'}"),
    "peak_bytes": lambda s: (
        f"({s.above_baseline_bytes / 1e6:,.1f} MB above what stood before), "
        f"parameters {s.parameter_bytes / 1e6:,.2f} MB"
    ),
    "joules": lambda s: f"per inference by {s.meter}",
}
