"""Compare accuracy: paired sample by sample where both runs saw the same samples, else as two proportions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.track.findings import Finding, Pair, Verdict
from bench.track.records import Accuracy
from bench.track.statistics import (
    benjamini_hochberg,
    mcnemar,
    paired_interval,
    two_proportions,
    unpaired_interval,
)

ALPHA = 0.05
# A change whose interval stays within one point either way is none; where the interval is wider, one cannot tell.
MARGIN = 0.01


def compare_accuracy(pair: Pair) -> Finding:
    """Return the finding on accuracy. Its verdict stands only after `decide` has seen all p-values of the run."""
    sections = pair.sections("accuracy", Accuracy, gates=True)
    if isinstance(sections, Finding):
        return sections
    base, head = sections
    if pair.same_data is False:
        reason = "measured on different data"
        return pair.finding("accuracy", "not_comparable", reason, base=base.value, head=head.value)
    difference = head.value - base.value
    retrained = "; retrained" if pair.retrained else ""
    values = {"base": base.value, "head": head.value, "change": difference}
    if pair.same_data and base.n == head.n:
        if base.bits == head.bits:
            # Nothing is left to chance here, so this is no test: it must not dilute the tests of the other cells.
            return pair.finding("accuracy", "same", f"the same predictions{retrained}", **values)
        change = mcnemar(base.unpack(), head.unpack())
        p_value, interval = change.p_value, paired_interval(change)
        words = f"McNemar p = {p_value:.2g}; {change.gained} gained, {change.lost} lost"
    else:
        sides = (base.correct, base.n), (head.correct, head.n)
        p_value, interval = two_proportions(*sides), unpaired_interval(*sides)
        words = f"unpaired, Fisher p = {p_value:.2g}"
    reason = f"{points(difference)} ({words}){retrained}"
    return pair.finding("accuracy", "same", reason, **values, p_value=p_value, interval=interval)


def decide(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give the verdict on every accuracy with a p-value, at a false discovery rate of 5 % over the run."""
    findings = list(findings)
    p_values = [finding.p_value for finding in findings if finding.p_value is not None]
    adjusted = iter(benjamini_hochberg(p_values))
    for finding in findings:
        yield finding if finding.p_value is None else _verdict(finding, next(adjusted), len(p_values))


def _verdict(finding: Finding, adjusted: float, tests: int) -> Finding:
    change = finding.change or 0.0
    low, high = finding.interval or (change, change)
    reason = finding.reason
    verdict: Verdict
    if adjusted < ALPHA:
        verdict = "regressed" if change < 0 else "improved"
    elif max(-low, high) <= MARGIN:
        verdict = "same"
    else:
        verdict = "too_noisy"
        among = f", p = {adjusted:.2g} among {tests} tests" if tests > 1 else ""
        reason += f"; it may be chance{among}; {points(low)} to {points(high)} is possible"
    return replace(finding, verdict=verdict, reason=reason, p_adjusted=adjusted)


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, for a sentence."""
    return f"{100 * difference:+.2f} points"
