"""Reads every file of a history, whatever a cache says, and names what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from inflor_bench.history.cache import Damaged, load_runs
from inflor_bench.history.directory import Store
from inflor_bench.record.rows import RunRow

Kind = Literal["damaged", "other version", "duplicate", "misplaced", "leftover"]


@dataclass(frozen=True)
class Complaint:
    """Something about a file of a history: its name there, and the sentence that says what."""

    kind: Kind
    name: str
    sentence: str


@dataclass(frozen=True)
class Examination:
    """How many runs can be read, and what is wrong, files that cannot be read first."""

    readable: int
    complaints: tuple[Complaint, ...]
    damaged: tuple[Damaged, ...]


def examine(store: Store, progress: Callable[[int, int], None] = lambda done, total: None) -> Examination:
    """Read every run file of a history.

    Raises:
        TrackInputError: The place cannot be read at all.
    """
    listing = load_runs(store, None, progress)
    runs = listing.runs
    damaged = tuple(item for item in listing.damaged if not item.other_version)
    newer = [item for item in listing.damaged if item.other_version]
    complaints = [
        *(Complaint("damaged", item.name, item.reason) for item in damaged),
        *(Complaint("other version", item.name, item.reason) for item in newer),
        *_duplicates(runs),
        *_misplaced(runs),
        *(Complaint("leftover", stranger.name, stranger.what) for stranger in store.strangers()),
    ]
    return Examination(len(runs), tuple(complaints), damaged)


def _duplicates(runs: Sequence[RunRow]) -> Iterator[Complaint]:
    first: dict[str, RunRow] = {}
    for run in runs:
        other = first.setdefault(run.run_id, run)
        if other is not run:
            same = "the same content" if run.sha256 == other.sha256 else "another content"
            sentence = f"is the run {run.run_id}, as {other.file} is, with {same}; remove one of the two."
            yield Complaint("duplicate", run.file, sentence)


def _misplaced(runs: Sequence[RunRow]) -> Iterator[Complaint]:
    for run in runs:
        place, _, name = run.file.rpartition("/")
        if run.proper is None:
            yield Complaint(
                "misplaced",
                run.file,
                "has a commit, time, machine or run id that no name can be made of; measure again.",
            )
        elif name != run.proper.rpartition("/")[2] or (place and run.file != run.proper):
            # A directory without one for each machine is as good.
            yield Complaint("misplaced", run.file, f"belongs at {run.proper}; rename it.")
