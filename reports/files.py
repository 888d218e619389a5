"""Files and folders of a report, written whole: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from inflor_bench.errors import ReportInputError
from inflor_bench.files import remove_leftovers, temporary_path, write_whole


def write(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by their paths under `out`; text is UTF-8. They are not synced: pages are built again from runs.

    Raises:
        ReportInputError: A file cannot be written.
    """
    try:
        for name, content in sorted(files.items()):
            remove_leftovers(out / name)
            write_whole(out / name, content.encode("utf-8") if isinstance(content, str) else content, synced=False)
    except OSError as error:
        raise ReportInputError(
            f"{out}: the report cannot be written ({error.strerror or error}); give a directory that can be written."
        ) from None


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give an empty folder to build in, which then takes the place of `folder`. Where building fails that one stays.

    Raises:
        ReportInputError: The folder cannot be replaced.
    """
    new, old = (temporary_path(folder, which) for which in ("new", "old"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        raise ReportInputError(
            f"{folder}: cannot be replaced ({error.strerror or error}); give a directory that can be written."
        ) from None
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
