"""Counts of networks that were trained anew with several seeds: a paired test over the seeds.

One seed moves by chance as far as `Metric.by_chance`. Where base and head both have three or more seeds of a cell, what
they have in common is told apart from that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from inflor_bench.metrics import METRICS
from inflor_bench.verdict.counts import ROUNDING
from inflor_bench.verdict.findings import Finding, Pair, Verdict, percent
from inflor_bench.verdict.statistics import paired_t

FEWEST = 3
ALPHA = 0.002


def compare_seeds(pairs: Iterable[Pair], findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one finding a count and group of seeds, such as `digits/resnet8/soft/T4/s*`; `decide` gives its verdict."""
    groups: dict[str, list[str]] = {}
    for pair in pairs:
        stem, slash, seed = pair.cell.rpartition("/s")
        if pair.retrained and slash and seed.isdecimal():
            groups.setdefault(f"{stem}/s*", []).append(pair.cell)
    exact = [name for name, metric in METRICS.items() if metric.judged == "exact"]
    moved = {(it.cell, it.metric): it.change for it in findings if it.verdict != "not_comparable"}
    for group, cells in groups.items():
        for metric in exact:
            changes = [moved.get((cell, metric)) for cell in cells]
            logs = [math.log1p(change) for change in changes if change is not None and change > -1]
            if len(logs) >= FEWEST and any(logs):
                mean, p_value, (low, high) = paired_t(logs)
                change = math.expm1(mean)
                interval = math.expm1(low), math.expm1(high)
                reason = (
                    f"{percent(change)} ({percent(interval[0])} to {percent(interval[1])}) over {len(logs)} retrained "
                    f"seeds, paired t p = {p_value:.2g}"
                )
                yield Finding(group, metric, None, "same", reason, change=change, p_value=p_value, interval=interval)


def seeds_verdict(finding: Finding, tests: int) -> tuple[Verdict, str]:
    """Return the verdict on seeds whose p-value was adjusted among `tests`, and what its reason has to add."""
    change, adjusted = finding.change or 0.0, finding.p_adjusted or 0.0
    if abs(change) < ROUNDING:
        return "same", "; no more than rounding does"
    if adjusted < ALPHA:
        return ("regressed" if change > 0 else "improved"), ""
    among = f", p = {adjusted:.2g} among {tests} tests of seeds" if tests > 1 else ""
    return "too_noisy", f"; it may be chance{among}"
