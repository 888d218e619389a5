"""The command `inflor-bench run`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli import options
from inflor_bench.cli.report import write_report


def run(
    suite: options.Suite = "default",
    only: options.Only = "*",
    out: Annotated[Path, typer.Option(help="Where run files (in runs/) and the report (in report/) go.")] = Path(
        ".bench"
    ),
    accepted: options.Accepted = None,
    data_root: options.DataRoot = None,
    download: options.Download = False,
    quick: options.Quick = False,
    untimed: options.Untimed = False,
    require_power: options.RequirePower = False,
    watch: options.Watch = False,
    tdp: options.Tdp = None,
    bits: options.Bits = None,
    history: options.History = None,
    shard: options.Shard = None,
    timeout: options.Timeout = None,
    on: options.On = None,
) -> None:
    """Train or load, measure, compare with the newest comparable run, and write the report."""
    from inflor_bench.run.shards import Shard
    from inflor_bench.run.suite import check_names, load_suite, plan

    loaded = load_suite(suite)
    loaded = loaded.model_copy(update={"measure": options.overridden(loaded.measure, quick, tdp, untimed, bits)})
    part = Shard.parse(shard) if shard is not None else None
    seconds, ray = options.checked_timeout(timeout), options.ray_address(on)
    planned = plan(loaded, only)
    check_names(planned)
    planned = part.of(planned) if part else planned
    if not planned:
        typer.echo(f"Shard {part} of suite {loaded.name!r} has no cell: nothing is to be measured.")
        return

    from inflor_bench.cell.prepare import Sources
    from inflor_bench.history.history import newest_comparable
    from inflor_bench.record.run_file import read_run
    from inflor_bench.run.judge import judge_here, summarise
    from inflor_bench.run.run import run_suite
    from inflor_bench.terminal import say, terminal

    runs = out / "runs"
    sources = Sources(cache_directory(), data_root, download)
    outcome = run_suite(
        loaded,
        planned,
        runs,
        sources,
        options.command_line(),
        timeout=seconds,
        ray=ray,
        shard=part,
        watch=watch,
        only=only,
    )
    for path in outcome.recovered:
        say(f"An earlier run was stopped; what it had measured is in {path}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    code = 1 if outcome.exit_code else 0
    if outcome.path is not None:
        head = read_run(outcome.path)
        try:
            with terminal().status("Reading the history"):
                baseline = newest_comparable(history or runs, head, repository=Path.cwd(), cache=cache_directory())
            if baseline.note:
                say(baseline.note)
            for damaged in baseline.damaged:
                say(f"Left out of the history: {damaged.reason}")
            comparison = judge_here(baseline.run, head, accepted, suite=suite)
            code = max(code, comparison.exit_code)
        finally:
            typer.echo(f"run     {outcome.path}")
        typer.echo(f"base    {baseline.run.path if baseline.run else 'none'}: {baseline.reason}")
        page = write_report(head, out / "report", comparison, history or runs)
        summarise((page.parent / "comment.md").read_text("utf-8"))
        typer.echo(f"report  {page}")
    missing = options.without_power(outcome.path) if require_power and outcome.path is not None else []
    for sentence in (*missing, *outcome.bad_input):
        say(sentence)
    raise typer.Exit(2 if outcome.bad_input else max(code, 1 if missing else 0))
