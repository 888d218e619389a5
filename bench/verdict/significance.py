"""The verdicts that rest on a test. Each kind of test is adjusted on its own, by Benjamini and Hochberg.

So many timings of a run never hide a loss of accuracy, and none of the kinds alarms more often for having more cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from inflor_bench.metrics import Judged, metric_of
from inflor_bench.verdict.accuracy import accuracy_verdict
from inflor_bench.verdict.findings import Finding
from inflor_bench.verdict.instruments import interleaved_verdict
from inflor_bench.verdict.seeds import seeds_verdict
from inflor_bench.verdict.statistics import benjamini_hochberg

_VERDICTS = {"paired": accuracy_verdict, "timed": interleaved_verdict, "exact": seeds_verdict}


def decide(findings: Iterable[Finding]) -> list[Finding]:
    """Give the verdict on every finding with a p-value; the others pass as they are."""
    decided = list(findings)
    for kind, verdict_of in _VERDICTS.items():
        tested = [index for index, finding in enumerate(decided) if _kind(finding) == kind]
        p_values = [decided[index].p_value or 0.0 for index in tested]
        for index, adjusted in zip(tested, benjamini_hochberg(p_values), strict=True):
            finding = replace(decided[index], p_adjusted=adjusted)
            verdict, more = verdict_of(finding, len(tested))
            decided[index] = replace(finding, verdict=verdict, reason=finding.reason + more)
    return decided


def _kind(finding: Finding) -> Judged | None:
    """By which kind of test a finding is decided, None if by none."""
    metric = metric_of(finding.metric)
    return metric.judged if metric is not None and finding.p_value is not None else None
