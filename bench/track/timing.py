"""Compare what an instrument reads: latency, power, memory. Only on one machine, and only pairs in one job can gate.

Two separate jobs on the same machine differ by several percent for no reason of the code, so their ratio is shown with
its interval, and the verdict is "not comparable": neither pass nor fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.track.findings import Finding, Pair, Verdict, percent, relative
from bench.track.gate import ALPHA, ASKED, Pairs, change_of, most_moved
from bench.track.records import Latency, Memory, Power
from bench.track.statistics import ratio_of_medians

SEPARATE = "separate jobs, so no verdict"


@dataclass(frozen=True)
class Interleaved:
    """What interleaved pairs measured of one cell.

    `pairs` and `floors` are by metric: "latency", parts of it such as "latency/neurons", and "joules_per_inference".
    `layers` are, by part, the layers' names with the seconds of one forward pass at base and head. `failed` says why
    there are no pairs, `stopped` why there are no more although it was not decided.
    """

    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Sequence[tuple[str, float, float]]] = field(default_factory=dict)
    failed: str | None = None
    stopped: str | None = None


def compare_instruments(pair: Pair, interleaved: Interleaved | None = None) -> list[Finding]:
    """Return the findings on latency, measured energy and memory: those of pairs can gate, separate runs never do."""
    findings = [_latency(pair), _power(pair), _memory(pair)]
    if interleaved is None:
        return findings
    if interleaved.failed is not None:
        return [pair.finding("latency", "not_comparable", interleaved.failed), *findings[1:]]
    judged = [_of_pairs(pair, metric, interleaved) for metric in interleaved.pairs]
    return judged + [finding for finding in findings if finding.metric not in interleaved.pairs]


def _of_pairs(pair: Pair, metric: str, interleaved: Interleaved) -> Finding:
    """Return the finding on what pairs measured; `bench.track.decide` gives its verdict, with the run's other tests."""
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


def _latency(pair: Pair) -> Finding:
    sections = pair.sections("latency", Latency, "latency", gates=False)
    if isinstance(sections, Finding):
        return sections
    base, head = sections
    values = {"base": base.median, "head": head.median}
    if not pair.same_machine:
        return pair.finding("latency", "not_comparable", _elsewhere(pair), **values)
    if base.batch_size != head.batch_size:
        reason = f"measured with batches of {base.batch_size} and {head.batch_size}"
        return pair.finding("latency", "not_comparable", reason, **values)
    if not base.steady or not head.steady:
        return pair.finding("latency", "too_noisy", "the machine was not steady after the warm-up", **values)
    if base.median <= 0 or not pair.base.rounds or not pair.head.rounds:
        return pair.finding("latency", "not_comparable", "the raw rounds are not there", **values)
    ratio, (low, high) = ratio_of_medians(pair.base.rounds, pair.head.rounds)
    return pair.finding(
        "latency",
        "not_comparable",
        f"{percent(ratio - 1)} ({percent(low - 1)} to {percent(high - 1)}), {SEPARATE}; `inflor-bench ab` decides",
        **values,
        change=ratio - 1,
        interval=(low - 1, high - 1),
    )


def _power(pair: Pair) -> Finding:
    sections = pair.sections("power", Power, "joules_per_inference", gates=False)
    if isinstance(sections, Finding):
        return sections
    base, head = sections
    values = {"base": base.joules_per_inference, "head": head.joules_per_inference}
    if not pair.same_machine:
        return pair.finding("joules_per_inference", "not_comparable", _elsewhere(pair), **values)
    if base.meter != head.meter:
        reason = f"read by different meters ({base.meter}, {head.meter})"
        return pair.finding("joules_per_inference", "not_comparable", reason, **values)
    change = relative(base.joules_per_inference, head.joules_per_inference)
    reason = f"{percent(change)}, {SEPARATE}"
    return pair.finding("joules_per_inference", "not_comparable", reason, **values, change=change)


def _memory(pair: Pair) -> Finding:
    sections = pair.sections("memory", Memory, "peak_bytes", gates=False)
    if isinstance(sections, Finding):
        return sections
    base, head = sections
    values = {"base": base.peak_bytes, "head": head.peak_bytes}
    if not pair.same_machine:
        return pair.finding("peak_bytes", "not_comparable", _elsewhere(pair), **values)
    if (base.kind, base.batch_size) != (head.kind, head.batch_size):
        return pair.finding("peak_bytes", "not_comparable", "read in different ways or batches", **values)
    change = relative(base.peak_bytes, head.peak_bytes)
    same = base.peak_bytes == head.peak_bytes
    reason = "the same" if same else f"{percent(change)}, {SEPARATE}"
    return pair.finding("peak_bytes", "same" if same else "not_comparable", reason, **values, change=change)
