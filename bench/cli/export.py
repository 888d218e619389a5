"""The command `inflor-bench export`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inflor_bench.errors import TrackInputError

if TYPE_CHECKING:
    from inflor_bench.record.run_file import Run


class Format(str, Enum):
    """A table of every value, or a program that keeps series of its own."""

    CSV = "csv"
    PARQUET = "parquet"
    SMALLER = "github-action-benchmark"
    BIGGER = "github-action-benchmark-bigger"
    BENCHER = "bencher"
    MLFLOW = "mlflow"
    WANDB = "wandb"


def export(
    run: Annotated[Path, typer.Argument(help="Run file.")],
    kind: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Every value as a table, a row a cell, quantity and layer; or customSmallerIsBetter, "
            "customBiggerIsBetter, Bencher Metric Format; or offline files of MLflow or Weights & Biases, by --out.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write, or directory of a tracker's; by default it is printed.")
    ] = None,
) -> None:
    """Give a run to another program. pytest-benchmark reads a run file as it is."""
    from inflor_bench.files import write_whole
    from inflor_bench.record.run_file import read_run
    from inflor_bench.verdict.experiment_trackers import write_mlflow, write_wandb

    trackers = {Format.MLFLOW: write_mlflow, Format.WANDB: write_wandb}
    if kind in trackers:
        if out is None:
            raise TrackInputError(f"--format {kind.value} writes a directory: give one by --out.")
        trackers[kind](read_run(run), out)
        typer.echo(str(out))
        return
    content = _content(read_run(run), kind)
    if out is not None:
        write_whole(out, content)
        typer.echo(str(out))
    elif kind is Format.PARQUET:
        raise TrackInputError("--format parquet is no text: give a file by --out.")
    else:
        typer.echo(content.decode("utf-8").removesuffix("\n"))


def _content(run: Run, kind: Format) -> bytes:
    from inflor_bench.reports.data.parquet import parquet
    from inflor_bench.reports.data.tables import csv_text
    from inflor_bench.reports.data.values import values_table
    from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark

    if kind is Format.PARQUET:
        return parquet(values_table(run))
    if kind is Format.CSV:
        return csv_text(values_table(run)).encode("utf-8")
    document: Any
    if kind is Format.BENCHER:
        document = bencher_metric_format(run)
    else:
        document = github_action_benchmark(run, smaller_is_better=kind is Format.SMALLER)
    return f"{json.dumps(document, indent=1, allow_nan=False)}\n".encode()
