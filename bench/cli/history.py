"""The commands `inflor-bench history ...`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.terminal import say, standard_output, terminal
from inflor_bench.text import one_line, plain

if TYPE_CHECKING:
    from inflor_bench.history.cache import Listing
    from inflor_bench.history.directory import Store

history = typer.Typer(
    no_args_is_help=True,
    help="Keep runs, in a directory or on a branch of git, and look after them. A branch is read and written without a "
    "checkout.",
)

Place = Annotated[
    str, typer.Option("--history", help="Directory of run files, or a branch of this repository that is there.")
]
Branch = Annotated[
    str | None, typer.Option(help="Instead: a branch of this repository, e.g. bench-data; `add` makes it.")
]
_RUNS = ".bench/runs"


@history.command()
def add(
    runs: Annotated[list[Path], typer.Argument(help="Run files.")],
    place: Place = _RUNS,
    branch: Branch = None,
    push: Annotated[
        str | None, typer.Option(metavar="REMOTE", help="Then push the branch, together with what others added there.")
    ] = None,
) -> None:
    """Add run files. Each gets its name from its machine, time, commit and run id; one that is there is left alone."""
    from inflor_bench.errors import TrackInputError
    from inflor_bench.history.branch import HistoryBranch
    from inflor_bench.history.history import add_run
    from inflor_bench.history.push import fetch
    from inflor_bench.history.push import push as push_branch

    store = _store(place, branch)
    if push is not None:
        if not isinstance(store, HistoryBranch):
            raise TrackInputError(f"{store.title}: is a directory, and a branch is pushed; give one by --branch.")
        fetch(store, push)
    for run in runs:
        name, new = add_run(store, run)
        typer.echo(f"{'added' if new else 'there already'}  {store.title}  {name}")
    if push is not None and isinstance(store, HistoryBranch):
        push_branch(store, push)
        typer.echo(f"pushed  {store.title}  {push}")


@history.command(name="list")
def list_runs(
    place: Place = _RUNS,
    branch: Branch = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a run.")] = False,
) -> None:
    """List the runs, newest first."""
    from rich.table import Table
    from rich.text import Text

    store = _there(place, branch)
    runs = _loaded(store).runs[::-1]
    if as_json:
        keys = ("file", "run_id", "created", "sha", "branch", "message", "machine", "cells", "dirty")
        typer.echo(json.dumps([{key: getattr(run, key) for key in keys} for run in runs], indent=1))
        return
    if not runs:
        typer.echo(f"{store.title} holds no run that can be read.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("time", "commit", "branch", "machine", "cells", "dirty", "run"):
        table.add_column(column, justify="right" if column == "cells" else "left", overflow="fold")
    for run in runs:
        when, commit = run.order[0][:16].replace("T", " "), run.sha[:12] if run.sha else "no commit"
        texts = (when, commit, run.branch or "", run.machine, f"{run.cells}", "dirty" if run.dirty else "", run.run_id)
        table.add_row(*(Text(plain(text)) for text in texts))
    standard_output().print(table)


@history.command()
def show(
    run: Annotated[str, typer.Argument(help="Run id, the beginning of a commit, a name in the history, or a file.")],
    place: Place = _RUNS,
    branch: Branch = None,
) -> None:
    """Show one run: where it comes from, and the main figures of its cells."""
    from inflor_bench.cli.history_show import find, print_run

    print_run(find(_store(place, branch), run, cache_directory()), standard_output())


@history.command()
def doctor(
    place: Place = _RUNS,
    branch: Branch = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Move files that cannot be read to damaged/ in the history.")
    ] = False,
) -> None:
    """Read everything and name what is wrong. Exit 2 if a damaged file is left, else 0."""
    from inflor_bench.history.check import examine

    store = _there(place, branch)
    with _progress("reading") as progress:
        found = examine(store, progress)
    console = standard_output()
    for complaint in found.complaints:
        console.print(f"{complaint.kind}  {one_line(complaint.name)}: {one_line(complaint.sentence)}", soft_wrap=True)
    left = {item.name for item in found.damaged}
    if set_aside and found.damaged:
        entries = [entry for entry in store.entries() if entry.name in left]
        for name, target in store.set_aside(entries).items():
            console.print(f"set aside  {one_line(name)} as {one_line(target)}", soft_wrap=True)
            left.discard(name)
    runs = f"{found.readable} run{'' if found.readable == 1 else 's'} can be read"
    typer.echo(f"{store.title}: {runs}, {f'{len(left)} damaged' if left else 'none is damaged'}.")
    raise typer.Exit(2 if left else 0)


def _store(place: str, branch: str | None) -> Store:
    from inflor_bench.history.branch import HistoryBranch
    from inflor_bench.history.history import open_history

    return open_history(place) if branch is None else HistoryBranch(Path.cwd(), branch)


def _there(place: str, branch: str | None) -> Store:
    """Return a history that exists: an empty one is another thing than a wrong name."""
    from inflor_bench.errors import TrackInputError

    store = _store(place, branch)
    if not store.exists():
        raise TrackInputError(
            f"{store.title}: there is neither such a directory nor such a branch; give a history, or begin "
            "one by `inflor-bench history add`."
        )
    return store


def _loaded(store: Store) -> Listing:
    from inflor_bench.history.cache import load_runs

    with _progress("reading") as progress:
        listing = load_runs(store, cache_directory(), progress)
    notes = [listing.note] if listing.note else []
    for sentence in notes + [f"Left out: {item.reason}" for item in listing.damaged]:
        say(sentence)
    return listing


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    with terminal().status(what) as status:
        yield lambda done, total: status.update(f"{what}: {done} of {total} files")
