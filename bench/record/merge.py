"""Merge run files that are parts of one: the shards of a suite, measured by several jobs or machines.

The parts have run ids of their own. The whole gets a new one, which follows from theirs, and every record keeps the id
of the run that measured it. What is ambiguous is refused, and what is missing is said.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.files import dumps, read_json
from inflor_bench.record.origin import Git, Provenance
from inflor_bench.record.run_file import (
    CellEntry,
    Run,
    document_of,
    entries_of,
    foreign_benchmarks,
    merge_documents,
    parse_run,
)
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent

_REMEDY = "give run files that `inflor-bench run` wrote"


@dataclass(frozen=True)
class Merged:
    """The document of the whole, its provenance; what readers should know; and what is missing."""

    document: Mapping[str, Any]
    provenance: Provenance
    notes: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    path: Path
    document: Mapping[str, Any]
    run: Run


def merge_runs(paths: Sequence[Path]) -> Merged:
    """Merge run files into one document; neither order nor repetition makes a difference.

    Raises:
        TrackInputError: A file cannot be read or is of another schema version, two files are of different commits, or
            they hold different results of one cell.
    """
    parts = [_read(path) for path in paths]
    if not parts:
        raise TrackInputError("There is nothing to merge; give the run files of the parts.")
    _check_commits(parts)
    found: dict[str, tuple[_Part, CellEntry]] = {}
    foreign: dict[str, tuple[_Part, Mapping[str, Any]]] = {}
    for part in parts:
        for entry in entries_of(part.document):
            name = entry.record["name"]
            earlier = found.setdefault(name, (part, entry))
            if _content(earlier[1]) != _content(entry):
                raise TrackInputError(
                    f"{earlier[0].path} and {part.path}: both hold the cell {name!r}, with other results; "
                    "leave one of the two files out."
                )
        for benchmark in foreign_benchmarks(part.document):
            foreign.setdefault(dumps(benchmark), (part, benchmark))
    sources = sorted({_source(entry.record) for _, entry in found.values()})
    whole = hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12] if len(sources) > 1 else None
    document = merge_documents(
        [
            *(document_of(part.document, [_belonging(entry, whole)]) for part, entry in found.values()),
            *(document_of(part.document, [], [benchmark]) for part, benchmark in foreign.values()),
        ]
    )
    run = parse_run(paths[0], document)
    first = next(iter(run.cells.values())).record.provenance.model_copy(update={"created": run.created})
    records = [cell.record for cell in run.cells.values()]
    return Merged(document, first, tuple(_notes(records)), tuple(_missing(records)))


def _read(path: Path) -> _Part:
    document = read_json(path, _REMEDY)
    return _Part(path, document, parse_run(path, document))


def _check_commits(parts: Sequence[_Part]) -> None:
    first: tuple[Path, tuple[object, ...], str] | None = None
    for part in parts:
        for cell in part.run.cells.values():
            state, words = _commit(cell.record.provenance.git)
            first = first or (part.path, state, words)
            if state != first[1]:
                raise TrackInputError(
                    f"{first[0]} is of {first[2]} and {part.path} of {words}, and a run is of one; "
                    "merge parts of the same commit."
                )


def _commit(git: Git | Absent) -> tuple[tuple[object, ...], str]:
    """What must agree, and what to call it."""
    if isinstance(git, Absent):
        return (None,), "no known commit"
    dirty = f" with uncommitted changes {(git.diff_sha256 or 'that are not known')[:12]}" if git.dirty else ""
    return (git.sha, git.dirty, git.diff_sha256), f"commit {git.sha[:12]}{dirty}"


def _source(record: Mapping[str, Any]) -> str:
    """The id of the run that measured a raw record."""
    provenance = record["provenance"]
    return str(provenance.get("merged_from") or provenance["run_id"])


def _belonging(entry: CellEntry, run_id: str | None) -> CellEntry:
    """A copy of a cell whose record belongs to the run `run_id`; None: to the one that measured it."""
    source = _source(entry.record)
    update = {"run_id": run_id or source, "merged_from": source if run_id else None}
    return replace(entry, record={**entry.record, "provenance": {**entry.record["provenance"], **update}})


def _content(entry: CellEntry) -> dict[str, Any]:
    """What two entries must have in common to be the same measurement, wherever either was merged to since."""
    return document_of({}, [_belonging(entry, None)])


def _notes(records: Iterable[Record]) -> Iterable[str]:
    provenances = [record.provenance for record in records]
    machines = {provenance.machine.fingerprint: provenance.machine.preimage for provenance in provenances}
    if len(machines) > 1:
        keys = sorted({key for preimage in machines.values() for key in preimage})
        differing = [key for key in keys if len({preimage.get(key) for preimage in machines.values()}) > 1]
        yield (
            f"The cells were measured on {len(machines)} different machines ({', '.join(differing)}): every record "
            "says on which, and time and power are compared within one only."
        )
    versions = [provenance.versions for provenance in provenances]
    packages = sorted({package for found in versions for package in found})
    if unequal := [package for package in packages if len({found.get(package) for found in versions}) > 1]:
        yield f"The cells were measured with different versions of {', '.join(unequal)}: every record says which."


def _missing(records: Sequence[Record]) -> Iterable[str]:
    """Sentences on shards that lack cells: cells go round the shards in turn, so sizes never rise and differ by one."""
    shards: dict[int, Counter[int]] = defaultdict(Counter)
    for record in records:
        part, _, parts = (record.provenance.shard or "").partition("/")
        if part.isdecimal() and parts.isdecimal():
            shards[int(parts)][int(part)] += 1
    for count, sizes in sorted(shards.items()):
        largest = max(sizes.values())
        last = max(index for index, size in sizes.items() if size == largest)
        for index in range(1, count + 1 if largest > 1 else last):
            if sizes[index] < (largest if index < last else largest - 1):
                few = f"has only {sizes[index]} of its cells in" if sizes[index] else "is not among"
                yield f"Shard {index}/{count} {few} the files: cells are missing from the merged run."
