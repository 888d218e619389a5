"""The command `inflor-bench publish`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli import options


def publish(
    runs: Annotated[Path, typer.Argument(help="Directory of run files.")] = Path(".bench/runs"),
    site: Annotated[Path, typer.Option(help="Directory of the site.")] = Path(".bench/site"),
    accepted: options.Accepted = None,
) -> None:
    """Write a static site of many runs: an index, trends, and a report each under an address that stays.

    What is there already is not built again, and a stopped call goes on where it was. Exit 1 if the newest run
    regressed from its base.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from inflor_bench.reports.pages.site import publish as bring_up_to_date
    from inflor_bench.terminal import say, terminal
    from inflor_bench.verdict.accepted import read_accepted

    columns = TextColumn("reports"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=terminal(), transient=True) as bar:
        task = bar.add_task("", total=None)
        done = bring_up_to_date(
            runs,
            site,
            lambda made, total: bar.update(task, completed=made, total=total),
            accepted=read_accepted(accepted) if accepted else (),
            cache=cache_directory(),
        )
    for sentence in done.damaged:
        say(f"Left out: {sentence}")
    typer.echo(f"{done.index}: {done.built} reports built, {done.kept} were there")
    raise typer.Exit(int(done.regressed))
