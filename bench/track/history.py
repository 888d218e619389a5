"""A history: a directory of run files, by machine fingerprint, time, commit and run id.

Names sort by time, so what is newest is known without reading. A file that cannot be read is named in every result: it
is never the same as no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.track.errors import TrackInputError
from bench.track.git import Ancestry, ancestry, join, stored_ancestry
from bench.track.records import Git
from bench.track.runs import Run, read_run

# How many candidates are read in search of one that has all cells of the head; then the best so far is taken.
_SEARCHED = 20
# How many runs without known ancestry are read to see whether their tree is one that the head stands on.
_LOOKED_INTO = 100
_NAME = re.compile(r"\d{8}T\d{6}Z_([0-9a-f]{12}|nogit)_")


@dataclass(frozen=True)
class Damaged:
    """A file of the history that cannot be read, and the sentence that says why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class History:
    """All runs of a directory, oldest first, and the files that could not be read."""

    runs: tuple[Run, ...]
    damaged: tuple[Damaged, ...]


@dataclass(frozen=True)
class Baseline:
    """The run to compare with, why it was chosen (or why there is none), and the files that could not be read."""

    run: Run | None
    reason: str
    damaged: tuple[Damaged, ...]


def run_files(history_dir: Path) -> list[Path]:
    """Return the run files of a history, oldest first: `*.json` in the directory and in its machines' directories.

    Raises:
        TrackInputError: The path is there and is not a directory. A directory that is not there is an empty history.
    """
    history_dir = Path(history_dir)
    if history_dir.exists() and not history_dir.is_dir():
        raise TrackInputError(f"{history_dir}: is not a directory; give the directory that holds the run files.")
    files = [path for pattern in ("*.json", "*/*.json") for path in history_dir.glob(pattern)]
    return sorted((path for path in files if _is_run_name(path)), key=lambda path: (path.name, path.parent))


def _is_run_name(path: Path) -> bool:
    return not path.name.startswith(".") and path.parent.suffix != ".cells"


def load_history(history_dir: Path) -> History:
    """Read all runs of a history. Damaged files are named, not raised."""
    runs, damaged = [], []
    for path in run_files(history_dir):
        try:
            runs.append(read_run(path))
        except TrackInputError as error:
            damaged.append(Damaged(path, str(error)))
    return History(tuple(runs), tuple(damaged))


def newest_comparable(history_dir: Path, head: Run, *, repository: Path | None = None) -> Baseline:
    """Choose the run that the head is compared with.

    A run qualifies if its tree was clean and it has a cell of the head. Runs of commits that the head stands on come
    first: those of this machine before others, then those of earlier commits, nearest first, before those of the head's
    own commit (an A/A comparison, which so never hides what a regressed commit did). Then come runs of the same tree
    under another commit (rebased), and the rest. Among equals the newest comes first. A run with all cells of the head
    comes before one that lacks some.

    Args:
        history_dir: Where the run files are.
        head: The run to compare; its own file is passed over.
        repository: A directory where git may know the ancestry of the head. Where it does not, what the head itself
            says of its parents and base is used.
    """
    files = [path for path in run_files(history_dir) if not _same_file(path, head.path)]
    known = stored_ancestry(head.git)
    if repository is not None and isinstance(head.git, Git):
        known = join(ancestry(repository, head.git.sha), known)
    best: tuple[int, Baseline] | None = None
    damaged: list[Damaged] = []
    searched = 0
    for path, reason in _by_preference(files, head, known, damaged):
        try:
            run = read_run(path)
        except TrackInputError as error:
            damaged.append(Damaged(path, str(error)))
            continue
        shared = len(run.cells.keys() & head.cells.keys())
        if not shared or run.run_id == head.run_id or (isinstance(run.git, Git) and run.git.dirty):
            continue
        searched += 1
        if best is None or shared > best[0]:
            best = shared, Baseline(run, reason, ())
        if shared == len(head.cells) or searched == _SEARCHED:
            break
    named = tuple({item.path: item for item in damaged}.values())
    if best is not None:
        return replace(best[1], damaged=named)
    reason = f"none of the {len(files)} other run files is readable, clean and has a cell of this run"
    return Baseline(None, reason if files else f"{history_dir} holds no other run", named)


def _by_preference(files: list[Path], head: Run, known: Ancestry, damaged: list[Damaged]) -> Iterator[tuple[Path, str]]:
    """Yield the files as their names rank them, best first, each with the reason; the last are read only if needed."""
    distance = {sha[:12]: index for index, sha in reversed(list(enumerate(known.shas)))}
    near, rest = [], []
    for age, path in enumerate(reversed(files)):
        match = _NAME.match(path.name)
        steps = distance.get(match[1]) if match else None
        elsewhere = path.parent.name != head.machine.fingerprint
        if steps is None:
            rest.append((elsewhere, age, path))
        else:
            near.append((elsewhere, steps == 0, steps, age, path))
    for elsewhere, own, _steps, _age, path in sorted(near):
        what = "the same commit" if own else "the nearest commit that this one stands on"
        yield path, f"{what}, {'on another machine' if elsewhere else 'on this machine'}"
    others = []
    for elsewhere, age, path in sorted(rest)[:_LOOKED_INTO]:
        try:
            git = read_run(path).git
        except TrackInputError as error:
            damaged.append(Damaged(path, str(error)))
            continue
        rebased = isinstance(git, Git) and git.tree in known.trees
        others.append((not rebased, elsewhere, age, path))
    for strange, elsewhere, _age, path in sorted(others):
        what = "the newest run; git does not say that this commit stands on it" if strange else "the same tree, rebased"
        yield path, f"{what}, {'on another machine' if elsewhere else 'on this machine'}"


def _same_file(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()
