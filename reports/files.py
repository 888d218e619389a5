"""Files written whole: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from reports.errors import ReportInputError


def write(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by their paths under `out`; text is UTF-8.

    Raises:
        ReportInputError: A file cannot be written.
    """
    try:
        for name, content in sorted(files.items()):
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            temporary.replace(path)
    except OSError as error:
        raise ReportInputError(
            f"{out}: the report cannot be written ({error.strerror or error}); give a directory that can be written."
        ) from None
