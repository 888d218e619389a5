"""From two runs to a verdict that people and machines read: tables, findings, annotations, the summary of a step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from inflor_bench.record.run_file import Run
from inflor_bench.run.results import print_results, results
from inflor_bench.terminal import standard_output
from inflor_bench.verdict.accepted import read_accepted
from inflor_bench.verdict.compare import Comparison, Finding, judge_in
from inflor_bench.verdict.export import workflow_commands
from inflor_bench.verdict.instruments import Interleaved
from inflor_bench.verdict.render import render_terminal


def judge_here(
    base: Run | None,
    head: Run,
    accepted: Path | None = None,
    *,
    interleaved: Mapping[str, Interleaved] | None = None,
    suite: str | None = None,
) -> Comparison:
    """Judge a run by what the repository here knows of it and its base, and print the verdicts, worst first.

    In a job of GitHub they are also annotations, at the suite's file where it is one.
    """
    entries = read_accepted(accepted) if accepted else ()
    comparison = judge_in(Path.cwd(), base, head, entries, interleaved)
    print_results(results(head, comparison if base else None), standard_output())
    render_terminal(comparison, standard_output())
    _annotate(comparison.findings, suite)
    return comparison


def summarise(markdown: str) -> None:
    """Add to the summary of a step of GitHub, where this is one."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown)


def _annotate(findings: Sequence[Finding], suite: str | None) -> None:
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for line in workflow_commands(findings, suite if suite and Path(suite).is_file() else None):
        typer.echo(line)
