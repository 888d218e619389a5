"""From two runs to a verdict that people and machines read: tables, findings, annotations, the summary of a step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.suites.results import print_results, results
from bench.suites.terminal import output
from bench.track.accepted import read_accepted
from bench.track.budgets import Budget, check_budgets
from bench.track.compare import Comparison, Finding, compare
from bench.track.git import ancestry
from bench.track.outputs import workflow_commands
from bench.track.records import Git
from bench.track.render import print_findings, render_terminal
from bench.track.runs import Run
from bench.track.timing import Interleaved


@dataclass(frozen=True)
class Rules:
    """What a comparison is judged by, and which file an annotation points to: the suite's, where it is a file."""

    accepted: Path | None = None
    budgets: Sequence[Budget] = ()
    only: str | None = None
    suite: str | None = None


def judge(base: Run, head: Run, rules: Rules, interleaved: Mapping[str, Interleaved] | None = None) -> Comparison:
    """Compare two runs and print the head's results and the findings; in a job of GitHub also as annotations."""
    known = [ancestry(Path.cwd(), side.git.sha) if isinstance(side.git, Git) else None for side in (base, head)]
    comparison = compare(
        base,
        head,
        budgets=rules.budgets,
        accepted=read_accepted(rules.accepted) if rules.accepted else (),
        interleaved=interleaved,
        ancestries=(known[0], known[1]),
        only=rules.only,
    )
    print_results(results(head, comparison), output())
    render_terminal(comparison, output())
    _annotate(comparison.findings, rules)
    return comparison


def judge_alone(head: Run, rules: Rules) -> int:
    """Check the budgets of a run that has no base, print its results and the findings, and return the exit code."""
    findings = sorted(check_budgets(head.cells, None, rules.budgets), key=lambda finding: finding.rank)
    print_results(results(head), output())
    print_findings(findings, output())
    _annotate(findings, rules)
    return 1 if any(finding.verdict == "regressed" for finding in findings) else 0


def summarise(markdown: str) -> None:
    """Add to the summary of a step of GitHub, where this is one."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown)


def _annotate(findings: Sequence[Finding], rules: Rules) -> None:
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    file = rules.suite if rules.suite and Path(rules.suite).is_file() else None
    for line in workflow_commands(findings, file):
        typer.echo(line)
