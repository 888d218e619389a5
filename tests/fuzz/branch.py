"""A history on a branch of git, of which one object is damaged: a run, a list of files, the commit, or their bytes.

The repository is written object by object, as git itself would refuse to make most of these.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from inflor_bench.errors import TrackInputError
from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.cache import Damaged, load_runs
from inflor_bench.history.check import examine
from inflor_bench.history.history import add_run, newest_comparable
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data.summaries import read_summaries
from tests.fuzz import mutate

_BRANCH = "bench-data"
_MACHINE = "0123456789ab"
_RUN = "20261125T000000Z_aaaaaaaaaaaa_0123456789ab.json"
_WHOLE = b"run\n"
_KINDS = ("run", "files", "directories", "commit", "stored")
_OWN = {"HEAD", "config", "objects", "refs", "logs"}  # what git keeps in a bare repository
_COMMIT = (
    "tree {tree}\nauthor A <a@localhost> 1700000000 +0000\ncommitter A <a@localhost> 1700000000 +0000\n\nAdd a run\n"
)


def damaged(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """The kind of what is damaged, a line's end, and its content."""
    kind = rng.choice(_KINDS)
    runs = [seed.removeprefix(_WHOLE) for seed in seeds]
    run = runs[0]
    files = _files_of(_named("blob", run))
    whole = {
        "files": files,
        "directories": _directories_of(_named("tree", files), _named("blob", run)),
        "commit": _COMMIT.format(tree="0" * 40).encode(),
        "stored": _stored("blob", run),
    }
    content = mutate.json_text(rng, runs) if kind == "run" else mutate.raw(rng, [whole[kind]])
    return kind.encode() + b"\n" + content


def whole(run: bytes) -> bytes:
    """Nothing damaged, in the same form."""
    return _WHOLE + run


def read(path: Path, run: bytes, good: Run, repository: Path, number: int) -> None:
    """Read such a branch in every way, and write to it now and then.

    Args:
        path: What `damaged` made.
        run: The content of the run file that is damaged in it, or stands beside what is.
        good: A run to compare with and to add.
        repository: Where the repository is made.
        number: The number of the input.
    """
    kind, content = path.read_bytes().split(b"\n", 1)
    _write(repository, kind.decode(), content, run)
    before = sorted(repository.parent.iterdir())
    store = HistoryBranch(repository, _BRANCH)
    loaded = load_runs(store, None)
    if kind in (b"run", b"stored"):
        assert len(loaded.runs) + len(loaded.damaged) == 3, "a file is read, or named"
    found = newest_comparable(store, good)
    assert found.run is None or loaded.runs
    examination = examine(store)
    assert examination.readable <= len(loaded.runs)
    read_summaries(store, besides=good)
    try:
        with patch.object(tempfile, "tempdir", str(repository.parent)):
            _change(store, good, examination.damaged, number)
    finally:
        # Git's own processes are not watched; what they could have left is.
        assert sorted(repository.parent.iterdir()) == before
        assert {place.name for place in repository.iterdir()} <= _OWN
    if loaded.damaged and not loaded.runs:
        raise TrackInputError("; ".join(item.reason for item in loaded.damaged))


def _change(store: HistoryBranch, good: Run, bad: Sequence[Damaged], number: int) -> None:
    if number % 5 == 0:
        add_run(store, good.path)
        assert good.run_id in {run.run_id for run in load_runs(store, None).runs}
    if number % 5 == 1 and bad:
        gone = {item.name for item in bad}
        store.set_aside([entry for entry in store.entries() if entry.name in gone])
        assert not gone & {entry.name for entry in store.entries()}


def _write(repository: Path, kind: str, content: bytes, run: bytes) -> None:
    """Make the repository anew, with this content in the place of the object of this kind."""
    shutil.rmtree(repository, ignore_errors=True)
    for directory in ("objects", "refs/heads"):
        (repository / directory).mkdir(parents=True)
    (repository / "HEAD").write_text("ref: refs/heads/main\n")
    (repository / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")

    def made(of: str, whole: bytes, name: str) -> str:
        return _put(repository, of, content if kind == name else whole)

    whole_run = _put(repository, "blob", run)
    blob = made("blob", run, "run")
    files = made("tree", _files_of(blob), "files")
    directories = made("tree", _directories_of(files, whole_run), "directories")
    given = content.replace(b"0" * 40, directories.encode()) if kind == "commit" else b""
    commit = _put(repository, "commit", given or _COMMIT.format(tree=directories).encode())
    if kind == "stored":
        _place(repository, blob).write_bytes(content)
    (repository / "refs" / "heads" / _BRANCH).write_text(f"{commit}\n")


def _files_of(blob: str) -> bytes:
    return _entry("100644", "-rf \n.json", blob) + _entry("100644", _RUN, blob)


def _directories_of(files: str, blob: str) -> bytes:
    return _entry("40000", _MACHINE, files) + _entry("120000", "link.json", blob) + _entry("100644", "top.json", blob)


def _entry(mode: str, name: str, of: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(of)


def _named(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _stored(kind: str, content: bytes) -> bytes:
    return zlib.compress(f"{kind} {len(content)}\0".encode() + content)


def _place(repository: Path, name: str) -> Path:
    return repository / "objects" / name[:2] / name[2:]


def _put(repository: Path, kind: str, content: bytes) -> str:
    """Store an object of git, and return its name."""
    name = _named(kind, content)
    place = _place(repository, name)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(_stored(kind, content))
    return name
