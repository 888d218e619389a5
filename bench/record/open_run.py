"""Runs in progress: every cell is on disk the moment it is measured, and what a killed run left is finished later.

A run in progress is a directory of run files of one cell beside the run file to be. The live run holds an flock on its
`.lock`; the kernel lets go of it when the process dies, however it dies. So a lock that can be taken belongs to nobody.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from inflor_bench.errors import TrackInputError
from inflor_bench.files import dumps, read_json, remove_leftovers, sync_directory, writable, write_json
from inflor_bench.lock import take_lock
from inflor_bench.record.origin import Provenance
from inflor_bench.record.run_file import (
    EXTRA_KEY,
    cell_slug,
    cells_dir,
    document_of,
    entries_of,
    foreign_benchmarks,
    merge_documents,
    parse_run,
    run_path,
)

_LOCK = ".lock"


class DamagedFileWarning(UserWarning):
    """A file could not be read and was set aside under another name; nothing else was lost."""


class OpenRun:
    """A run in progress, held by this process (and by those that it forks) until it is closed.

    `cells` is the directory that other processes may write cells to with `write_cell`; `path` is the run file to be.
    """

    def __init__(self, path: Path, cells: Path, lock: int) -> None:
        self.path = path
        self.cells = cells
        self._lock: int | None = lock

    def write_cell(self, document: Mapping[str, Any], *, anew: bool = False) -> Path:
        """Write the run document of one cell; see `write_cell`."""
        return write_cell(self.cells, document, anew=anew)

    def finish(self) -> Path:
        """Merge the cells into the run file, and close. Raises as `finish_run`."""
        try:
            return finish_run(self.cells)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the run. Cells that were not merged stay for `recover_unfinished`."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_run(out_dir: Path, provenance: Provenance) -> OpenRun:
    """Begin a run under `out_dir` and hold its lock.

    Raises:
        TrackInputError: The directory cannot be written, or the run is already in progress.
    """
    path = run_path(out_dir, provenance)
    cells = cells_dir(path)
    if path.exists():
        raise TrackInputError(f"{path}: is a finished run already; give the new run another run id.")
    while True:
        with writable(Path(out_dir)):
            cells.mkdir(parents=True, exist_ok=True)
        try:
            with writable(Path(out_dir)):
                lock = _take_lock(cells)
        except TrackInputError:
            if not cells.exists():  # somebody tidied the empty directory up before it was locked
                continue
            raise
        if lock is not None:
            return OpenRun(path, cells, lock)
        if cells.exists():
            raise TrackInputError(f"{cells}: this run is in progress in another process; give another run id.")


def _take_lock(cells: Path) -> int | None:
    """Return the descriptor that holds the lock; None if a live run holds it, or the directory went away meanwhile."""
    try:
        descriptor = take_lock(cells / _LOCK, os.O_RDWR | os.O_CREAT, seconds=0.0)
    except BlockingIOError:
        return None
    try:
        # Whoever finished the run took the file away with the directory: then this lock guards nothing.
        if os.fstat(descriptor).st_ino == os.stat(cells / _LOCK).st_ino:
            return descriptor
    except FileNotFoundError:
        pass
    os.close(descriptor)
    return None


def write_cell(cells: Path, document: Mapping[str, Any], *, anew: bool = False) -> Path:
    """Write the run document of one cell into a run in progress, atomically. Any process may do it.

    Raises:
        TrackInputError: The document does not hold exactly one valid record, the cell is there already and was not
            measured `anew`, or the directory cannot be written.
    """
    names = [entry.record["name"] for entry in entries_of(document)]
    if len(names) != 1:
        raise TrackInputError(f"{cells}: a cell's document holds one record, and this one {len(names)}; split it.")
    path = cells / f"{cell_slug(names[0])}.json"
    parse_run(path, document)
    if path.exists() and not anew:
        raise TrackInputError(f"{path}: the cell {names[0]!r} was measured before in this run; start a new run.")
    write_json(path, document)
    return path


def finish_run(cells: Path) -> Path:
    """Merge a run's cells into its run file, then remove the directory of the cells. The caller holds the run.

    A cell file that cannot be read is moved beside the run file as `*.damaged`, with a `DamagedFileWarning`. If an
    earlier attempt was killed between writing the run file and removing the cells, doing it again gives the same file.

    Raises:
        TrackInputError: There is no readable cell, a cell is there twice with different content, or the place
            cannot be written.
    """
    cells = Path(cells)
    path = cells.with_suffix(".json")
    entries: dict[str, Any] = {}  # by content, so that what an earlier attempt merged already is no duplicate
    if path.exists():
        document = read_json(path, "move it away, the cells beside it are whole")
        parse_run(path, document)
        entries.update(_split(document))
    for file in sorted(cells.glob("*.json")):
        try:
            document = read_json(file, "measure the cell again")
            parse_run(file, document)
        except TrackInputError as error:
            _set_aside(file, cells.parent / f"{cells.stem}.{file.stem}.damaged", str(error))
        else:
            entries.update(_split(document))
    if entries:
        with writable(path.parent):
            remove_leftovers(path, held=True)  # of the attempt that was killed
        write_json(path, merge_documents(entries.values()))
    with writable(cells.parent):
        shutil.rmtree(cells)
    sync_directory(cells.parent)
    if not entries:
        raise TrackInputError(f"{cells}: holds no readable cell, so there is no run; measure again.")
    return path


def _split(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return one document a cell or foreign benchmark, by its content."""
    cells = [document_of(document, [entry]) for entry in entries_of(document)]
    foreign = [document_of(document, [], [benchmark]) for benchmark in foreign_benchmarks(document)]
    return {dumps([part["benchmarks"], part[EXTRA_KEY]]): part for part in [*cells, *foreign]}


def _set_aside(file: Path, target: Path, error: str) -> None:
    with writable(target.parent):
        file.rename(target)
    warnings.warn(f"{error} It was set aside as {target.name}.", DamagedFileWarning, stacklevel=3)


def recover_unfinished(out_dir: Path) -> list[Path]:
    """Finish the runs under `out_dir` that were killed, and return their run files. Live runs are left alone."""
    finished = []
    for cells in sorted(Path(out_dir).glob("*/*.cells")):
        if not cells.is_dir():
            continue
        with writable(cells):
            lock = _take_lock(cells) if cells.exists() else None
        if lock is None:
            continue
        try:
            finished.append(finish_run(cells))
        except TrackInputError as error:
            if cells.exists():  # its cells are still there and somebody has to look
                warnings.warn(f"{cells}: was not finished: {error}", DamagedFileWarning, stacklevel=2)
        finally:
            os.close(lock)
    return finished
