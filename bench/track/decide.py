"""The verdicts that rest on a test: all p-values of a run are adjusted together, by Benjamini and Hochberg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.track.accuracy import accuracy_verdict
from bench.track.findings import Finding
from bench.track.statistics import benjamini_hochberg
from bench.track.timing import interleaved_verdict


def decide(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give the verdict on every finding with a p-value; the others pass as they are."""
    findings = list(findings)
    p_values = [finding.p_value for finding in findings if finding.p_value is not None]
    adjusted = iter(benjamini_hochberg(p_values))
    for finding in findings:
        if finding.p_value is None:
            yield finding
            continue
        finding = replace(finding, p_adjusted=next(adjusted))
        judge = accuracy_verdict if finding.metric == "accuracy" else interleaved_verdict
        verdict, more = judge(finding, len(p_values))
        yield replace(finding, verdict=verdict, reason=finding.reason + more)
