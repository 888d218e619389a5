"""A history as two tables, runs and records, which a cache of Parquet files keeps from call to call.

The cache is no truth: it may be deleted at any time, and what cannot be used of it is made anew. Only files that are
new or changed are read. Processes that use it at once take turns. A file that cannot be read is never kept, so it is
read and named each time.

    tables = load_tables(open_history("bench-data"), Path("cache"))
    tables.records.to_pandas()
"""

from __future__ import annotations

import dataclasses
import io
import os
import secrets
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from hashlib import sha256
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from inflor_bench.errors import OtherVersionError, TrackInputError
from inflor_bench.files import remove_leftovers, writable, write_whole
from inflor_bench.history.directory import Store, StoredFile, locked
from inflor_bench.record.rows import RecordRow, Rows, RunRow, rows_of
from inflor_bench.record.run_file import run_of
from inflor_bench.record.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

_FORMAT = 2
_NAMES = ("runs", "records")
_KINDS = (RunRow, RecordRow)
_POOLED = 64  # with fewer files to read, starting processes takes longer than they save
_AT_ONCE = 256  # files whose content is in memory
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Damaged:
    """A file of the history that cannot be read, and the sentence that says why."""

    name: str
    path: Path
    reason: str
    other_version: bool = False


@dataclasses.dataclass(frozen=True)
class Tables:
    """A history as tables of pyarrow, the files that cannot be read, and what is to be said of the cache."""

    runs: pa.Table
    records: pa.Table
    damaged: tuple[Damaged, ...] = ()
    note: str | None = None

    def run_rows(self) -> list[RunRow]:
        """Return the runs, oldest first."""
        return _in_order(_rows(RunRow, self.runs))

    def record_rows(self) -> dict[str, list[RecordRow]]:
        """Return the records by the name of their file."""
        found: dict[str, list[RecordRow]] = {}
        for row in _rows(RecordRow, self.records):
            found.setdefault(row.file, []).append(row)
        return found

    def cells(self) -> dict[str, set[str]]:
        """Return the names of the cells by the name of their file."""
        found: dict[str, set[str]] = {}
        for file, cell in zip(self.records["file"].to_pylist(), self.records["cell"].to_pylist(), strict=True):
            found.setdefault(file, set()).add(cell)
        return found

    @property
    def _all(self) -> tuple[pa.Table, pa.Table]:
        return self.runs, self.records


@dataclasses.dataclass(frozen=True)
class Listing:
    """The runs of a history alone, oldest first, the files that cannot be read, and what is to be said of the cache."""

    runs: Sequence[RunRow]
    damaged: tuple[Damaged, ...] = ()
    note: str | None = None


def load_runs(
    store: Store, cache: Path | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Listing:
    """As `load_tables`, of the runs alone. Without pyarrow there is no cache, and every file is read."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return _listed(store, progress)
    tables = load_tables(store, cache, progress)
    return Listing(tables.run_rows(), tables.damaged, tables.note)


def _listed(store: Store, progress: Callable[[int, int], None]) -> Listing:
    entries = store.entries()
    runs, damaged = [], []
    with closing(_read_all(store, entries, _read_rows)) as results:
        for done, result in enumerate(results, 1):
            progress(done, len(entries))
            if isinstance(result, Damaged):
                damaged.append(result)
            else:
                fields = (getattr(result.run, field.name) for field in dataclasses.fields(RunRow))
                runs.append(RunRow(*map(_whole, fields)))
    return Listing(_in_order(runs), tuple(damaged))


def _in_order(runs: Iterable[RunRow]) -> list[RunRow]:
    return sorted(runs, key=lambda row: (row.order, row.file))


def load_tables(
    store: Store, cache: Path | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Tables:
    """Return a history as tables.

    Args:
        store: Where the history lies.
        cache: The directory of all caches; None to read every file.
        progress: Is told how many of the files that have to be read are read.

    Raises:
        TrackInputError: The place of the history cannot be read at all.
    """
    if cache is None:
        return _refreshed(store, _empty(), progress)
    place = cache / "history" / sha256(store.key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    with ExitStack() as held:
        try:
            with writable(place):
                place.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(place))
        except TrackInputError as error:
            return dataclasses.replace(_refreshed(store, _empty(), progress), note=f"No cache was used: {error}")
        old = _read_cache(place)
        new = _refreshed(store, old, progress)
        if new.runs is not old.runs:
            try:
                _write_cache(place, new)
            except TrackInputError as error:
                return dataclasses.replace(new, note=f"The cache was not written: {error}")
        return new


def _refreshed(store: Store, old: Tables, progress: Callable[[int, int], None]) -> Tables:
    """Return tables of what is in the store now: rows of unchanged files as they are, those of the others read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    entries = store.entries()
    known = dict(zip(old.runs["file"].to_pylist(), old.runs["state"].to_pylist(), strict=True))
    fresh = [entry for entry in entries if known.get(entry.name) != entry.state]
    kept = [entry.name for entry in entries if known.get(entry.name) == entry.state]
    parts: list[tuple[pa.Table, ...]] = []
    damaged = []
    with closing(_read_all(store, fresh, _read_tables)) as results:
        for done, result in enumerate(results, 1):
            progress(done, len(fresh))
            if isinstance(result, Damaged):
                damaged.append(result)
            else:
                parts.append(result)
    if not parts and len(kept) == len(known):
        return dataclasses.replace(old, damaged=tuple(damaged))
    if len(kept) < len(known):
        here = pa.array(kept, pa.string())
        parts.append(tuple(table.filter(pc.is_in(table["file"], value_set=here)) for table in old._all))
    else:
        parts.append(old._all)
    runs, records = (pa.concat_tables(tables).combine_chunks() for tables in zip(*parts, strict=True))
    return Tables(runs, records, tuple(damaged), old.note)


def _read_all(
    store: Store, entries: Sequence[StoredFile], read: Callable[[tuple[StoredFile, bytes | TrackInputError]], T]
) -> Generator[T, None, None]:
    contents = store.read(entries)
    workers = os.cpu_count() or 1
    if len(entries) < _POOLED or workers < 2 or not hasattr(signal, "pthread_sigmask"):
        yield from map(read, contents)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        while batch := list(islice(contents, _AT_ONCE)):
            with _ctrl_c_is_ours():
                results = pool.map(read, batch, chunksize=8)
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: one that it ends while it writes a result is waited for forever."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_rows(given: tuple[StoredFile, bytes | TrackInputError]) -> Rows | Damaged:
    """Return the rows of one run file, or why it cannot be read."""
    entry, content = given
    try:
        if isinstance(content, TrackInputError):
            raise content
        return rows_of(run_of(entry.path, content), entry.name, entry.state, content)
    except TrackInputError as error:
        return Damaged(entry.name, entry.path, str(error), isinstance(error, OtherVersionError))


def _read_tables(given: tuple[StoredFile, bytes | TrackInputError]) -> tuple[pa.Table, ...] | Damaged:
    """Return the tables of one run file, or why it cannot be read."""
    rows = _read_rows(given)
    if isinstance(rows, Damaged):
        return rows
    return tuple(map(_table, _KINDS, ([rows.run], rows.records)))  # type: ignore[arg-type]


@cache
def _schema(kind: type) -> pa.Schema:
    import pyarrow as pa

    plain = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    lists = {f"tuple[{name}, ...]": pa.list_(type_) for name, type_ in plain.items()}
    types = plain | {f"{name} | None": type_ for name, type_ in plain.items()} | lists
    about = {b"inflor-bench": f"history cache {_FORMAT}, records {SCHEMA_VERSION}".encode("ascii")}
    return pa.schema([(field.name, types[str(field.type)]) for field in dataclasses.fields(kind)], about)


def _table(kind: type, rows: Iterable[Any]) -> pa.Table:
    import pyarrow as pa

    rows = list(rows)
    schema = _schema(kind)
    columns = [_array([getattr(row, field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # half a character, which JSON can hold and no table
        return pa.array([_whole(value) for value in values], kind)


def _whole(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_whole, value))
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _empty() -> Tables:
    return Tables(*(_table(kind, []) for kind in _KINDS))


def _rows(kind: Callable[..., T], table: pa.Table) -> list[T]:
    columns = [column.to_pylist() for column in table.columns]
    lists = [index for index, field in enumerate(table.schema) if str(field.type).startswith("list")]
    for index in lists:
        columns[index] = [tuple(value) for value in columns[index]]
    return [kind(*values) for values in zip(*columns, strict=True)]


def _read_cache(place: Path) -> Tables:
    """Return what is cached; nothing, and why, where it cannot be used. The caller holds the place."""
    import pyarrow as pa
    import pyarrow.parquet

    if not any((place / f"{name}.parquet").exists() for name in _NAMES):
        return _empty()
    try:
        tables = [
            pyarrow.parquet.read_table(place / f"{name}.parquet", page_checksum_verification=True) for name in _NAMES
        ]
        together = {(table.schema.metadata or {}).get(b"together") for table in tables}
        right = [
            table.schema.equals(_schema(kind))
            and (table.schema.metadata or {}).items() >= _schema(kind).metadata.items()
            for table, kind in zip(tables, _KINDS, strict=True)
        ]
    except (OSError, pa.ArrowException, ValueError) as error:
        return dataclasses.replace(_empty(), note=f"The cache {place} is damaged and was made anew ({_line(error)}).")
    if not all(right):
        return dataclasses.replace(_empty(), note=f"The cache {place} is of another version and was made anew.")
    if len(together) > 1:
        return dataclasses.replace(_empty(), note=f"The cache {place} was left half written and was made anew.")
    return Tables(
        *(table.replace_schema_metadata(_schema(kind).metadata) for table, kind in zip(tables, _KINDS, strict=True))
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _write_cache(place: Path, tables: Tables) -> None:
    """Write the tables, each whole or not at all; a mark that all three share tells which were written together."""
    import pyarrow.parquet

    mark = secrets.token_hex(8).encode("ascii")
    with writable(place):
        for name, table in zip(_NAMES, tables._all, strict=True):
            path, content = place / f"{name}.parquet", io.BytesIO()
            marked = table.replace_schema_metadata({**table.schema.metadata, b"together": mark})
            pyarrow.parquet.write_table(marked, content, compression="zstd", write_page_checksum=True)
            remove_leftovers(path, held=True)
            write_whole(path, content.getvalue(), synced=False)
