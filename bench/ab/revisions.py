"""A commit as a directory: in a git worktree, with an environment of its own where its dependencies differ."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inflor_bench.cache import cache_directory
from inflor_bench.errors import SuiteInputError
from inflor_bench.git.command import GitError, git
from inflor_bench.layout import lay_out

# How long pip may take: torch alone is 5 GB.
INSTALL_SECONDS = 3600.0


@dataclass(frozen=True)
class Revision:
    """Where the code of one side stands, its commit (None: the work tree as it is), and the Python that runs it."""

    root: Path
    commit: str | None
    python: str

    @property
    def title(self) -> str:
        """The commit in short, or that it is the work tree."""
        return self.commit[:12] if self.commit else "the work tree"

    @property
    def packages(self) -> Path:
        """Where its packages are imported from."""
        laid_out = self.root.parent / "packages"
        return laid_out if laid_out.is_dir() else self.root

    @property
    def module(self) -> str:
        """Its command line as a module, `bench.cli` before the package was called `inflor_bench`."""
        return "bench.cli" if self.packages == self.root else "inflor_bench"

    @property
    def cache(self) -> Path:
        """Where this side trains into, and nobody else; its native libraries are those of everybody."""
        return self.root.parent / "cache"


def top_of(directory: Path) -> Path:
    """Return the top of the repository that a directory is in.

    Raises:
        SuiteInputError: It is in none, or git is not installed.
    """
    try:
        return Path(_line(directory, "rev-parse", "--show-toplevel"))
    except GitError as error:
        raise SuiteInputError(
            f"ab compares commits, and finds none in {directory} ({error}): run it in a clone."
        ) from None


def resolve(top: Path, name: str) -> str:
    """Return the sha of a commit by any name that git knows.

    Raises:
        SuiteInputError: git does not know it.
    """
    try:
        return _line(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except GitError:
        shallow = _line(top, "rev-parse", "--is-shallow-repository") == "true"
        one = f"--depth=1 origin {name}" if re.fullmatch("[0-9a-f]{40,64}", name) else "--unshallow"
        remedy = f"in this shallow clone fetch it: git fetch {one}" if shallow else "name one that is"
        raise SuiteInputError(f"{name!r} is no commit of this repository: {remedy}.") from None


def _line(directory: Path, *arguments: str) -> str:
    return os.fsdecode(git(directory, *arguments)).strip()


@contextmanager
def checked_out(top: Path, commit: str, environments: Path) -> Iterator[Revision]:
    """Give a commit in a worktree, which is gone afterwards; the work tree and index are not touched."""
    with _worktree(top, commit) as root:
        yield _revision(root, commit, top, environments)


@contextmanager
def frozen(top: Path, environments: Path, ignore: Path) -> Iterator[Revision]:
    """Give a copy of the work tree as it is now, which is gone afterwards: what is edited meanwhile is not in it.

    It is HEAD with the changed files, and those that are neither tracked nor ignored, but for those under `ignore`.

    Raises:
        SuiteInputError: A file cannot be copied.
    """
    with _worktree(top, resolve(top, "HEAD")) as root:
        try:
            for name in _changed(top):
                if not (top / name).is_relative_to(ignore):
                    _copy(top / name, root / name)
        except (GitError, OSError) as error:
            raise SuiteInputError(f"The work tree {top} cannot be copied: {error}.") from None
        yield _revision(root, None, top, environments)


def _revision(root: Path, commit: str | None, top: Path, environments: Path) -> Revision:
    if "inflor_bench" in _project(root).get("tool", {}).get("setuptools", {}).get("package-dir", {}):
        try:
            lay_out(root, root.parent / "packages")
        except OSError as error:
            raise SuiteInputError(f"The packages of {commit or 'the work tree'} cannot be copied: {error}.") from None
    return Revision(root, commit, python_for(root, top, environments))


@contextmanager
def _worktree(top: Path, commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="inflor-bench-ab-") as directory:
        root = Path(directory) / "tree"
        shared = cache_directory().resolve() / "native"
        with suppress(OSError):  # a cache that cannot be written: the side makes its own
            shared.mkdir(parents=True, exist_ok=True)
            (root.parent / "cache").mkdir()
            (root.parent / "cache" / "native").symlink_to(shared)
        try:
            git(top, "worktree", "add", "--detach", str(root), commit)
        except GitError as error:
            raise SuiteInputError(f"The commit {commit[:12]} cannot be checked out: {error}.") from None
        try:
            yield root
        finally:
            # Where the tree is gone already only git's note of it is left, and a failure here must not hide another.
            with suppress(GitError):
                git(top, "worktree", "remove", "--force", str(root))


def _changed(top: Path) -> list[str]:
    """Return the paths where the work tree differs from HEAD, also those that are gone."""
    # Without the lock, a git command that the user runs at the same time is not disturbed.
    tracked = git(top, "diff", "--name-only", "-z", "HEAD", "--", GIT_OPTIONAL_LOCKS="0")
    untracked = git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return [os.fsdecode(name) for name in (tracked + untracked).split(b"\0") if name]


def _copy(path: Path, copy: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # a repository within this one: it is none of its files
        return
    copy.unlink(missing_ok=True)
    if path.is_symlink() or path.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)


def python_for(root: Path, top: Path, environments: Path) -> str:
    """Return this Python, or one with the commit's dependencies where they are not those of the work tree."""
    wanted, present = requirements(root), requirements(top)
    return sys.executable if wanted == present else environment(wanted, environments)


def requirements(root: Path) -> list[str]:
    """Return what the project in a directory depends on, sorted; nothing without a pyproject.toml that says so."""
    listed = _project(root).get("project", {}).get("dependencies", [])
    return sorted(re.sub(r"\s+", "", str(entry)) if "@" not in str(entry) else str(entry) for entry in listed)


def _project(root: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def environment(wanted: list[str], environments: Path) -> str:
    """Return the Python of a virtual environment with these requirements, made if it is not there yet.

    Raises:
        SuiteInputError: pip cannot install them.
    """
    key = hashlib.sha256(json.dumps([sys.version, wanted]).encode()).hexdigest()[:12]
    place = environments / key
    python = place / "bin" / "python"
    done = place / "installed"
    if done.exists():
        return str(python)
    venv.create(place, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    # In a session of its own, so that what pip has started to build ends with it.
    with subprocess.Popen(
        pip, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise SuiteInputError(
                f"The base's own dependencies were not installed within {INSTALL_SECONDS / 60:g} minutes: install "
                f"{', '.join(wanted)} into {place} by its pip, and try again."
            ) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        why = (said.strip().splitlines() or ["pip failed"])[-1]
        raise SuiteInputError(f"The base's own dependencies cannot be installed ({why}): see {place}.")
    done.touch()
    return str(python)
