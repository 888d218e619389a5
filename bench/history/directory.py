"""Where a history lies: a directory of run files here, a branch of git in `branch`.

A run file lies at `<machine_fp>/<UTC>_<sha12>_<run_id>.json`, or at the top under any name that ends in `.json`.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from inflor_bench.errors import TrackInputError
from inflor_bench.files import parse_json, read_bytes, writable, write_text
from inflor_bench.lock import take_lock
from inflor_bench.text import file_name

# What a directory is held for takes seconds; reading the whole of a large history anew, minutes.
LOCKED_SECONDS = 600.0

SET_ASIDE = "damaged"  # where files that cannot be read are moved to
_REMEDY = "measure again, or set it aside by `inflor-bench history doctor --set-aside`"


@dataclass(frozen=True)
class StoredFile:
    """A run file of a history: its name there, how messages name it, and what is another as soon as its content is."""

    name: str
    path: Path
    state: str
    size: int


@dataclass(frozen=True)
class Stranger:
    """What lies in a history and is no run file: its name, and the sentence that says what it is."""

    name: str
    what: str


class Store(Protocol):
    """A place that holds a history. `title` names it in messages; `key` is its own among all places of this machine."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102

    def exists(self) -> bool:
        """Say whether there is such a place at all; one that is not there is an empty history."""

    def entries(self) -> list[StoredFile]:
        """Return the run files, by name."""

    def strangers(self) -> list[Stranger]:
        """Return what else lies there: leftovers of stopped runs, what was set aside, links."""

    def read(self, entries: Iterable[StoredFile]) -> Iterator[tuple[StoredFile, bytes | TrackInputError]]:
        """Yield the content of run files in their order; an error in the place of one that cannot be read."""

    def add(self, name: str, content: str) -> bool:
        """Add a run file; False if it is there already.

        Raises:
            TrackInputError: There is another content under this name, the run is there under another name, or the
                place cannot be written.
        """

    def set_aside(self, entries: Iterable[StoredFile]) -> Mapping[str, str]:
        """Move files that cannot be read out of the history; return their new names."""


def is_run_file(name: str) -> bool:
    """Say whether a path in a history is that of a run file, by its form."""
    path = PurePosixPath(name)
    parent = path.parent.name
    return (
        path.suffix == ".json"
        and len(path.parts) <= 2
        and not path.name.startswith(".")
        and parent != SET_ASIDE
        and not parent.endswith(".cells")
    )


def refuse_another(path: Path, there: bytes, content: str) -> None:
    """Refuse a run whose name is taken, unless what is there says the same, however it is written.

    Raises:
        TrackInputError: The file that is there holds another run, or cannot be read.
    """
    if there != content.encode("utf-8") and parse_json(path, there, _REMEDY) != json.loads(content):
        raise TrackInputError(f"{path}: is there with another content, so nothing was added; measure again.")


def refuse_other(title: str, name: str, there: Iterable[str]) -> None:
    """Refuse a run that is in the history under another name, which its id tells.

    Raises:
        TrackInputError: It is.
    """
    for other in there:
        if other != name and _ending(other) == _ending(name):
            run_id = _ending(name).removesuffix(".json")
            raise TrackInputError(
                f"{title}: holds the run {run_id} as {other}, so {name} was not added; measure again."
            )


def _ending(name: str) -> str:
    """Return what follows the time and the commit: the run id and `.json`."""
    return PurePosixPath(name).name.split("_", 2)[-1]


class HistoryDirectory:
    """A directory of run files. One that is not there is an empty history, until something is added."""

    def __init__(self, directory: Path) -> None:
        """Take a directory.

        Raises:
            TrackInputError: The path is there and is not a directory.
        """
        self.directory = Path(directory)
        if os.path.exists(self.directory) and not os.path.isdir(self.directory):
            raise TrackInputError(f"{self.directory}: is not a directory; give the directory that holds the run files.")

    @property
    def title(self) -> str:
        """The path as it was given."""
        return str(self.directory)

    @property
    def key(self) -> str:
        """The path from the root."""
        return str(self.directory.resolve())

    def exists(self) -> bool:
        """Say whether the directory is there."""
        return os.path.isdir(self.directory)

    def entries(self) -> list[StoredFile]:
        """Return the run files, by name; its state is its size and time."""
        found = []
        for path in self._paths():
            name = self._name(path)
            if is_run_file(name):
                found.append(StoredFile(name, path, *_state(path)))
        return sorted(found, key=lambda entry: entry.name)

    def _paths(self) -> Iterator[Path]:
        """Yield all that lies in the directory and in its directories, except for the cells of a run in progress."""
        for path in _listed(self.directory) if self.exists() else ():
            yield path
            if path.is_dir() and path.suffix != ".cells":
                yield from _listed(path)

    def _name(self, path: Path) -> str:
        return file_name(path.relative_to(self.directory))

    def strangers(self) -> list[Stranger]:
        """Return what stopped runs left, and what was set aside."""
        found = []
        for path in sorted(self._paths()):
            if path.suffix == ".cells" and path.is_dir():
                what = "cells of a run that goes on, or was stopped; the next `inflor-bench run` there finishes it"
            elif path.suffix == ".damaged":
                what = "a cell of a stopped run that could not be read and was set aside"
            elif path.name.startswith(".") and path.suffix == ".tmp":
                what = "a file that was being written; remove it if nothing writes here"
            elif path.parent.name == SET_ASIDE:
                what = "set aside earlier; remove it once nobody needs it"
            else:
                continue
            found.append(Stranger(self._name(path), what))
        return found

    def read(self, entries: Iterable[StoredFile]) -> Iterator[tuple[StoredFile, bytes | TrackInputError]]:
        """Yield the content of run files in their order; an error in the place of one that cannot be read."""
        for entry in entries:
            try:
                yield entry, read_bytes(entry.path, _REMEDY)
            except TrackInputError as error:
                yield entry, error

    def add(self, name: str, content: str) -> bool:
        """Add a run file; see `Store`."""
        path = self.directory / name
        with writable(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory):
            if path.exists():
                refuse_another(path, read_bytes(path, _REMEDY), content)
                return False
            refuse_other(self.title, name, [entry.name for entry in self.entries()])
            write_text(path, content)
        return True

    def set_aside(self, entries: Iterable[StoredFile]) -> Mapping[str, str]:
        """Move files to `damaged/`, each to a name that is free."""
        moved = {}
        place = self.directory / SET_ASIDE
        with writable(self.directory), locked(self.directory):
            for entry in entries:
                target = place / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.exists():
                    target = target.with_name(f"{target.stem}-{secrets.token_hex(4)}.json")
                entry.path.rename(target)
                moved[entry.name] = self._name(target)
        return moved


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:  # it was taken away just now
        return []
    except OSError as error:
        raise TrackInputError(f"{directory}: cannot be listed ({error.strerror}); make it readable.") from None


def _state(path: Path) -> tuple[str, int]:
    try:
        status = path.stat()
    except OSError:  # it just went away, or is a link to nowhere; reading it says so
        return "", 0
    return f"{status.st_size}:{status.st_mtime_ns}", status.st_size


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory among all processes that hold it so; the kernel lets go of it however the process ends.

    Raises:
        TrackInputError: It cannot be opened or locked, or another process held it for `LOCKED_SECONDS`.
    """
    with writable(directory):
        try:
            descriptor = take_lock(directory, os.O_RDONLY, seconds=LOCKED_SECONDS)
        except BlockingIOError:
            raise TrackInputError(
                f"{directory}: another process did not let go of it within {LOCKED_SECONDS:g} s; try again."
            ) from None
    try:
        yield
    finally:
        os.close(descriptor)
