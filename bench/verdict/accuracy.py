"""Compare accuracy: paired sample by sample where both runs saw the same samples, else as two proportions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inflor_bench.metrics import Metric
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.verdict.findings import Finding, Pair, Verdict
from inflor_bench.verdict.statistics import (
    PairedChange,
    mcnemar,
    paired_interval,
    two_proportions,
    unpaired_interval,
)

ALPHA = 0.005
# A change whose interval stays within one point either way is none; where the interval is wider, one cannot tell.
MARGIN = 0.01


@dataclass(frozen=True)
class Difference:
    """An accuracy minus that of the base, a share, with its 95 % interval and p-value.

    `change` is that of the same samples, by McNemar's test; None where the samples are others, and the test Fisher's.
    """

    value: float
    interval: tuple[float, float]
    p_value: float
    change: PairedChange | None


def difference_of(base: Accuracy, head: Accuracy, *, same_data: bool) -> Difference:
    """Return how the accuracy of the head differs: paired by sample where the data and their number are the same."""
    value = head.value - base.value
    if same_data and base.n == head.n:
        change = mcnemar(base.unpack(), head.unpack())
        return Difference(value, paired_interval(change), change.p_value, change)
    sides = (base.correct, base.n), (head.correct, head.n)
    return Difference(value, unpaired_interval(*sides), two_proportions(*sides), None)


def compare_accuracy(pair: Pair, metric: Metric, base: Accuracy, head: Accuracy) -> Finding:
    """Return the finding on accuracy. Its verdict stands only after `decide` has seen the other cells' p-values."""
    if pair.same_data is False:
        reason = "measured on different data"
        return pair.finding(metric.name, "not_comparable", reason, base=base.value, head=head.value)
    retrained = "; retrained" if pair.retrained else ""
    values: dict[str, Any] = {"base": base.value, "head": head.value, "change": head.value - base.value}
    if pair.same_data and base.n == head.n and base.bits == head.bits:
        # Nothing is left to chance here, so this is no test: it must not dilute the tests of the other cells.
        return pair.finding(metric.name, "same", f"the same predictions{retrained}", **values)
    found = difference_of(base, head, same_data=bool(pair.same_data))
    words = f"unpaired, Fisher p = {found.p_value:.2g}"
    if found.change is not None:
        words = f"McNemar p = {found.p_value:.2g}; {found.change.gained} gained, {found.change.lost} lost"
    reason = f"{points(found.value)} ({words}){retrained}"
    values |= {"p_value": found.p_value, "interval": found.interval}
    return pair.finding(metric.name, "same", reason, **values, floor=metric.by_chance if pair.retrained else None)


def compare_card(cell: str, record: Record) -> Finding | None:
    """Return the finding where the weights' card says another accuracy than was measured; None where it agrees.

    It takes no base. A few samples are what rounding does on another processor; beyond chance something is broken.
    """
    weights, accuracy = record.provenance.weights, record.accuracy
    if weights is None or weights.card_accuracy is None or isinstance(accuracy, Absent):
        return None
    told = round(weights.card_accuracy * accuracy.n)
    if told == accuracy.correct or record.model.form != "training":
        return None
    p_value = two_proportions((told, accuracy.n), (accuracy.correct, accuracy.n))
    difference = (accuracy.correct - told) / accuracy.n
    verdict: Verdict = "regressed" if p_value < ALPHA and difference < 0 else "changed"
    reason = f"{points(difference)} from what the card of the weights says (unpaired, Fisher p = {p_value:.2g})"
    return Finding(cell, "card", None, verdict, reason, told / accuracy.n, accuracy.value, difference, p_value)


def accuracy_verdict(finding: Finding, tests: int) -> tuple[Verdict, str]:
    """Return the verdict on an accuracy whose p-value was adjusted among `tests`, and what its reason has to add."""
    change, adjusted, floor = finding.change or 0.0, finding.p_adjusted or 0.0, finding.floor or 0.0
    low, high = finding.interval or (change, change)
    if adjusted < ALPHA and abs(change) > floor:
        return ("regressed" if change < 0 else "improved"), ""
    if max(-low, high) <= MARGIN:
        return "same", ""
    if adjusted < ALPHA:
        return "changed", f", which by chance moves it by up to {100 * floor:.2g} points"
    among = f", p = {adjusted:.2g} among {tests} tests of accuracy" if tests > 1 else ""
    return "too_noisy", f"; it may be chance{among}; {points(low)} to {points(high)} is possible"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, for a sentence."""
    return f"{100 * difference:+.2f} points"
