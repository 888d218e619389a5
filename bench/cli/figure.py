"""The command `inflor-bench figure`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def figure(
    name: Annotated[str, typer.Argument(help="pareto, worth, loss, cost, operations, rates, membranes, latency, ...")],
    run: Annotated[Path | None, typer.Argument(help="Run file; the newest in .bench/runs if none is given.")] = None,
    kind: Annotated[str, typer.Option("--format", help="pdf, svg or png.")] = "pdf",
    only: Annotated[str, typer.Option(help="Draw the cells that match this pattern.")] = "*",
    width: Annotated[float, typer.Option(help="Width in mm; 88.9 is a column, 182 a page of IEEE journals.")] = 88.9,
    out: Annotated[Path, typer.Option(help="Directory of the files.")] = Path(".bench/figures"),
) -> None:
    """Write figures of the report for a paper: in a journal's width, text at 7 pt, fonts embedded."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.pages.figure import write_figures

    read = read_run(run or _newest(Path(".bench/runs")))
    for path in write_figures(read, name, out, kind=kind, only=only, millimetres=width):
        typer.echo(str(path))


def _newest(runs: Path) -> Path:
    from inflor_bench.errors import ReportInputError
    from inflor_bench.history.history import run_files

    files = run_files(runs)
    if not files:
        raise ReportInputError(f"{runs}: holds no run file; give one, or measure by `inflor-bench run`.")
    return files[-1]
