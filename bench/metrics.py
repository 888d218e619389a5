"""Every quantity once: its name, unit, which way is better, how it is judged, and how it is read from a record.

Findings, budgets, accepted regressions, tables, trends, exports and annotations call a quantity by this one name.
Values are shares, counts an inference, J an inference, s a forward pass of a batch, and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.track.records import Absent, Information, Record

# How two runs are compared: "exact" counts, and those that a shape decides ("event"); "paired" by sample; "timed" by
# interleaved pairs of processes; "shown" and never judged; "derived" from others, which are compared instead.
Judged = Literal["exact", "event", "paired", "timed", "shown", "derived"]

INSTRUMENTS = ("latency", "power", "memory")


@dataclass(frozen=True)
class Metric:
    """One quantity.

    Attributes:
        name: Its name in files and on the command line.
        label: Its name for people.
        unit: "share", "1" for counts, "J", "s" or "B".
        meaning: What is counted, and for what.
        better: 1 where more is better, -1 where less is.
        judged: How two runs are compared.
        section: The section of a record that holds it.
        read: Its value from that section; None where there is none, `missing` says why.
        layers: The counts of every layer over all samples, in the network's order.
        by_chance: How far it may move where a network is trained anew and nothing else changed: for accuracy a
            difference of shares, for counts a relative change. docs/gate.md says how that was measured.
    """

    name: str
    label: str
    unit: str
    meaning: str
    better: Literal[-1, 1]
    judged: Judged
    section: str
    read: Callable[[Any], float | None]
    layers: Callable[[Any], dict[str, int]] | None = None
    missing: str = "not recorded"
    by_chance: float = 0.0

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


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "accuracy",
            "share",
            "share",
            1,
            "paired",
            "accuracy",
            lambda accuracy: accuracy.value,
            by_chance=0.02,
        ),
        Metric(
            "parameters",
            "parameters",
            "1",
            "parameters",
            -1,
            "event",
            "model",
            lambda model: model.parameters,
        ),
        Metric(
            "firing_rate",
            "firing rate",
            "1",
            "spikes per neuron and step",
            -1,
            "derived",
            "spikes",
            lambda spikes: spikes.mean_firing_rate,
            missing="there are no spiking neurons",
        ),
        Metric(
            "spikes",
            "spikes",
            "1",
            "spikes per inference",
            -1,
            "exact",
            "spikes",
            lambda spikes: sum(layer.spikes for layer in spikes.layers) / spikes.samples,
            _by_layer("spikes"),
            by_chance=0.25,
        ),
        Metric(
            "dense",
            "dense operations",
            "1",
            "pairs per inference",
            -1,
            "event",
            "synops",
            _total("dense"),
            _by_layer("dense"),
        ),
        Metric(
            "ac", "AC", "1", "AC per inference", -1, "exact", "synops", _total("ac"), _by_layer("ac"), by_chance=0.25
        ),
        Metric(
            "mac",
            "MAC",
            "1",
            "MAC per inference",
            -1,
            "exact",
            "synops",
            _total("mac"),
            _by_layer("mac"),
            by_chance=0.25,
        ),
        Metric(
            "operations",
            "AC + MAC",
            "1",
            "AC and MAC per inference",
            -1,
            "derived",
            "synops",
            lambda synops: (synops.total.ac + synops.total.mac) / synops.samples,
        ),
        Metric(
            "neuron_updates",
            "neuron updates",
            "1",
            "updates per inference",
            -1,
            "event",
            "neuron_ops",
            lambda ops: ops.updates / ops.samples,
            _by_layer("updates"),
        ),
        Metric(
            "energy",
            "estimated energy",
            "J",
            "J per inference, estimated",
            -1,
            "derived",
            "energy",
            lambda energy: energy.models[0].joules if energy.models else None,
            missing="no energy model was asked for",
        ),
        Metric(
            "quantisation_error",
            "quantisation error",
            "1",
            "mean squared error of a spike for its membrane",
            -1,
            "shown",
            "information",
            _mean("quantisation_error", "elements"),
            missing="there are no spiking neurons",
        ),
        Metric(
            "reset_loss",
            "reset loss",
            "1",
            "mean error of a reset per spike",
            -1,
            "shown",
            "information",
            _mean("reset_loss", "fired"),
            missing="no neuron fired",
        ),
        Metric("latency", "latency", "s", "s", -1, "timed", "latency", lambda latency: latency.median),
        Metric(
            "joules",
            "measured energy",
            "J",
            "J per inference, measured",
            -1,
            "shown",
            "power",
            lambda power: power.joules_per_inference,
        ),
        Metric("peak_bytes", "peak memory", "B", "bytes", -1, "shown", "memory", lambda memory: memory.peak_bytes),
    )
}


def metric_of(name: str) -> Metric | None:
    """The quantity that a finding is about: of "latency/neurons" and "energy/MODEL" that of the whole."""
    return METRICS.get(name.partition("/")[0])
