"""Files: strict JSON and text read with a clear error, and anything written whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from inflor_bench.errors import TrackInputError

# A run of a thousand cells with raw rounds stays below 100 MB; what is larger is not a run file.
MAX_BYTES = 512 * 2**20


def read_bytes(path: Path, remedy: str) -> bytes:
    """Return a file's content.

    Args:
        path: The file.
        remedy: What the user can do about an unreadable file; it ends the error's sentence.

    Raises:
        TrackInputError: The file is missing, not a regular file, unreadable, or larger than `MAX_BYTES`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise TrackInputError(f"{path}: is not a regular file; {remedy}.")
        if status.st_size > MAX_BYTES:
            raise TrackInputError(f"{path}: is larger than {MAX_BYTES // 2**20} MiB; {remedy}.")
        return path.read_bytes()
    except FileNotFoundError:
        raise TrackInputError(f"{path}: does not exist; {remedy}.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, TrackInputError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)  # ValueError: a NUL byte in the path
        raise TrackInputError(f"{path}: cannot be read ({reason}); {remedy}.") from None


def read_text(path: Path, remedy: str) -> str:
    """Return a file's text, as UTF-8. Raises as `read_bytes`, and if it is not UTF-8."""
    return _decoded(path, read_bytes(path, remedy), remedy)


def _decoded(path: Path, content: bytes, remedy: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TrackInputError(f"{path}: is not UTF-8 text (byte {error.start}); {remedy}.") from None


def read_json(path: Path, remedy: str) -> Any:
    """Return the value in a strict JSON file; see `parse_json`.

    Raises:
        TrackInputError: The file cannot be read (see `read_bytes`) or is not strict JSON.
    """
    return parse_json(path, read_bytes(path, remedy), remedy)


def parse_json(path: Path, content: bytes, remedy: str) -> Any:
    """Return the value in a file's content: NaN, Infinity and integers beyond 64 bits, sign included, are refused.

    Raises:
        TrackInputError: It is not UTF-8, or not strict JSON.
    """
    text = _decoded(path, content, remedy)
    if not text.strip():
        raise TrackInputError(f"{path}: is empty; {remedy}.")
    long: list[str] = []

    def integer(digits: str) -> object:
        if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**63:  # no table of Parquet holds it
            long.append(digits)
            return _LONG
        return number

    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_int=integer)
    except RecursionError:
        raise TrackInputError(f"{path}: is nested too deeply for JSON of ours; {remedy}.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise TrackInputError(f"{path}: is damaged or truncated JSON ({where}); {remedy}.") from None
    except ValueError as error:
        raise TrackInputError(f"{path}: is not strict JSON ({error}); {remedy}.") from None
    if long:
        reason = f"{_key_of(_LONG, document)}: {long[0][:20]}... is an integer of more than 64 bits, with its sign"
        raise TrackInputError(f"{path}: is not strict JSON ({reason}); {remedy}.")
    return document


# Stands for an integer that is refused, until its key is known.
_LONG = object()


def _key_of(sought: object, document: object) -> str:
    """Where a value stands in a document, as in benchmarks[0].stats: the first place."""
    rest = [("", document)]
    while rest:
        key, value = rest.pop()
        if value is sought:
            return key or "the whole document"
        if isinstance(value, dict):
            named = [(ascii(name)[1:-1], item) for name, item in value.items()]
            rest.extend((f"{key}.{name}" if key else name, item) for name, item in reversed(named))
        elif isinstance(value, list):
            rest.extend((f"{key}[{i}]", value[i]) for i in reversed(range(len(value))))
    return "a key that is there twice"  # whose second value took its place


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def dumps(document: Any) -> str:
    """Return compact strict JSON, one line."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def write_json(path: Path, document: Any) -> None:
    """Write a document as compact strict JSON, atomically: readers see the old file, or the whole new one.

    Raises:
        TrackInputError: The document holds NaN, infinity or something that is not JSON, or the place cannot be written.
    """
    try:
        text = dumps(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise TrackInputError(f"{path}: cannot be written as strict JSON ({error}); give finite numbers.") from None
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file as `write_whole` does.

    Raises:
        TrackInputError: The place cannot be written.
    """
    with writable(path.parent):
        write_whole(path, text.encode("utf-8"))


def write_whole(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Write a file atomically, by a temporary file beside it and a rename: readers see the old content or the new.

    What is no regular file, such as /dev/stdout or a named pipe, is written into and never replaced. What is not
    `synced` may be lost if the machine crashes: that is for what is made again in no time.

    Raises:
        OSError: The place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_bytes(content)
        return
    temporary = temporary_path(path, secrets.token_hex(8))
    try:
        with temporary.open("xb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if synced:
        sync_directory(path.parent)


def temporary_path(path: Path, mark: str) -> Path:
    """Where this process makes what becomes `path`: beside it, by a name that tells whose it is."""
    return path.with_name(f"{_beginning(path)}{socket.gethostname()}.{os.getpid()}.{mark}.tmp")


def _beginning(path: Path) -> str:
    return f".{os.fsdecode(os.fsencode(path.name)[:100])}."


def remove_leftovers(path: Path, *, held: bool = False) -> None:
    """Remove what processes that were killed while they made `path`, a file or a folder, have left beside it.

    Only those of this machine are known to be gone; where nobody else can be at it now, it is `held`, and all go.

    Raises:
        OSError: Something cannot be removed.
    """
    for leftover in path.parent.glob(f"{glob.escape(_beginning(path))}*.tmp"):
        host, process, *_ = leftover.name.removeprefix(_beginning(path)).rsplit(".", 3)
        if process.isdecimal() and (held or (host == socket.gethostname() and not _is_alive(int(process)))):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is, and is another user's
        return True
    return True


def sync_directory(directory: Path) -> None:
    """Make a rename in the directory durable, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Turn an OSError in the block into one sentence that names the directory."""
    try:
        yield
    except OSError as error:
        raise TrackInputError(
            f"{directory}: cannot be written ({error.strerror or error}); give a writable output directory."
        ) from None
