"""The command `inflor-bench export`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(str, Enum):
    """A program that keeps series of its own."""

    SMALLER = "github-action-benchmark"
    BIGGER = "github-action-benchmark-bigger"
    BENCHER = "bencher"


def export(
    run: Annotated[Path, typer.Argument(help="Run file.")],
    kind: Annotated[
        Format, typer.Option("--format", help="customSmallerIsBetter, customBiggerIsBetter, or Bencher Metric Format.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write; by default it is printed.")] = None,
) -> None:
    """Give a run to a program that keeps series of its own. pytest-benchmark reads a run file as it is."""
    from inflor_bench.files import write_json
    from inflor_bench.record.run_file import read_run
    from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark

    read = read_run(run)
    document: Any
    if kind is Format.BENCHER:
        document = bencher_metric_format(read)
    else:
        document = github_action_benchmark(read, smaller_is_better=kind is Format.SMALLER)
    if out is None:
        typer.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        write_json(out, document)
        typer.echo(str(out))
