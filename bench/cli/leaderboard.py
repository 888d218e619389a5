"""The command `inflor-bench leaderboard`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cli import options


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Run files, of several people perhaps.")],
    out: Annotated[Path, typer.Option(help="Directory of the page.")] = Path(".bench/leaderboard"),
    verified: Annotated[
        bool,
        typer.Option(
            "--verify", help="Repeat every cell here, trained anew where it was trained; exit 1 if one differs."
        ),
    ] = False,
    data_root: options.DataRoot = None,
    download: options.Download = False,
) -> None:
    """Rank the networks of several run files by data set, with the hashes that they are known by."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.data.cells import collect
    from inflor_bench.reports.pages.leaderboard import Entry, write_leaderboard

    entries: list[Entry] = []
    for run in (read_run(path) for path in dict.fromkeys(runs)):
        found: dict[str, tuple[bool | None, str]] = {}
        if verified:
            from inflor_bench.cell.prepare import Sources
            from inflor_bench.rerun.verify import verify

            found = verify(run, Sources(out / "cache", data_root, download), out / "runs")
        for cell in collect(run):
            same, told = found.get(cell.record.name, (None, "nobody asked for it: --verify repeats every cell"))
            entries.append(Entry(cell, run.path.name, same, told))
    typer.echo(str(write_leaderboard(entries, out)))
    raise typer.Exit(1 if any(entry.same is False for entry in entries) else 0)
