"""Runs: all records of one invocation, in one pytest-benchmark JSON file that other tools can read.

A run file is `{machine_info, commit_info, benchmarks, datetime, version, inflor_bench}`. Each benchmark's `stats` holds
nothing but time; `extra_info["inflor_bench"]` holds the record. Benchmarks without it belong to somebody else and are
ignored on reading. A cell that has no time is no benchmark, so that no program reads one: its record stands in the
file's own `untimed`. While a run is in progress its cells stand as run files of one in a directory beside
the run file to be, so that a killed run keeps what was finished (see `record.open_run`).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from inflor_bench.errors import OtherVersionError, TrackInputError
from inflor_bench.files import parse_json, read_json
from inflor_bench.record.origin import Git, Machine, Provenance
from inflor_bench.record.schema import SCHEMA_VERSION, Record
from inflor_bench.record.section import Absent

EXTRA_KEY = "inflor_bench"
UNTIMED = "untimed"

_REMEDY = "give a run file that `inflor-bench run` wrote, or measure again"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"\d{8}T\d{6}Z_([0-9a-f]{12}|nogit)_[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.json", re.ASCII)


@dataclass(frozen=True)
class CellResult:
    """What one run says of one cell: the record, and the raw latency rounds in s (none where latency is absent)."""

    record: Record
    rounds: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """One run file. `machine` and `git` are those of its first cell; every record holds its own."""

    path: Path
    run_id: str
    created: str
    machine: Machine
    git: Git | Absent
    cells: Mapping[str, CellResult]

    def common(self, key: Literal["suite", "suite_cells", "only", "shard"]) -> str | None:
        """What the provenance of every cell says under a key; None where that is nothing, or not the same."""
        values = {getattr(cell.record.provenance, key) for cell in self.cells.values()}
        return values.pop() if len(values) == 1 else None


def read_run(path: Path) -> Run:
    """Read a run file.

    Raises:
        TrackInputError: One sentence that names the file, the key and the remedy, if the file is missing, damaged,
            foreign, of another schema version or holds a cell twice.
    """
    path = Path(path)
    return parse_run(path, read_json(path, _REMEDY))


def run_of(path: Path, content: bytes) -> Run:
    """Return the run in a file's content; `path` is where it came from. Raises as `read_run`."""
    return parse_run(path, parse_json(path, content, _REMEDY))


def parse_run(path: Path, document: Any) -> Run:
    """Return the run in a parsed document; `path` is where it came from. Raises as `read_run`."""
    cells: dict[str, CellResult] = {}
    try:
        entries = entries_of(document)
    except ValueError as error:
        raise TrackInputError(f"{path}: {error}, so it is no run file; {_REMEDY}.") from None
    for entry in entries:
        record = _parse_record(path, entry.key, entry.record)
        if record.name in cells:
            raise TrackInputError(f"{path}: {entry.key}.name: the cell {record.name!r} is there twice; {_REMEDY}.")
        cells[record.name] = CellResult(record, _rounds(path, entry, record))
    if not cells:
        raise TrackInputError(
            f"{path}: holds no record of ours, neither in `extra_info.{EXTRA_KEY}` of a benchmark nor in "
            f"`{EXTRA_KEY}.{UNTIMED}`; {_REMEDY}."
        )
    cells = dict(sorted(cells.items()))
    run_ids = {cell.record.provenance.run_id for cell in cells.values()}
    if len(run_ids) > 1:
        raise TrackInputError(
            f"{path}: key `provenance.run_id` differs between cells ({', '.join(sorted(run_ids))}); {_REMEDY}."
        )
    first = next(iter(cells.values())).record.provenance
    created = min(cell.record.provenance.created for cell in cells.values())
    return Run(path, first.run_id, created, first.machine, first.git, cells)


@dataclass(frozen=True)
class CellEntry:
    """One cell as it stands in a run document, unchecked: under which key, its record, and the benchmark around it.

    `benchmark` is None for a cell that has no time.
    """

    key: str
    record: Any
    benchmark: Mapping[str, Any] | None


def entries_of(document: Any) -> list[CellEntry]:
    """Return the cells of a run document.

    Raises:
        ValueError: It is none; the message names the key.
    """
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise ValueError("key `benchmarks` holds no list")
    for index, benchmark in enumerate(document["benchmarks"]):
        if not isinstance(benchmark, dict):
            raise ValueError(f"key `benchmarks[{index}]` holds no benchmark")
    own = document.get(EXTRA_KEY, {})
    untimed = own.get(UNTIMED, []) if isinstance(own, dict) else None
    if not isinstance(untimed, list):
        raise ValueError(f"key `{EXTRA_KEY}.{UNTIMED}` holds no list")
    timed = enumerate(document["benchmarks"])
    return [
        *(
            CellEntry(f"benchmarks[{i}].extra_info.{EXTRA_KEY}", _record(entry), entry)
            for i, entry in timed
            if _ours(entry)
        ),
        *(CellEntry(f"{EXTRA_KEY}.{UNTIMED}[{i}]", record, None) for i, record in enumerate(untimed)),
    ]


def foreign_benchmarks(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the benchmarks of a run document that hold no record of ours."""
    return [benchmark for benchmark in document["benchmarks"] if not _ours(benchmark)]


def _ours(benchmark: Mapping[str, Any]) -> bool:
    return _record(benchmark) is not None


def _record(benchmark: Mapping[str, Any]) -> Any:
    extra = benchmark.get("extra_info")
    return extra.get(EXTRA_KEY) if isinstance(extra, dict) else None


def _parse_record(path: Path, key: str, raw: Any) -> Record:
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        remedy = "update inflor-bench" if version > SCHEMA_VERSION else "measure that commit again"
        raise OtherVersionError(
            f"{path}: {key}.schema_version is {version}, and this program reads {SCHEMA_VERSION}; {remedy}."
        )
    try:
        return Record.model_validate(raw, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        location = ".".join([key, *(str(part) for part in first["loc"])])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise TrackInputError(f"{path}: {location}: {first['msg']}{more}; {_REMEDY}.") from None
    except RecursionError:
        raise TrackInputError(f"{path}: {key} is nested too deeply; {_REMEDY}.") from None


def _rounds(path: Path, entry: CellEntry, record: Record) -> tuple[float, ...]:
    if isinstance(record.latency, Absent):
        return ()  # in files of before there is a benchmark of something else that was timed
    if entry.benchmark is None:
        raise TrackInputError(f"{path}: {entry.key}.latency is measured, but its rounds are not there; {_REMEDY}.")
    stats = entry.benchmark.get("stats")
    data = stats.get("data", []) if isinstance(stats, dict) else None
    if isinstance(data, list) and all(
        kind is not bool and issubclass(kind, int | float) for kind in set(map(type, data))
    ):
        with suppress(OverflowError):  # an integer beyond a double
            rounds = tuple(map(float, data))
            if all(map(math.isfinite, rounds)) and min(rounds, default=0.0) >= 0:
                return rounds
    benchmark = entry.key.partition(".")[0]
    raise TrackInputError(f"{path}: key {benchmark}.stats.data holds no list of seconds; {_REMEDY}.")


def cell_document(header: Mapping[str, Any], record: Record, benchmark: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the run document of one cell. `benchmark` is the entry of pytest-benchmark that timed it, if one did."""
    return document_of(header, [CellEntry("", record.model_dump(mode="json"), benchmark)])


def document_of(header: Mapping[str, Any], entries: Iterable[CellEntry], foreign: Iterable[Any] = ()) -> dict[str, Any]:
    """Return a run document with the keys of a header, cells in the order of their names, and foreign benchmarks last.

    What stood around a record whose latency is absent is left out: it timed something else.
    """
    timed: list[dict[str, Any]] = []
    untimed: list[Any] = []
    for entry in sorted(entries, key=lambda entry: entry.record["name"]):
        if entry.benchmark is None or entry.record["latency"]["status"] != "measured":
            untimed.append(entry.record)
            continue
        extra = {**(entry.benchmark.get("extra_info") or {}), EXTRA_KEY: entry.record}
        timed.append({**entry.benchmark, "extra_info": extra})
    others = sorted(foreign, key=lambda benchmark: str(benchmark.get("fullname")))
    return {**header, "benchmarks": [*timed, *others], EXTRA_KEY: {UNTIMED: untimed}}


def merge_documents(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge run documents into one; the order they come in makes no difference.

    The time is the earliest. The rest of the header is that of the document whose first cell comes first.

    Raises:
        TrackInputError: There is nothing to merge, a cell is there twice, or the documents are of different runs.
    """
    ordered = sorted(documents, key=_first_cell)
    if not ordered:
        raise TrackInputError("There is no cell to merge into a run file; measure at least one cell.")
    ours: dict[str, CellEntry] = {}
    for entry in (entry for document in ordered for entry in entries_of(document)):
        name = entry.record["name"]
        if name in ours:
            raise TrackInputError(
                f"The cell {name!r} was measured twice, so the runs cannot be merged; remove one of the two."
            )
        ours[name] = entry
    run_ids = {entry.record["provenance"]["run_id"] for entry in ours.values()}
    if len(run_ids) > 1:
        raise TrackInputError(f"Different runs ({', '.join(sorted(run_ids))}) are not merged; merge cells of one run.")
    header = {**ordered[0], "datetime": min(str(document.get("datetime", "")) for document in ordered)}
    return document_of(header, ours.values(), (each for document in ordered for each in foreign_benchmarks(document)))


def _first_cell(document: Mapping[str, Any]) -> str:
    return min((entry.record["name"] for entry in entries_of(document)), default="\U0010ffff")


def run_path(out_dir: Path, provenance: Provenance) -> Path:
    """Return where a run belongs: `<out>/<machine_fp>/<UTC>_<sha12>_<run_id>.json`.

    Raises:
        TrackInputError: The run id, fingerprint, commit or time cannot be part of a file name.
    """
    git = provenance.git
    commit = git.sha[:12] if isinstance(git, Git) else "nogit"
    for key, value in (("machine.fingerprint", provenance.machine.fingerprint), ("git.sha", commit)):
        _check_name(key, value)
    _check_name("run_id", provenance.run_id)
    return Path(out_dir) / provenance.machine.fingerprint / f"{_utc(provenance)}_{commit}_{provenance.run_id}.json"


def _check_name(key: str, value: str) -> None:
    if not _SAFE.fullmatch(value):
        raise TrackInputError(
            f"provenance.{key} is {value[:80]!r}, which names no file; use letters, digits, dot, dash and underscore."
        )


def _utc(provenance: Provenance) -> str:
    try:
        return in_utc(provenance.created).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError):
        raise TrackInputError(
            f"provenance.created is {provenance.created[:80]!r}, which is no time; give ISO 8601 with an offset."
        ) from None


def in_utc(created: str) -> datetime:
    """Return a time as a record holds it, in UTC; without an offset it is in UTC already.

    Raises:
        ValueError, OverflowError: It is no time.
    """
    time = datetime.fromisoformat(created)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def run_name(run: Run) -> str:
    """Return the name of a run in a history, `<machine_fp>/<UTC>_<sha12>_<run_id>.json`, from checked fields alone.

    Raises:
        TrackInputError: A field cannot be part of such a name.
    """
    provenance = next(iter(run.cells.values())).record.provenance.model_copy(update={"created": run.created})
    name = run_path(Path(), provenance)
    if not _NAME.fullmatch(name.name) or name.parent.suffix == ".cells" or name.parent.name == "damaged":
        raise TrackInputError(
            f"{run.path}: the commit, time and machine make the name {name.as_posix()!r}, which is none of a run; "
            "measure again."
        )
    return name.as_posix()


def cells_dir(path: Path) -> Path:
    """Return the directory that holds the cells of the run file to be at `path` while it is in progress."""
    return path.with_suffix(".cells")


def cell_slug(name: str) -> str:
    """Return a file name for a cell: readable, and different for different cells whatever their names hold."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:80].strip("._")
    return f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
