"""The commands around the report: a site of many runs, a server, figures for papers, a picture for a README."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli.options import AcceptedOption
from inflor_bench.text import one_line

_RUNS = Path(".bench/runs")


def publish(
    runs: Annotated[Path, typer.Argument(help="Directory of run files.")] = _RUNS,
    site: Annotated[Path, typer.Option(help="Directory of the site.")] = Path(".bench/site"),
    accepted: AcceptedOption = None,
) -> None:
    """Write a static site of many runs: an index, trends, and a report each under an address that stays.

    What is there already is not built again, and a stopped call goes on where it was. Exit 1 if the newest run
    regressed from its base.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from inflor_bench.reports.pages.site import publish as bring_up_to_date
    from inflor_bench.verdict.accepted import read_accepted

    columns = TextColumn("reports"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("", total=None)
        done = bring_up_to_date(
            runs,
            site,
            lambda made, total: bar.update(task, completed=made, total=total),
            accepted=read_accepted(accepted) if accepted else (),
            cache=cache_directory(),
        )
    for sentence in done.damaged:
        errors.print(one_line(f"Left out: {sentence}"), markup=False)
    typer.echo(f"{done.index}: {done.built} reports built, {done.kept} were there")
    raise typer.Exit(int(done.regressed))


def serve(
    directory: Annotated[Path, typer.Argument(help="Directory of pages.")] = Path(".bench/report"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Show a report or a site at an address of this machine that no other machine reaches. Ctrl-C ends it."""
    from inflor_bench.reports.pages.serve import ADDRESS, server

    with server(directory, port) as serving:
        address = f"http://{ADDRESS}:{serving.server_port}/"
        typer.echo(address)
        if open_page:
            typer.launch(address)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")


def figure(
    name: Annotated[str, typer.Argument(help="pareto, loss, cost, operations, rates, membranes, latency, energy, ...")],
    run: Annotated[Path | None, typer.Argument(help="Run file; the newest in .bench/runs if none is given.")] = None,
    kind: Annotated[str, typer.Option("--format", help="pdf, svg or png.")] = "pdf",
    only: Annotated[str, typer.Option(help="Draw the cells that match this pattern.")] = "*",
    width: Annotated[float, typer.Option(help="Width in mm; 88.9 is a column, 182 a page of IEEE journals.")] = 88.9,
    out: Annotated[Path, typer.Option(help="Directory of the files.")] = Path(".bench/figures"),
) -> None:
    """Write figures of the report for a paper: in a journal's width, text at 7 pt, fonts embedded."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.pages.figure import write_figures

    read = read_run(run or _newest(_RUNS))
    for path in write_figures(read, name, out, kind=kind, only=only, millimetres=width):
        typer.echo(str(path))


def picture(
    run: Annotated[Path, typer.Argument(help="Run file.")],
    out: Annotated[Path, typer.Argument(help="PNG to write.")],
) -> None:
    """Take a picture of the top of a run's report, for a README. Takes a Chromium on the PATH."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.pages.picture import picture as take

    typer.echo(str(take(read_run(run), out)))


def _newest(runs: Path) -> Path:
    from inflor_bench.errors import ReportInputError
    from inflor_bench.history.history import run_files

    files = run_files(runs)
    if not files:
        raise ReportInputError(f"{runs}: holds no run file; give one, or measure by `inflor-bench run`.")
    return files[-1]
