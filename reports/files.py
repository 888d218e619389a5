"""Files written whole: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from reports.errors import ReportInputError


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


def _remove_leftovers(folder: Path, mark: str) -> None:
    """Remove what processes of this machine that were killed while they wrote have left behind."""
    for entry in list(os.scandir(folder)):
        match = re.fullmatch(rf"\..+{re.escape(mark)}(\d+)", entry.name)
        if match and not _is_alive(int(match[1])):
            Path(entry.path).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is, and is another user's
        return True
    return True
