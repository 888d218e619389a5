"""Every quantity once: its name, unit, which way is better, how it is judged, and how it is read from a record.

Findings, budgets, accepted regressions, tables, trends, exports and annotations call a quantity by this one name.
Values are shares, counts an inference, J an inference, s a forward pass of a batch, and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from inflor_bench.record.costs import Energy
from inflor_bench.record.counted import Information, NeuronOps, Spikes, Synops
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent

# How two runs are compared: "exact" counts, and those that a shape decides ("event"); "paired" by sample; "timed" by
# interleaved pairs of processes; "shown" and never judged; "derived" from others, which are compared instead.
Judged = Literal["exact", "event", "paired", "timed", "shown", "derived"]

INSTRUMENTS = ("latency", "power", "memory")


@dataclass(frozen=True)
class Metric:
    """One quantity.

    Attributes:
        name: Its name in files and on the command line.
        section: The section of a record that holds it.
        judged: How two runs are compared.
        read: Its value from that section; None where there is none, `missing` says why.
        meaning: What is counted, and for what.
        unit: "share", "1" for counts, "J", "s" or "B".
        better: 1 where more is better, -1 where less is.
        called: Its name for people, where that is another.
        layers: The counts of every layer over all samples, in the network's order.
        by_chance: How far it may move where a network is trained anew and nothing else changed: for accuracy a
            difference of shares, for counts a relative change. docs/gate.md says how that was measured.
    """

    name: str
    section: str
    judged: Judged
    read: Callable[[Any], float | None]
    meaning: str
    unit: str = "1"
    better: Literal[-1, 1] = -1
    called: str = ""
    layers: Callable[[Any], dict[str, int]] | None = None
    missing: str = "not recorded"
    by_chance: float = 0.0

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.called or self.name.replace("_", " ")

    @property
    def instrument(self) -> bool:
        """Whether an instrument reads it, so that it depends on the machine."""
        return self.section in INSTRUMENTS

    @property
    def title(self) -> str:
        """Its name at the head of a column."""
        return self.label[0].upper() + self.label[1:]

    @property
    def symbol(self) -> str:
        """The unit beside a number: none for shares and counts."""
        return "" if self.unit in ("share", "1") else self.unit

    def value(self, record: Record) -> float | Absent:
        """Return its value in a record, or why it is not there."""
        section = getattr(record, self.section)
        if isinstance(section, Absent):
            return section
        value = self.read(section)
        return Absent(status="unavailable", reason=self.missing) if value is None else float(value)


def _total(kind: str) -> Callable[[Any], float]:
    return lambda synops: getattr(synops.total, kind) / synops.samples


def _by_layer(kind: str) -> Callable[[Any], dict[str, int]]:
    return lambda section: {layer.name: getattr(layer, kind) for layer in section.layers}


def _mean(value: str, weight: str) -> Callable[[Information], float | None]:
    """The mean over all layers that have the value, each by its weight."""

    def mean(information: Information) -> float | None:
        found = [(getattr(layer, value), getattr(layer, weight)) for layer in information.layers]
        total = sum(count for one, count in found if one is not None)
        return sum(one * count for one, count in found if one is not None) / total if total else None

    return mean


def _spikes(spikes: Spikes) -> float:
    return sum(layer.spikes for layer in spikes.layers) / spikes.samples


def _operations(synops: Synops) -> float:
    return (synops.total.ac + synops.total.mac) / synops.samples


def _updates(ops: NeuronOps) -> float:
    return ops.updates / ops.samples


def _first_estimate(energy: Energy) -> float | None:
    return energy.models[0].joules if energy.models else None


_ERROR, _LOSS = _mean("quantisation_error", "elements"), _mean("reset_loss", "fired")
_LEVELS = _mean("level_error", "elements")
_NO_LEVELS = "no layer's membrane is known to be in its current's unit, or the run is older than this quantity"
_NONE, _NO_MODEL = "there are no spiking neurons", "no energy model was asked for"
_ESTIMATED = "J per inference, estimated"
_MEASURED = "J per inference, measured"
_QUANTITIES = (
    Metric("accuracy", "accuracy", "paired", lambda s: s.value, "share", "share", 1, by_chance=0.03),
    Metric("parameters", "model", "event", lambda s: s.parameters, "parameters"),
    Metric(
        "firing_rate", "spikes", "derived", lambda s: s.mean_firing_rate, "spikes per neuron and step", missing=_NONE
    ),
    Metric("spikes", "spikes", "exact", _spikes, "spikes per inference", layers=_by_layer("spikes"), by_chance=0.3),
    Metric("dense", "synops", "event", _total("dense"), "pairs per inference", layers=_by_layer("dense")),
    Metric("ac", "synops", "exact", _total("ac"), "AC per inference", "1", -1, "AC", _by_layer("ac"), by_chance=0.3),
    Metric(
        "mac", "synops", "exact", _total("mac"), "MAC per inference", "1", -1, "MAC", _by_layer("mac"), by_chance=0.1
    ),
    Metric("operations", "synops", "derived", _operations, "AC and MAC per inference", called="AC + MAC"),
    Metric("neuron_updates", "neuron_ops", "event", _updates, "updates per inference", layers=_by_layer("updates")),
    Metric("quantisation_error", "information", "shown", _ERROR, "mean squared error of a spike", missing=_NONE),
    Metric("reset_loss", "information", "shown", _LOSS, "mean error of a reset", missing="no neuron fired"),
    Metric("level_error", "information", "shown", _LEVELS, "levels", missing=_NO_LEVELS),
    Metric("energy", "energy", "derived", _first_estimate, _ESTIMATED, "J", -1, "estimated energy", missing=_NO_MODEL),
    Metric("latency", "latency", "timed", lambda s: s.median, "s", "s", -1, "median latency"),
    Metric("joules", "power", "shown", lambda s: s.joules_per_inference, _MEASURED, "J", -1, "measured energy"),
    Metric("peak_bytes", "memory", "shown", lambda s: s.peak_bytes, "bytes", "B", -1, "peak memory"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _QUANTITIES}


def metric_of(name: str) -> Metric | None:
    """The quantity that a finding is about: of "latency/neurons" and "energy/MODEL" that of the whole."""
    return METRICS.get(name.partition("/")[0])
