"""A cell of a run file, as commands take it: FILE, FILE:CELL, or CELL where the file is said already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inflor_bench.record.schema import Record


def records_of(path: Path) -> list[Record]:
    """The records of a run file."""
    from inflor_bench.record.run_file import read_run

    return [cell.record for cell in read_run(path).cells.values()]


def record_of(said: str, beside: Path | None = None) -> tuple[Path, Record]:
    """The record that is named, and its file: FILE, FILE:CELL, or a CELL of the file `beside`.

    Raises:
        TrackInputError: there is no such file or cell, or several.
    """
    from inflor_bench.errors import TrackInputError

    file, separator, name = said.partition(".json:")
    path, wanted = (Path(f"{file}.json"), name) if separator else (Path(said), "")
    if not separator and beside is not None and not path.is_file():
        path, wanted = beside, said
    records = records_of(path)
    found = [record for record in records if wanted in ("", record.name)]
    if len(found) != 1:
        names = ", ".join(record.name for record in records)
        raise TrackInputError(f"{said}: name one cell, as FILE:CELL; {path} holds {names}.")
    return path, found[0]
