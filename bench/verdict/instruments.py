"""Compare what an instrument reads: latency, power, memory. Only on one machine, and only pairs in one job can gate.

Two separate jobs on the same machine differ by several percent for no reason of the code, so their ratio is shown with
its interval, and the verdict is "not comparable": neither pass nor fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from inflor_bench.metrics import Metric
from inflor_bench.verdict.findings import Finding, Pair, Verdict, percent, relative
from inflor_bench.verdict.statistics import ratio_of_medians
from inflor_bench.verdict.timed_pairs import ALPHA, ASKED, Pairs, change_of, most_moved

SEPARATE = "separate jobs, so no verdict"
# What must be the same beside the machine, by section, and how to call it.
_CONDITIONS = {
    "latency": (("batch_size",), "measured with batches of {0} and {1}"),
    "power": (("meter",), "read by different meters ({0}, {1})"),
    "memory": (("kind", "batch_size"), "read in different ways or batches ({0}, {1})"),
}


@dataclass(frozen=True)
class Interleaved:
    """What interleaved pairs measured of one cell.

    `pairs` and `floors` are by metric: "latency" and parts of it such as "latency/neurons". `layers` are, by part, the
    layers' names with the seconds of one forward pass at base and head. `failed` says why there are no pairs, `stopped`
    why there are no more, or none, although it was not decided: the machine is too busy.
    """

    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Sequence[tuple[str, float, float]]] = field(default_factory=dict)
    failed: str | None = None
    stopped: str | None = None


def compare_reading(
    pair: Pair, metric: Metric, base: Any, head: Any, interleaved: Interleaved | None = None
) -> list[Finding]:
    """Return the findings on what an instrument read: those of pairs can gate, separate runs never do."""
    found = compare_pairs(pair, metric, interleaved)
    whole = any(finding.metric == metric.name for finding in found)
    return found if whole else [*found, _of_runs(pair, metric, base, head)]


def compare_pairs(pair: Pair, metric: Metric, interleaved: Interleaved | None) -> list[Finding]:
    """Return the findings on what interleaved pairs measured; they stand whether the runs were timed or not."""
    if metric.judged != "timed" or interleaved is None:
        return []
    if interleaved.failed is not None:
        verdict: Verdict = "too_noisy" if interleaved.stopped else "not_comparable"
        return [pair.finding(metric.name, verdict, interleaved.failed)]
    mine = [name for name in interleaved.pairs if name.partition("/")[0] == metric.name]
    return [_of_pairs(pair, name, interleaved) for name in mine]


def _of_pairs(pair: Pair, metric: str, interleaved: Interleaved) -> Finding:
    """Return the finding on what pairs measured; `verdict.significance` gives its verdict, with the other pairs."""
    pairs, floor = interleaved.pairs[metric], interleaved.floors[metric]
    change = change_of(pairs)
    low, high = (end - 1 for end in change.interval)
    reason = (
        f"{percent(change.ratio - 1)} ({percent(low)} to {percent(high)}) in {len(pairs)} interleaved pairs, "
        f"signed-rank p = {change.p_value:.2g}, floor {100 * floor:.2g} %"
    )
    base, head = pairs.medians()
    layer = most_moved(interleaved.layers.get(metric, ()))
    if layer and change.exceeds(floor):
        reason += f"; most in {layer[0]}: {percent(relative(layer[1], layer[2]))}"
    if interleaved.stopped:
        reason += f"; {interleaved.stopped}"
    return pair.finding(
        metric,
        "same",
        reason,
        layer=layer[0] if layer and change.exceeds(floor) else None,
        base=median(base),
        head=median(head),
        change=change.ratio - 1,
        p_value=change.p_value,
        interval=(low, high),
        floor=floor,
    )


def interleaved_verdict(finding: Finding, tests: int) -> tuple[Verdict, str]:
    """Return the verdict on a reading of pairs whose p-value was adjusted among `tests`, and what to add to its reason.

    More time and more energy are worse.
    """
    change, adjusted, floor = finding.change or 0.0, finding.p_adjusted or 0.0, finding.floor or 0.0
    low, high = finding.interval or (change, change)
    if abs(change) > floor and adjusted < ALPHA:
        return ("regressed" if change > 0 else "improved"), ""
    if max(-low, high) <= min(floor, ASKED):
        return "same", ""
    if adjusted < ALPHA:
        return "same", "; less than the floor, so it does not count"
    among = f", p = {adjusted:.2g} among {tests} tests" if tests > 1 else ""
    return "too_noisy", f"; it may be chance{among}"


def _elsewhere(pair: Pair) -> str:
    base, head = pair.provenances
    if base.device != head.device:
        return f"measured on {base.device} and on {head.device}"
    if base.machine.fingerprint != head.machine.fingerprint:
        return f"measured on different machines ({base.machine.fingerprint}, {head.machine.fingerprint})"
    return f"measured with {base.threads} and {head.threads} threads"


def _of_runs(pair: Pair, metric: Metric, base: Any, head: Any) -> Finding:
    """Show what two separate runs read."""
    old, new = metric.read(base), metric.read(head)
    values: dict[str, Any] = {"base": old, "head": new}
    if not pair.same_machine:
        return pair.finding(metric.name, "not_comparable", _elsewhere(pair), **values)
    names, words = _CONDITIONS[metric.section]
    conditions = [" ".join(str(getattr(side, name)) for name in names) for side in (base, head)]
    if conditions[0] != conditions[1]:
        return pair.finding(metric.name, "not_comparable", words.format(*conditions), **values)
    if metric.judged == "timed":
        return _timed(pair, metric, base.doubt or head.doubt, values)
    if old == new:
        return pair.finding(metric.name, "same", "the same", **values, change=0.0)
    change = None if old is None or new is None else relative(old, new)
    return pair.finding(metric.name, "not_comparable", f"{percent(change)}, {SEPARATE}", **values, change=change)


def _timed(pair: Pair, metric: Metric, doubt: str, values: dict[str, Any]) -> Finding:
    if doubt:
        reason = {
            "disturbed": "other processes took the processors meanwhile",
            "not steady": "the machine was not steady after the warm-up",
        }[doubt]
        return pair.finding(metric.name, "too_noisy", reason, **values)
    if values["base"] <= 0 or not pair.base.rounds or not pair.head.rounds:
        return pair.finding(metric.name, "not_comparable", "the raw rounds are not there", **values)
    ratio, (low, high) = ratio_of_medians(pair.base.rounds, pair.head.rounds)
    return pair.finding(
        metric.name,
        "not_comparable",
        f"{percent(ratio - 1)} ({percent(low - 1)} to {percent(high - 1)}), {SEPARATE}; `inflor-bench ab` decides",
        **values,
        change=ratio - 1,
        interval=(low - 1, high - 1),
    )
