"""A history: run files by machine fingerprint, time, commit and run id, in a directory or on a branch of git.

A file that cannot be read is named in every result: it is never the same as no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from inflor_bench.errors import TrackInputError
from inflor_bench.files import dumps, read_json
from inflor_bench.git.repository import Ancestry, known_ancestry, stored_ancestry
from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.cache import Damaged, load_tables
from inflor_bench.history.directory import HistoryDirectory, Store
from inflor_bench.record.rows import RunRow, row_of
from inflor_bench.record.run_file import Run, parse_run, run_name, run_of
from inflor_bench.verdict.base import standing

# How many candidates are looked at in search of one that has all cells of the head; then the best so far is taken.
_SEARCHED = 20


@dataclass(frozen=True)
class Baseline:
    """The run to compare with, why it was chosen (or why there is none), and the files that could not be read."""

    run: Run | None
    reason: str
    damaged: tuple[Damaged, ...]
    note: str | None = None


def open_history(place: Path | str | Store, repository: Path | None = None) -> Store:
    """Return the history in a directory; where there is none of that name, the one on such a branch of git.

    What is neither is a directory that is not there yet: an empty history.

    Args:
        place: A directory, or a branch's name.
        repository: A directory of the repository that may have such a branch; the current one by default.

    Raises:
        TrackInputError: There is something of that name that is no directory.
    """
    if not isinstance(place, Path | str):
        return place
    directory = HistoryDirectory(Path(place))
    if directory.exists():
        return directory
    try:
        branch = HistoryBranch(repository or Path.cwd(), str(place))
    except TrackInputError:
        return directory
    return branch if branch.exists() else directory


def run_files(history_dir: Path) -> list[Path]:
    """Return the run files of a directory, oldest first: `*.json` in it and in its machines' directories.

    Raises:
        TrackInputError: The path is there and is not a directory. A directory that is not there is an empty history.
    """
    files = [entry.path for entry in HistoryDirectory(history_dir).entries()]
    return sorted(files, key=lambda path: (path.name, path.parent))


def add_run(store: Store, path: Path) -> tuple[str, bool]:
    """Add a run file to a history; return its name there, and whether it is new.

    The name is made from the run's checked fields. A run of a dirty tree is added, too: it is never a baseline.

    Raises:
        TrackInputError: The file cannot be read, another content has its name, or the history cannot be written.
    """
    document = read_json(path, "give a run file that `inflor-bench run` wrote")
    name = run_name(parse_run(path, document))
    return name, store.add(name, dumps(document) + "\n")


def newest_comparable(
    place: Path | str | Store,
    head: Run,
    *,
    repository: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Baseline:
    """Read the run that the head is compared with, the first of `bases` that can be read.

    Args:
        place: Where the run files are: a directory, or a branch of git.
        head: The run to compare; the run itself is passed over.
        repository: A directory where git may know the ancestry of the head. Where it does not, what the head itself
            says of its parents and base is used.
        cache: The directory of caches; see `load_tables`, also for `progress`.
    """
    store = open_history(place, repository)
    tables = load_tables(store, cache, progress)
    known = stored_ancestry(head.git) if repository is None else known_ancestry(head.git, repository)
    rows = [row for row in tables.run_rows() if row.run_id != head.run_id]
    damaged = list(tables.damaged)
    entries = {entry.name: entry for entry in store.entries()}
    for row, reason in bases(row_of(head, head.path.name), head.cells.keys(), rows, tables.cells(), known):
        if row.file not in entries:  # it was taken away just now
            continue
        try:
            _, content = next(store.read([entries[row.file]]))
            if isinstance(content, TrackInputError):
                raise content
            return Baseline(run_of(entries[row.file].path, content), reason, tuple(damaged), tables.note)
        except TrackInputError as error:
            damaged.append(Damaged(row.file, entries[row.file].path, str(error)))
    others = len(rows) + len(damaged)
    reason = f"none of the {others} other run files is readable, clean and has a cell of this run"
    return Baseline(None, reason if others else _nothing(store), tuple(damaged), tables.note)


def _nothing(store: Store) -> str:
    if store.exists():
        return f"{store.title} holds no other run"
    return f"there is no directory and no branch {store.title}"


def bases(
    head: RunRow, cells: Set[str], rows: Sequence[RunRow], cells_of: Mapping[str, Set[str]], known: Ancestry
) -> list[tuple[RunRow, str]]:
    """Return the runs that a head may be compared with, best first, each with the reason.

    A run qualifies if its tree was clean and it has a cell of the head. Those that gate come first, see
    `verdict.base`; the others are only shown. Of commits that the head stands on those of this machine come
    before others, then those of earlier commits, nearest first, before those of the head's own commit (an A/A
    comparison, which so never hides what a regressed commit did); of a dirty tree its own commit is the nearest. Then
    come runs of the same tree under another commit (rebased), and the rest. Among equals the newest comes first. A run
    with all cells of the head comes before one that lacks some.

    Args:
        head: The run.
        cells: The names of its cells.
        rows: The runs to choose from, oldest first.
        cells_of: The names of their cells, by file.
        known: The ancestry of the head.
    """
    shared = {row.file: len(cells_of.get(row.file, set()) & cells) for row in rows}
    ranked = []
    for age, row in enumerate(reversed(rows)):
        if row.dirty or not shared[row.file]:
            continue
        found, elsewhere = standing(row, head, known), row.machine != head.machine
        near = (elsewhere, found.steps == 0 and not head.dirty, found.steps or 0, age)
        reason = f"{found.reason}, {'on another machine' if elsewhere else 'on this machine'}"
        ranked.append(((not found.gates, found.steps is None, *near), row, reason))
    ranked.sort(key=lambda item: item[0])
    gating = [item[1:] for item in ranked if not item[0][0]]
    shown = [item[1:] for item in ranked if item[0][0]]
    return [pair for group in (gating, shown) for pair in _whole_first(group, shared, len(cells))]


def _whole_first(
    ranked: Sequence[tuple[RunRow, str]], shared: Mapping[str, int], cells: int
) -> list[tuple[RunRow, str]]:
    """Move the best run that has all cells before better ones that lack some."""
    whole = next((index for index, (row, _) in enumerate(ranked) if shared[row.file] == cells), len(ranked))
    near = ranked[: min(whole + 1, _SEARCHED)]
    # A stable sort: among runs that share as many cells the preferred one stays first.
    return [*sorted(near, key=lambda pair: -shared[pair[0].file]), *ranked[len(near) :]]
