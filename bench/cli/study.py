"""The command `inflor-bench study`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli import options


def study(
    suite: Annotated[str, typer.Argument(help="A suite with a table [study]: study, or a TOML file.")] = "study",
    only: options.Only = "*",
    out: Annotated[Path, typer.Option(help="Where run files (in runs/) and the study's pages go.")] = Path(
        ".bench/study"
    ),
    data_root: options.DataRoot = None,
    download: options.Download = False,
    shard: options.Shard = None,
    on: options.On = None,
) -> None:
    """Train neurons with many seeds, and tell by paired tests whether they differ.

    What was trained and measured before is kept: a stopped study goes on, and one that is complete is analysed anew.
    """
    from inflor_bench.errors import SuiteInputError
    from inflor_bench.run.shards import Shard
    from inflor_bench.run.suite import check_names, load_suite, plan

    loaded = load_suite(suite)
    comparisons = loaded.study.pairs if loaded.study else ()
    if not comparisons:
        raise SuiteInputError(f'{suite}: the table \'study\' is missing: name the comparisons, as [["hard", "soft"]].')
    part = Shard.parse(shard) if shard is not None else None
    ray = options.ray_address(on)
    planned = plan(loaded, only)
    check_names(planned)
    loaded = loaded.model_copy(update={"measure": loaded.measure.model_copy(update={"timed": False})})

    from inflor_bench.cell.prepare import Sources
    from inflor_bench.reports.pages.study import write_study
    from inflor_bench.run.run import run_suite
    from inflor_bench.run.study import measured
    from inflor_bench.terminal import say
    from inflor_bench.verdict.study import analyse

    runs = out / "runs"
    sources = Sources(cache_directory(), data_root, download)
    records, damaged = measured(runs, loaded, planned, sources)
    for sentence in damaged:
        say(f"Left out: {sentence}")
    mine = part.of(planned) if part else planned
    left = [entry for entry in mine if entry.cell.name not in records]
    bad_input: tuple[str, ...] = ()
    if left:
        outcome = run_suite(loaded, left, runs, sources, options.command_line(), ray=ray, shard=part, only=only)
        if outcome.interrupted:
            raise KeyboardInterrupt
        bad_input = outcome.bad_input
        records, _ = measured(runs, loaded, planned, sources)
    found = analyse(records.values(), comparisons)
    typer.echo(str(write_study(loaded.name, found, records, len(planned), out)))
    for sentence in bad_input:
        say(sentence)
    raise typer.Exit(2 if bad_input else 0)
