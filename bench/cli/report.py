"""The command `inflor-bench report`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli import options

if TYPE_CHECKING:
    from inflor_bench.record.run_file import Run
    from inflor_bench.verdict.compare import Comparison


def report(
    runs: Annotated[list[Path], typer.Argument(help="One run file, or a baseline and the run to report on.")],
    out: Annotated[Path, typer.Option(help="Directory of the pages.")] = Path(".bench/report"),
    history: Annotated[str | None, typer.Option(help="Directory of run files, or a branch, for trends.")] = None,
    accepted: options.Accepted = None,
    open_page: options.OpenPage = False,
) -> None:
    """Write the HTML report of a run, compared with a baseline where two are given. Exit 1 on a regression."""
    from inflor_bench.errors import TrackInputError
    from inflor_bench.record.run_file import read_run
    from inflor_bench.run.judge import judge_here

    if len(runs) > 2:
        raise TrackInputError(f"{len(runs)} run files were given: give one, or a baseline and the run to report on.")
    read = [read_run(path) for path in runs]
    comparison = judge_here(read[0] if len(read) == 2 else None, read[-1], accepted)
    page = write_report(read[-1], out, comparison, history)
    typer.echo(str(page))
    if open_page:
        typer.launch(page.absolute().as_uri())
    raise typer.Exit(comparison.exit_code)


def write_report(run: Run, out: Path, comparison: Comparison, history: Path | str | None) -> Path:
    """Write the report; `history` is a directory of run files or a branch, for trends."""
    from inflor_bench.git.repository import commit_pages
    from inflor_bench.reports.data.summaries import read_summaries
    from inflor_bench.reports.pages.report import build
    from inflor_bench.terminal import say

    past = read_summaries(history, besides=run, cache=cache_directory()) if history else None
    if past and past.note:
        say(past.note)
    for sentence in past.damaged if past else ():
        say(f"Left out of the trends: {sentence}")
    return build(run, out, comparison=comparison, history=past.runs if past else (), commits=commit_pages(Path.cwd()))
