"""A history: run files by machine fingerprint, time, commit and run id, in a directory or on a branch of git.

A file that cannot be read is named in every result: it is never the same as no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.track.errors import TrackInputError
from bench.track.files import dumps, read_json
from bench.track.git import Ancestry, ancestry, join, stored_ancestry
from bench.track.history_branch import HistoryBranch
from bench.track.history_cache import Damaged, load_tables
from bench.track.history_rows import RunRow
from bench.track.history_store import HistoryDirectory, Store
from bench.track.records import Git
from bench.track.runs import Run, parse_run, run_name, run_of

__all__ = [
    "Baseline",
    "Damaged",
    "History",
    "add_run",
    "load_history",
    "newest_comparable",
    "open_history",
    "run_files",
]

# How many candidates are looked at in search of one that has all cells of the head; then the best so far is taken.
_SEARCHED = 20


@dataclass(frozen=True)
class History:
    """All runs of a history, oldest first, and the files that could not be read."""

    runs: tuple[Run, ...]
    damaged: tuple[Damaged, ...]


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


def load_history(place: Path | str | Store) -> History:
    """Read all runs of a history. Damaged files are named, not raised."""
    runs: list[Run] = []
    damaged: list[Damaged] = []
    store = open_history(place)
    for entry, content in store.read(store.entries()):
        try:
            runs.append(_parsed(entry.path, content))
        except TrackInputError as error:
            damaged.append(Damaged(entry.name, entry.path, str(error)))
    return History(tuple(sorted(runs, key=lambda run: run.path.name)), tuple(damaged))


def _parsed(path: Path, content: bytes | TrackInputError) -> Run:
    if isinstance(content, TrackInputError):
        raise content
    return run_of(path, content)


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
    """Choose the run that the head is compared with.

    A run qualifies if its tree was clean and it has a cell of the head. Runs of commits that the head stands on come
    first: those of this machine before others, then those of earlier commits, nearest first, before those of the head's
    own commit (an A/A comparison, which so never hides what a regressed commit did); of a dirty tree its own commit is
    the nearest. Then come runs of the same tree under another commit (rebased), and the rest. Among equals the newest
    comes first. A run with all cells of the head comes before one that lacks some.

    Args:
        place: Where the run files are: a directory, or a branch of git.
        head: The run to compare; the run itself is passed over.
        repository: A directory where git may know the ancestry of the head. Where it does not, what the head itself
            says of its parents and base is used.
        cache: The directory of caches; see `load_tables`, also for `progress`.
    """
    store = open_history(place, repository)
    tables = load_tables(store, cache, progress)
    known = stored_ancestry(head.git)
    if repository is not None and isinstance(head.git, Git):
        known = join(ancestry(repository, head.git.sha), known)
    rows = [row for row in tables.run_rows() if row.run_id != head.run_id]
    cells = tables.cells()
    shared = {row.file: len(cells.get(row.file, set()) & head.cells.keys()) for row in rows}
    fit = [row for row in rows if shared[row.file] and not row.dirty]
    ranked = list(_by_preference(fit, head, known))
    first = next((index for index, (row, _) in enumerate(ranked) if shared[row.file] == len(head.cells)), len(ranked))
    near = ranked[: min(first + 1, _SEARCHED)]
    # A stable sort: among runs that share as many cells the preferred one stays first.
    candidates = sorted(near, key=lambda pair: -shared[pair[0].file]) + ranked[len(near) :]
    damaged = list(tables.damaged)
    entries = {entry.name: entry for entry in store.entries()}
    for row, reason in candidates:
        if row.file not in entries:  # it was taken away just now
            continue
        try:
            _, content = next(store.read([entries[row.file]]))
            return Baseline(_parsed(entries[row.file].path, content), reason, tuple(damaged), tables.note)
        except TrackInputError as error:
            damaged.append(Damaged(row.file, entries[row.file].path, str(error)))
    others = len(rows) + len(damaged)
    reason = f"none of the {others} other run files is readable, clean and has a cell of this run"
    return Baseline(None, reason if others else _nothing(store), tuple(damaged), tables.note)


def _nothing(store: Store) -> str:
    if store.exists():
        return f"{store.title} holds no other run"
    return f"there is no directory and no branch {store.title}"


def _by_preference(rows: Sequence[RunRow], head: Run, known: Ancestry) -> Iterator[tuple[RunRow, str]]:
    """Yield the runs, given oldest first, best first, each with the reason."""
    distance = {sha: index for index, sha in reversed(list(enumerate(known.shas)))}
    trees = set(known.trees)
    dirty = isinstance(head.git, Git) and head.git.dirty
    ranks = []
    for age, row in enumerate(reversed(rows)):
        elsewhere = row.machine != head.machine.fingerprint
        steps = distance.get(row.sha) if row.sha is not None else None
        if steps is not None:
            rank = (0, elsewhere, steps == 0 and not dirty, steps, age)
            own = "the commit that was changed here" if dirty else "the same commit"
            what = "the nearest commit that this one stands on" if steps else own
        elif row.tree is not None and row.tree in trees:
            rank, what = (1, elsewhere, False, 0, age), "the same tree, rebased"
        else:
            rank = (2, elsewhere, False, 0, age)
            what = "the newest run; git does not say that this commit stands on it"
        ranks.append((rank, row, f"{what}, {'on another machine' if elsewhere else 'on this machine'}"))
    for _, row, reason in sorted(ranks, key=lambda item: item[0]):
        yield row, reason
