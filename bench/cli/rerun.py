"""The command `inflor-bench rerun`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cli import options


def rerun(
    run: Annotated[Path, typer.Argument(help="Run file that `inflor-bench run` wrote.")],
    out: Annotated[Path, typer.Option(help="Where the new run and what is trained go.")] = Path(".bench/rerun"),
    data_root: options.DataRoot = None,
    download: options.Download = False,
) -> None:
    """Repeat a run: the same cells, recipes and settings, trained anew. Exit 1 if weights or exact figures differ."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.rerun.differences import differences
    from inflor_bench.rerun.repetition import suite_of
    from inflor_bench.run.suite import check_names, plan

    before = read_run(run)
    suite, left_out = suite_of(before)
    planned = plan(suite)
    check_names(planned)

    from inflor_bench.cell.prepare import Sources
    from inflor_bench.run.run import run_suite
    from inflor_bench.terminal import say
    from inflor_bench.text import one_line

    for sentence in left_out:
        say(sentence)
    sources = Sources(out / "cache", data_root, download)
    outcome = run_suite(suite, planned, out / "runs", sources, ["inflor-bench", "rerun", str(run)])
    if outcome.interrupted:
        raise KeyboardInterrupt
    for sentence in outcome.bad_input:
        say(sentence)
    if outcome.path is None:
        raise typer.Exit(2)
    typer.echo(f"run     {outcome.path}")
    found = differences(before, read_run(outcome.path))
    for line in found.lines:
        typer.echo(one_line(line))
    raise typer.Exit(2 if outcome.bad_input else int(found.exact_differ))
