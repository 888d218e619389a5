"""The command `inflor-bench ab`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bench.suites.cache import cache_directory
from bench.suites.options import AcceptedOption

if TYPE_CHECKING:
    from bench.ab.interleave import Side
    from bench.ab.turns import Answer


def ab(
    base: Annotated[str, typer.Argument(help="Commit to compare with, by any name that git knows.")],
    head: Annotated[str | None, typer.Argument(help="Commit to judge; by default the work tree as it is.")] = None,
    suite: Annotated[str, typer.Option(help="A shipped suite's name, or a TOML file.")] = "default",
    only: Annotated[str, typer.Option(help="Measure the cells that match this pattern.")] = "*",
    out: Annotated[Path, typer.Option(help="Where what was measured (in ab/) and the report (in report/) go.")] = Path(
        ".bench"
    ),
    accepted: AcceptedOption = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder that holds the data sets (or INFLOR_BENCH_DATA).")
    ] = None,
) -> None:
    """Measure two commits on this machine, their processes interleaved, and compare. Exit 1 on a regression.

    Counts and accuracy are compared as by `compare`; latency by pairs of processes of base and head in turn, after A/A
    pairs of the base have shown how much this machine varies. It stops as soon as it is decided.
    """
    from bench.ab.interleave import interleave
    from bench.ab.revisions import Revision, checked_out, python_for, resolve, top_of
    from bench.ab.sides import Settings, measure
    from bench.ab.turns import time_pair
    from bench.suites.judging import judge_here, summarise
    from bench.suites.suite import load_suite
    from bench.track.render import to_json
    from bench.track.runs import read_run, write_json
    from reports.page import build

    load_suite(suite)
    top = top_of(Path.cwd())
    place = (out / "ab").resolve()
    cache = cache_directory().resolve()
    settings = Settings(suite, only, top, cache, data_root)
    commits = [resolve(top, name) for name in (base, head) if name is not None]
    console = Console(stderr=True)
    with ExitStack() as stack, console.status("") as status:
        old = stack.enter_context(checked_out(top, commits[0], place / "environments"))
        if head is None:
            new = Revision(top, None, python_for(top, top, place / "environments"))
        else:
            new = stack.enter_context(checked_out(top, commits[1], place / "environments"))
        runs = []
        for name, side in (("base", old), ("head", new)):
            status.update(f"{name}, {side.title}: counting and measuring")
            runs.append(read_run(measure(side, settings, place / name)))
            console.print(f"{name}    {runs[-1].path}", soft_wrap=True)
        cells = [cell for cell in runs[1].cells if _timed(runs[0].cells.get(cell)) and _timed(runs[1].cells[cell])]

        def progress(stage: str, done: int, most: int) -> None:
            status.update(f"{stage}: {done} of at most {most}")

        sides = {"base": commits[0], "head": commits[1] if head is not None else None}

        def keep(rounds: dict[str, Any]) -> None:
            write_json(place / "pairs.json", {"format": "inflor-bench-pairs", "version": 1, **sides, **rounds})

        revisions = {"base": old, "head": new}

        def timed(pair: tuple[Side, Side], names: Sequence[str]) -> tuple[Answer, Answer]:
            return time_pair((revisions[pair[0]], revisions[pair[1]]), settings, names)

        found = interleave(timed, cells, progress, keep)
    comparison = judge_here(runs[0], runs[1], accepted, interleaved=found, suite=suite)
    write_json(place / "comparison.json", to_json(comparison))
    page = build([runs[1]], out / "report", comparison=comparison)
    summarise((page.parent / "comment.md").read_text("utf-8"))
    typer.echo(f"report  {page}")
    raise typer.Exit(comparison.exit_code)


def _timed(cell: object) -> bool:
    """Whether the latency of a cell was measured."""
    from bench.track.records import Latency

    return isinstance(getattr(getattr(cell, "record", None), "latency", None), Latency)
