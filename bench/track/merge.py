"""Merge run files that are parts of one: the shards of a suite, measured by several jobs or machines.

The parts have run ids of their own. The whole gets a new one, which follows from theirs, and every record keeps the id
of the run that measured it. What is ambiguous is refused, and what is missing is said.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.track.errors import TrackInputError
from bench.track.files import dumps, read_json
from bench.track.records import Absent, Git, Provenance, Record
from bench.track.runs import EXTRA_KEY, Run, merge_documents, parse_run, record_of

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
    found: dict[str, tuple[_Part, Mapping[str, Any]]] = {}
    foreign: dict[str, tuple[_Part, Mapping[str, Any]]] = {}
    for part in parts:
        for benchmark in part.document["benchmarks"]:
            record = record_of(benchmark)
            if record is None:
                foreign.setdefault(dumps(benchmark), (part, benchmark))
                continue
            earlier = found.setdefault(record["name"], (part, benchmark))
            if _content(earlier[1]) != _content(benchmark):
                raise TrackInputError(
                    f"{earlier[0].path} and {part.path}: both hold the cell {record['name']!r}, with other results; "
                    "leave one of the two files out."
                )
    sources = sorted({_source(record_of(benchmark)) for _, benchmark in found.values()})
    whole = hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12] if len(sources) > 1 else None
    entries = [(part, _belonging(benchmark, whole)) for part, benchmark in found.values()]
    document = merge_documents(
        {**part.document, "benchmarks": [benchmark]} for part, benchmark in [*entries, *foreign.values()]
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


def _belonging(benchmark: Mapping[str, Any], run_id: str | None) -> dict[str, Any]:
    """A copy of a benchmark whose record belongs to the run `run_id`; None: to the one that measured it."""
    record = record_of(benchmark)
    source = _source(record)
    update = {"run_id": run_id or source, "merged_from": source if run_id else None}
    changed = {**record, "provenance": {**record["provenance"], **update}}
    return {**benchmark, "extra_info": {**benchmark["extra_info"], EXTRA_KEY: changed}}


def _content(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """What two entries must have in common to be the same measurement, wherever either was merged to since."""
    return _belonging(benchmark, None)


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
