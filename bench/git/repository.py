"""What git knows, asked by its command line.

What a run stores of it is enough to compare and report later without a repository: in a shallow clone, after a rebase
(the tree stays the same), or on another machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inflor_bench.git.command import GitError, git, git_line
from inflor_bench.record.origin import Git
from inflor_bench.record.section import Absent

if TYPE_CHECKING:
    from inflor_bench.record.rows import RunRow

_REMOTE = re.compile(
    r"(?:(?:https|ssh)://(?:[^/@\s]*@)?(?P<host>[A-Za-z0-9.-]+)(?::\d+)?/|[\w.-]+@(?P<short>[A-Za-z0-9.-]+):)"
    r"(?P<path>[\w.-]+(?:/[\w.-]+)*/[\w.-]+?)(?:\.git)?/?"
)
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def git_state(directory: Path, *, ignore: Iterable[Path] = ()) -> Git | Absent:
    """Return where the code in a directory stands.

    `first_parent_index` is the number of first-parent ancestors of the commit (0 for a root), None in a shallow clone.
    `base_sha` is the first parent of a merge; on a branch the commit where it left the default branch; else the parent.
    A tree is dirty if a tracked file differs from the commit or a file is neither tracked nor ignored; then
    `diff_sha256` is the hash of all of that.

    Args:
        directory: Any directory of the work tree.
        ignore: Paths whose untracked files do not count: the directory that the runs themselves are written to.

    Returns:
        The state, or `Absent` with git's reason: no git, no repository, no commit.
    """
    try:
        top = Path(os.fsdecode(git(directory, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    except GitError as error:
        return Absent(status="unavailable", reason=f"no git state: {error}")
    try:
        log = git(top, "log", "-1", "--format=%H%x00%T%x00%cI%x00%s", "HEAD", "--")
        sha, tree, committed, message = log.decode("utf-8", "replace").rstrip("\n").split("\0", 3)
        parents = _parents(top, sha)
        shallow = git_line(top, "rev-parse", "--is-shallow-repository") == "true"
        difference = _difference(top, sha, [Path(path).absolute() for path in ignore])
    except GitError as error:
        return Absent(status="unavailable", reason=f"no git state: {error}")
    count = None if shallow else git_line(top, "rev-list", "--first-parent", "--count", sha)
    return Git(
        sha=sha,
        tree=tree,
        parents=parents,
        base_sha=_base(top, sha, parents),
        first_parent_index=int(count) - 1 if count else None,
        branch=git_line(top, "symbolic-ref", "--short", "-q", "HEAD") or None,
        dirty=difference is not None,
        diff_sha256=difference,
        shallow=shallow,
        message=message,
        committed=committed,
    )


def commit_pages(directory: Path) -> str:
    """Return what the addresses of commits' pages begin with, by the remote `origin`; nothing where it has none.

    Remotes by https, ssh or scp's short form are understood; names and passwords in them are left out.
    """
    remote = git_line(directory, "config", "--get", "remote.origin.url") or ""
    match = _REMOTE.fullmatch(remote)
    return f"https://{match['host'] or match['short']}/{match['path']}/commit/" if match else ""


def _parents(top: Path, sha: str) -> list[str]:
    """Return the parents as the commit itself names them: `git log` hides those that a shallow clone lacks."""
    header = git(top, "cat-file", "commit", sha).split(b"\n\n", 1)[0].decode("utf-8", "replace")
    return [line.removeprefix("parent ") for line in header.splitlines() if line.startswith("parent ")]


def _base(top: Path, sha: str, parents: Sequence[str]) -> str | None:
    if len(parents) < 2:
        for branch in _DEFAULT_BRANCHES:
            if git_line(top, "rev-parse", "--verify", "-q", f"{branch}^{{commit}}") is None:
                continue
            base = git_line(top, "merge-base", sha, branch)
            if base and base != sha:
                return base
            break
    return parents[0] if parents else None


def _difference(top: Path, sha: str, ignore: Sequence[Path]) -> str | None:
    """Return the hash of what differs from the commit, None if nothing does. Byte code of Python is no difference."""
    with tempfile.TemporaryDirectory() as directory:
        # `git diff` refreshes the index, which would disturb a git command that the user runs at the same time.
        index = Path(directory) / "index"
        original = top / os.fsdecode(git(top, "rev-parse", "--git-path", "index").removesuffix(b"\n"))
        if original.exists():
            shutil.copy2(original, index)  # by the index's time git knows which files may have changed unseen since
        options = ("--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv")
        submodules = ("--ignore-submodules=none", "--submodule=short")
        tracked = git(top, "diff", *options, *submodules, sha, "--", index=index)
    listing = git(top, "ls-files", "--others", "--exclude-standard", "-z")
    untracked = []
    for raw in sorted(filter(None, listing.split(b"\0"))):
        path = top / os.fsdecode(raw)
        # Python leaves byte code beside what it imports, a model of the user's too, and runs none that is out of date.
        if "__pycache__" not in path.parts and not any(path.is_relative_to(place) for place in ignore):
            untracked.append((raw, path))
    if not tracked and not untracked:
        return None
    digest = hashlib.sha256(tracked)
    for raw, path in untracked:
        digest.update(b"\0untracked\0" + raw + b"\0" + _file_hash(path))
    return digest.hexdigest()


def _file_hash(path: Path) -> bytes:
    if path.is_symlink():
        return hashlib.sha256(os.fsencode(os.readlink(path))).digest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"unreadable"  # a nested repository, or a file that just went away: its name alone counts


@dataclass(frozen=True)
class Ancestry:
    """A commit and those that it stands on, nearest first: shas and trees. `complete` unless history is cut off."""

    shas: tuple[str, ...]
    trees: tuple[str, ...]
    complete: bool

    def contains(self, commit: str) -> bool | None:
        """Say whether a commit, by its sha or the beginning of it, is among them; None if that cannot be known."""
        if any(sha.startswith(commit) for sha in self.shas):
            return True
        return False if self.complete else None


_LONGEST = 20_000


def ancestry(directory: Path, sha: str) -> Ancestry | None:
    """Return a commit and its ancestors, at most 20,000; None where git does not know the commit.

    First parents come before the others: a merge is to be compared with what it was merged into, not with the branch
    that it brought in.
    """
    if not re.fullmatch(r"HEAD|[0-9a-f]{7,64}", sha):  # it may come from a file, and git has options that write
        return None
    try:
        listing = git(directory, "log", "--topo-order", f"--max-count={_LONGEST}", "--format=%H %T %P", sha, "--")
    except GitError:
        return None
    commits = {line[0]: line[1:] for line in map(str.split, listing.decode("ascii", "replace").splitlines())}
    ordered = dict.fromkeys(_first_parents(commits)) | dict.fromkeys(commits)
    shallow = git_line(directory, "rev-parse", "--is-shallow-repository") != "false"
    complete = not shallow and len(commits) < _LONGEST
    return Ancestry(tuple(ordered), tuple(commits[commit][0] for commit in ordered), complete)


def _first_parents(commits: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the first of the commits, its first parent, and so on; they are given with tree and parents."""
    commit = next(iter(commits), None)
    while commit is not None and commit in commits:
        yield commit
        commit = next(iter(commits[commit][1:]), None)


def stored_ancestry(run: Git | RunRow | Absent) -> Ancestry:
    """Return what a run itself says of its ancestry: its commit, parents and base. A root has no others."""
    if isinstance(run, Absent) or run.sha is None:
        return Ancestry((), (), complete=False)
    base = [] if run.base_sha is None else [run.base_sha]
    shas = tuple(dict.fromkeys([run.sha, *run.parents, *base]))
    return Ancestry(shas, () if run.tree is None else (run.tree,), complete=not run.parents)


def known_ancestry(run: Git | RunRow | Absent, repository: Path) -> Ancestry:
    """Return what git knows of a run's ancestry in a directory, and where it knows less, what the run itself says."""
    sha = None if isinstance(run, Absent) else run.sha
    return _join(ancestry(repository, sha) if sha is not None else None, stored_ancestry(run))


def _join(known: Ancestry | None, stored: Ancestry) -> Ancestry:
    """Return what git knows, and what the run itself says where git's history is cut off or git knows nothing."""
    if known is None:
        return stored
    if known.complete:
        return known
    shas = tuple(dict.fromkeys([*known.shas, *stored.shas]))
    return Ancestry(shas, tuple(dict.fromkeys([*known.trees, *stored.trees])), complete=False)
