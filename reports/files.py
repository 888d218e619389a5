"""Files and folders written whole: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from inflor_bench.errors import ReportInputError


def write(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by their paths under `out`; text is UTF-8.

    Raises:
        ReportInputError: A file cannot be written.
    """
    mark = f".{socket.gethostname()}."
    try:
        for folder in {(out / name).parent for name in files}:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(folder, mark)
        for name, content in sorted(files.items()):
            path = out / name
            temporary = path.with_name(f".{path.name}{mark}{os.getpid()}")
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            temporary.replace(path)
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
    mark = f".{socket.gethostname()}."
    new, old = (folder.with_name(f".{folder.name}.{which}{mark}{os.getpid()}") for which in ("new", "old"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder.parent, mark)
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


def _remove_leftovers(folder: Path, mark: str) -> None:
    """Remove what processes of this machine that were killed while they wrote have left behind."""
    for entry in list(os.scandir(folder)):
        match = re.fullmatch(rf"\..+{re.escape(mark)}(\d+)", entry.name)
        if match and not _is_alive(int(match[1])):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is, and is another user's
        return True
    return True
