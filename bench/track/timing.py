"""Compare what an instrument reads: latency, power, memory. Only on one machine, and only pairs in one job can gate.

Two separate jobs on the same machine differ by several percent for no reason of the code, so their ratio is shown with
its interval, and the verdict is "not comparable": neither pass nor fail.
"""

from __future__ import annotations

from bench.track.findings import Finding, Pair, percent, relative
from bench.track.records import Latency, Memory, Power
from bench.track.statistics import ratio_of_medians

SEPARATE = "separate jobs, so no verdict"


def compare_instruments(pair: Pair) -> list[Finding]:
    """Return the findings on latency, measured energy and memory of two separate runs; none of them gates."""
    return [_latency(pair), _power(pair), _memory(pair)]


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
