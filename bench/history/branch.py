"""A history on a branch of git: read and written by plumbing, so that no work tree, index or HEAD is touched.

A commit is made from an index of its own and becomes the branch's tip only if the tip is still the one that it was made
from; else it is made again. So of two writers at once both land.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from inflor_bench.errors import TrackInputError
from inflor_bench.files import MAX_BYTES
from inflor_bench.git.command import LIMIT_SECONDS, GitError, command, environment, git, git_line
from inflor_bench.history.directory import SET_ASIDE, StoredFile, Stranger, is_run_file, refuse_another, refuse_other
from inflor_bench.text import file_name

_ATTEMPTS = 40
_FILE_MODES = ("100644", "100755")
_REMEDY = "fetch the branch again, or set it aside by `inflor-bench history doctor --set-aside`"
_LACKED, _UNREADABLE = "git lacks it", "git cannot read it"
_NAME = "inflor-bench"
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", _NAME), ("EMAIL", "inflor-bench@localhost"))
}


class File(NamedTuple):
    """A file of a commit."""

    mode: str
    blob: str
    size: int = 0


Files = dict[str, File]
Change = Callable[[Files], Files | None]


class HistoryBranch:
    """A branch of run files in a repository. One that is not there is an empty history, until something is added.

    The branch of this name as last fetched from `origin` belongs to it: where it is ahead of the local one, or there is
    none, it is what is read and built upon; where each has runs that the other lacks, both are.
    """

    def __init__(self, repository: Path, branch: str) -> None:
        """Take a branch by its name.

        Raises:
            TrackInputError: There is no repository, or this is no name of a branch.
        """
        self.repository, self.branch = Path(repository), branch
        self.ref = f"refs/heads/{branch}"
        try:
            common = git(self.repository, "rev-parse", "--git-common-dir")
        except GitError as error:
            raise TrackInputError(f"{branch}: no branch can be read here ({error}); run it in a clone.") from None
        self._common = self.repository / os.fsdecode(common.removesuffix(b"\n"))
        if branch.startswith("-") or git_line(self.repository, "check-ref-format", self.ref) is None:
            raise TrackInputError(f"{branch!r} is no name of a branch; give one such as bench-data.")

    @property
    def title(self) -> str:
        """The branch's name."""
        return self.branch

    @property
    def key(self) -> str:
        """The repository and the branch."""
        return f"{self._common.resolve()}:{self.branch}"

    def exists(self) -> bool:
        """Say whether there is such a branch, here or fetched from `origin`."""
        return bool(self.tips())

    def tips(self) -> list[str]:
        """Return the commits that are the history now: the local one, or that of `origin`, or both.

        Raises:
            TrackInputError: One is named, but damaged or lost.
        """
        fetched_ref = f"refs/remotes/origin/{self.branch}"
        local, fetched = self.resolve(self.ref), self.resolve(fetched_ref)
        for ref, commit in ((self.ref, local), (fetched_ref, fetched)):
            if commit is None and git_line(self.repository, "rev-parse", "--verify", "-q", ref) is not None:
                raise TrackInputError(
                    f"{self.branch}: its commit is damaged or lost; delete it by `git update-ref -d {ref}`, and fetch "
                    "it again."
                )
        if local is None or fetched is None:
            return [commit for commit in (local, fetched) if commit is not None]
        if self.is_ancestor(local, fetched):
            return [fetched]
        return [local] if self.is_ancestor(fetched, local) else [local, fetched]

    def resolve(self, name: str) -> str | None:
        """Return the commit of a ref, None if there is none."""
        return git_line(self.repository, "rev-parse", "--verify", "-q", f"{name}^{{commit}}")

    def is_ancestor(self, old: str, new: str) -> bool:
        """Say whether a commit is another or stands behind it."""
        return old == new or git_line(self.repository, "merge-base", "--is-ancestor", old, new) is not None

    def files(self, commit: str | None) -> Files:
        """Return all files of a commit, by name; none where there is no commit."""
        if commit is None:
            return {}
        try:
            listing = git(self.repository, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        except GitError as error:
            raise TrackInputError(f"{self.branch}: cannot be read ({error}); fetch the branch again.") from None
        found = {}
        for line in filter(None, listing.split(b"\0")):
            about, name = line.split(b"\t", 1)
            mode, _, blob, size = about.decode("ascii").split()
            found[os.fsdecode(name)] = File(mode, blob, int(size) if size.isdigit() else 0)
        return found

    def merged(self, mine: str, theirs: str) -> tuple[Files, list[str]]:
        """Return the files of two commits, three ways by name, and the names of those that each has as its own.

        What only one side changed is as that side has it. Of what both changed mine is returned.
        """
        base = self.files(git_line(self.repository, "merge-base", mine, theirs))
        here, there = self.files(mine), self.files(theirs)
        found: Files = {}
        differing = []
        for name in sorted(here.keys() | there.keys()):
            old, left, right = base.get(name), here.get(name), there.get(name)
            if left != right and old not in (left, right):
                differing.append(name)
            chosen = right if old == left else left
            if chosen is not None:
                found[name] = chosen
        return found, differing

    def refuse_differing(self, names: Sequence[str], remote: str) -> None:
        """Refuse to bring together what is two things under one name.

        Raises:
            TrackInputError: There is such a name.
        """
        for name in names:
            raise TrackInputError(
                f"{self.branch}: {file_name(name)} differs between here and {remote}; remove it here or there."
            )

    def _files_now(self, tips: Sequence[str]) -> tuple[Files, list[str]]:
        return self.merged(*tips) if len(tips) == 2 else (self.files(tips[0] if tips else None), [])

    def entries(self) -> list[StoredFile]:
        """Return the run files, by name; their state is their blob."""
        return [
            StoredFile(file_name(name), Path(f"{self.branch}:{file_name(name)}"), file.blob, file.size)
            for name, file in sorted(self._files_now(self.tips())[0].items())
            if file.mode in _FILE_MODES and is_run_file(name)
        ]

    def strangers(self) -> list[Stranger]:
        """Return what was set aside, what is no run file, and what `origin` has another content of."""
        files, differing = self._files_now(self.tips())
        found = [
            Stranger(file_name(name), "differs between here and origin, and that of here is read; remove one of them")
            for name in differing
        ]
        for name, (mode, _, _) in sorted(files.items()):
            if name.startswith(f"{SET_ASIDE}/"):
                found.append(Stranger(file_name(name), "set aside earlier; it stays in git's history if you remove it"))
            elif mode not in _FILE_MODES:
                found.append(Stranger(file_name(name), "no file but a link, which is never followed; remove it"))
            elif name.endswith(".json") and not is_run_file(name):
                found.append(Stranger(file_name(name), "a file at no place of a run; move or remove it"))
        return found

    def read(self, entries: Iterable[StoredFile]) -> Iterator[tuple[StoredFile, bytes | TrackInputError]]:
        """Yield the content of run files in their order; an error in the place of one that cannot be read."""
        blobs = _Blobs(self.repository)
        try:
            for entry in entries:
                yield entry, blobs.read(entry)
        finally:
            blobs.close()

    def add(self, name: str, content: str) -> bool:
        """Add a run file in a commit of its own; see `Store`."""
        blob = self._ask("hash-object", "-w", "--stdin", given=content.encode("utf-8"))

        def change(files: Files) -> Files | None:
            if name in files:
                refuse_another(Path(f"{self.branch}:{name}"), self._content(files[name].blob), content)
                return None
            refuse_other(self.branch, name, files)
            return files | {name: File(_FILE_MODES[0], blob)}

        return self._change(f"Add {name}", change)

    def _content(self, blob: str) -> bytes:
        try:
            return git(self.repository, "cat-file", "blob", blob)
        except GitError as error:
            raise TrackInputError(f"{self.branch}: cannot be read ({error}); {_REMEDY}.") from None

    def set_aside(self, entries: Iterable[StoredFile]) -> Mapping[str, str]:
        """Move files to `damaged/` in one commit."""
        moved: dict[str, str] = {}
        named = {entry.name: entry for entry in entries}

        def change(files: Files) -> Files | None:
            moved.clear()
            for name in sorted(files):
                if file_name(name) in named:
                    target = f"{SET_ASIDE}/{name}"
                    target += f"-{files[name].blob[:8]}" if target in files else ""
                    files[target] = files.pop(name)
                    moved[file_name(name)] = file_name(target)
            return files if moved else None

        self._change("Set damaged files aside", change)
        return moved

    def _change(self, message: str, change: Change) -> bool:
        """Make the branch what `change` makes of its files, however many others write; False if it changes nothing."""
        self.refuse_checked_out()
        reason = ""
        for attempt in range(_ATTEMPTS):
            local, tips = self.resolve(self.ref), self.tips()
            there, differing = self._files_now(tips)
            files = change(there)
            if files is None:
                return False
            self.refuse_differing(differing, "origin")
            made = self.commit(files, tips, message)
            try:
                self.move(made, local, message)
            except GitError as error:  # another writer was first
                reason = str(error)
                pause(attempt)
            else:
                return True
        raise TrackInputError(f"{self.branch}: cannot be written ({reason}); try again.")

    def commit(self, files: Files, parents: Iterable[str], message: str) -> str:
        """Make a commit of exactly these files, from an index of its own, and return it."""
        with tempfile.TemporaryDirectory() as directory:
            index = Path(directory) / "index"
            lines = b"".join(
                " ".join(file[:2]).encode("ascii") + b"\t" + os.fsencode(name) + b"\0" for name, file in files.items()
            )
            self._ask("update-index", "-z", "--index-info", index=index, given=lines)
            # A blob that git lost is named by whoever reads it, and hinders nobody who adds others.
            tree = self._ask("write-tree", "--missing-ok", index=index)
        named = git_line(self.repository, "var", "GIT_COMMITTER_IDENT") and git_line(
            self.repository, "var", "GIT_AUTHOR_IDENT"
        )
        arguments = [part for parent in parents for part in ("-p", parent)]
        return self._ask("commit-tree", tree, *arguments, given=message.encode("utf-8"), more={} if named else _NOBODY)

    def _ask(
        self, *arguments: str, index: Path | None = None, given: bytes = b"", more: Mapping[str, str] | None = None
    ) -> str:
        try:
            return git(self.repository, *arguments, index=index, given=given, **(more or {})).decode("ascii").strip()
        except GitError as error:
            raise TrackInputError(f"{self.branch}: cannot be written ({error}); mend the repository first.") from None

    def move(self, new: str, old: str | None, message: str) -> None:
        """Make a commit the branch's tip if the tip is still the old one (None: if there is no local branch).

        Raises:
            GitError: It is not.
        """
        git(self.repository, "update-ref", "--create-reflog", "-m", message, self.ref, new, old or "")

    def refuse_checked_out(self) -> None:
        """Refuse a branch that is checked out: its work tree would seem to have changed."""
        where = ""
        for line in (git_line(self.repository, "worktree", "list", "--porcelain") or "").splitlines():
            if line.startswith("worktree "):
                where = line.removeprefix("worktree ")
            elif line == f"branch {self.ref}":
                raise TrackInputError(
                    f"{self.branch}: is checked out in {where}, so it is not changed; check out another branch there."
                )


def pause(attempt: int) -> None:
    """Wait a moment that is another for every process, and longer the more often it was lost."""
    time.sleep(random.uniform(0, min(1.0, 0.02 * (attempt + 1))))


def _is_named(blob: str, content: bytes) -> bool:
    """Whether a blob has this content, by the hash that is its name (SHA-1 or SHA-256); `cat-file` does not look."""
    hashed = hashlib.sha1 if len(blob) == 40 else hashlib.sha256
    return hashed(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest() == blob


class _Blobs:
    """One `git cat-file --batch`, started again if a blob ends it."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, entry: StoredFile) -> bytes | TrackInputError:
        """Return a blob's content."""
        if entry.size > MAX_BYTES:
            return TrackInputError(f"{entry.path}: is larger than {MAX_BYTES // 2**20} MiB; {_REMEDY}.")
        used = self._process is not None
        content, reason = self._answer(entry.state)
        if reason == _UNREADABLE and used:  # a blob before may have ended the process, or left something of its own
            content, reason = self._answer(entry.state)
        if reason is None:
            return content
        return TrackInputError(f"{entry.path}: cannot be read ({reason}); {_REMEDY}.")

    def _answer(self, blob: str) -> tuple[bytes, str | None]:
        """A blob's content, and why there is none; what cannot be read ends the process."""
        if self._process is None:
            self._process = subprocess.Popen(
                command(self._repository, "cat-file", "--batch"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
        given, told = self._process.stdin, self._process.stdout
        assert given is not None
        assert told is not None
        limit = threading.Timer(LIMIT_SECONDS, self._process.kill)  # which ends the answer
        limit.start()
        try:
            given.write(blob.encode("ascii") + b"\n")
            given.flush()
            header = told.readline()
            match = re.fullmatch(rb"[0-9a-f]+ blob (\d+)\n", header)
            # Of a damaged blob git gives as many bytes as it likes, fewer or more, before it ends.
            content = told.read(int(match[1]) + 1)[:-1] if match else b""
        except OSError:
            header, match = b"", None
        finally:
            limit.cancel()
        if match and _is_named(blob, content):
            return content, None
        if header == f"{blob} missing\n".encode():
            return b"", _LACKED
        self.close()
        return b"", _UNREADABLE

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                with suppress(OSError):  # what was not yet written, to a process that ended
                    stream.close()
            self._process.kill()
            self._process.wait()
            self._process = None
