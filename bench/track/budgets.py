"""Budgets: limits that a suite sets on a metric, whatever the base was.

    [[budgets]]
    cell = "fashion-mnist/*"        # a glob over cells
    accuracy = ">= 0.90"
    ac = "<= 2e6"                   # accumulates an inference
    ac_ratio = "<= 1.05"            # head over base
    latency_ratio = "<= 1.10"       # as interleaved pairs measure it: `inflor-bench ab`

`metric_value` names the metrics. A `_ratio` is that of head to base; where there is no base it cannot be checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from bench.track.errors import TrackInputError
from bench.track.findings import Finding, Pair
from bench.track.records import Absent, Record
from bench.track.runs import CellResult, Run

# Ratios of these are evidence only where base and head ran interleaved: by the metric that the pairs have.
_INTERLEAVED = {"latency": "latency", "joules": "joules_per_inference"}
METRICS = (
    "accuracy",
    "parameters",
    "firing_rate",
    "spikes",
    "ac",
    "mac",
    "dense",
    "neuron_updates",
    "energy",
    *_INTERLEAVED,
    "peak_bytes",
)
_LIMIT = re.compile(r"\s*(<=|>=)\s*(\S+)\s*")


@dataclass(frozen=True)
class Budget:
    """One limit on one metric of the cells that the glob covers."""

    cell: str
    metric: str
    relation: Literal["<=", ">="]
    limit: float

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.limit:g}"


def parse_budgets(path: Path, entries: Any) -> tuple[Budget, ...]:
    """Parse the `budgets` of a suite; `path` is the suite's file, for the error.

    Raises:
        TrackInputError: A metric is unknown, or a limit is not "<= number" or ">= number".
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TrackInputError(f"{path}: key budgets is not a list of tables; write it as [[budgets]].")
    budgets = []
    for index, entry in enumerate(entries):
        cell = entry.get("cell", "*")
        if not isinstance(cell, str):
            raise TrackInputError(f"{path}: key budgets[{index}].cell is no text; give a glob over cells.")
        budgets += [_parse(path, index, cell, metric, limit) for metric, limit in entry.items() if metric != "cell"]
    return tuple(budgets)


def _parse(path: Path, index: int, cell: str, metric: str, limit: Any) -> Budget:
    ratio = metric.endswith("_ratio")
    name = metric.removesuffix("_ratio")
    if name not in METRICS or (ratio and name == "peak_bytes"):
        known = ", ".join(METRICS)
        raise TrackInputError(
            f"{path}: key budgets[{index}].{metric} is unknown; use one of {known}, or one but peak_bytes with _ratio."
        )
    match = _LIMIT.fullmatch(limit) if isinstance(limit, str) else None
    try:
        number = float(match[2]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not math.isfinite(number):
        raise TrackInputError(f'{path}: key budgets[{index}].{metric} is no limit; write "<= number" or ">= number".')
    return Budget(cell, metric, "<=" if match[1] == "<=" else ">=", number)


def metric_value(record: Record, metric: str) -> float | Absent:
    """Return one metric of a record: shares, counts an inference, J an inference, s, or bytes; or why it is not there.

    `energy` is the first estimate, `joules` the measured energy of an inference, `latency` the median.
    """
    if metric == "parameters":
        parameters = record.model.parameters
        return Absent(status="unavailable", reason="not recorded") if parameters is None else float(parameters)
    section = getattr(record, _SECTION[metric])
    if isinstance(section, Absent):
        return section
    if metric == "energy" and not section.models:
        return Absent(status="unavailable", reason="no energy model was asked for")
    if metric == "firing_rate" and section.mean_firing_rate is None:
        return Absent(status="unavailable", reason="there are no spiking neurons")
    return float(_READ[metric](section))


_SECTION = {
    "accuracy": "accuracy",
    "firing_rate": "spikes",
    "spikes": "spikes",
    "ac": "synops",
    "mac": "synops",
    "dense": "synops",
    "neuron_updates": "neuron_ops",
    "energy": "energy",
    "latency": "latency",
    "joules": "power",
    "peak_bytes": "memory",
}
_READ: dict[str, Any] = {
    "accuracy": lambda section: section.value,
    "firing_rate": lambda section: section.mean_firing_rate,
    "spikes": lambda section: sum(layer.spikes for layer in section.layers) / section.samples,
    "ac": lambda section: section.total.ac / section.samples,
    "mac": lambda section: section.total.mac / section.samples,
    "dense": lambda section: section.total.dense / section.samples,
    "neuron_updates": lambda section: section.updates / section.samples,
    "energy": lambda section: section.models[0].joules,
    "latency": lambda section: section.median,
    "joules": lambda section: section.joules_per_inference,
    "peak_bytes": lambda section: section.peak_bytes,
}


def check_budgets(
    head: Mapping[str, CellResult], base: Run | None, budgets: Sequence[Budget], findings: Iterable[Finding] = ()
) -> Iterator[Finding]:
    """Yield one finding a budget and cell: regressed where it is broken, not comparable where nothing was read.

    `findings` are those of the comparison with the base: a ratio of times is that of its interleaved pairs.
    """
    timed = {(finding.cell, finding.metric): finding for finding in findings if finding.floor is not None}
    before = base.cells if base else {}
    for budget in budgets:
        for name, cell in head.items():
            if fnmatchcase(name, budget.cell):
                pair = Pair(name, before.get(name, cell), cell)
                metric = _INTERLEAVED.get(budget.metric.removesuffix("_ratio"))
                if metric and budget.metric.endswith("_ratio"):
                    yield _check_pairs(budget, pair, timed.get((name, metric)))
                else:
                    yield _check(budget, pair, name in before)


def _check_pairs(budget: Budget, pair: Pair, finding: Finding | None) -> Finding:
    metric = f"budget/{budget.metric}"
    if finding is None or finding.change is None or finding.interval is None:
        reason = f"{budget} cannot be checked without interleaved pairs: run `inflor-bench ab`"
        return pair.finding(metric, "not_comparable", reason)
    ratio, (low, high) = 1 + finding.change, (1 + end for end in finding.interval)
    values = {"base": budget.limit, "head": ratio}
    if _kept(budget, ratio):
        return pair.finding(metric, "same", f"{budget} is kept: {ratio:.4g}", **values)
    words = f"{ratio:.4g} ({low:.4g} to {high:.4g})"
    if _kept(budget, low) or _kept(budget, high):
        return pair.finding(metric, "too_noisy", f"{budget} may be broken: {words}", **values)
    return pair.finding(metric, "regressed", f"{budget} is broken: {words}", **values)


def _check(budget: Budget, pair: Pair, has_base: bool) -> Finding:
    name = budget.metric.removesuffix("_ratio")
    metric = f"budget/{budget.metric}"
    value = metric_value(pair.head.record, name)
    if isinstance(value, Absent):
        return pair.finding(metric, "not_comparable", f"{budget} cannot be checked: {value.reason}")
    if budget.metric.endswith("_ratio"):
        old = metric_value(pair.base.record, name) if has_base else 0.0
        if isinstance(old, Absent) or not old:
            return pair.finding(metric, "not_comparable", f"{budget} cannot be checked: the base has no such value")
        value /= old
    kept = _kept(budget, value)
    reason = f"{budget} is {'kept' if kept else 'broken'}: {value:.6g}"
    return pair.finding(metric, "same" if kept else "regressed", reason, base=budget.limit, head=value)


def _kept(budget: Budget, value: float) -> bool:
    return value <= budget.limit if budget.relation == "<=" else value >= budget.limit
