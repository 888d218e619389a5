"""A commit as a directory: in a git worktree, with an environment of its own where its dependencies differ."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.suites.errors import SuiteInputError


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


def _git(directory: Path, *arguments: str) -> str:
    # In a hook these point to the hook's repository; `directory` says which one is meant.
    ignored = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    environment = {key: value for key, value in os.environ.items() if key not in ignored}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            check=True,
            errors="replace",
            env=environment,
        )
    except FileNotFoundError:
        raise SuiteInputError("ab needs git, and git is not installed: install it.") from None
    except subprocess.CalledProcessError as error:
        raise _GitError((error.stderr.strip().splitlines() or ["git failed"])[0].removeprefix("fatal: ")) from None
    return done.stdout.strip()


class _GitError(Exception):
    pass


def top_of(directory: Path) -> Path:
    """Return the top of the repository that a directory is in.

    Raises:
        SuiteInputError: It is in none, or git is not installed.
    """
    try:
        return Path(_git(directory, "rev-parse", "--show-toplevel"))
    except _GitError as error:
        raise SuiteInputError(f"ab compares commits, and {directory} has none ({error}): run it in a clone.") from None


def resolve(top: Path, name: str) -> str:
    """Return the sha of a commit by any name that git knows.

    Raises:
        SuiteInputError: git does not know it.
    """
    try:
        return _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except _GitError:
        shallow = _git(top, "rev-parse", "--is-shallow-repository") == "true"
        one = f"--depth=1 origin {name}" if re.fullmatch("[0-9a-f]{40,64}", name) else "--unshallow"
        remedy = f"in this shallow clone fetch it: git fetch {one}" if shallow else "name one that is"
        raise SuiteInputError(f"{name!r} is no commit of this repository: {remedy}.") from None


@contextmanager
def checked_out(top: Path, commit: str, environments: Path) -> Iterator[Revision]:
    """Give a commit in a worktree, which is gone afterwards; the work tree and index are not touched."""
    with tempfile.TemporaryDirectory(prefix="inflor-bench-ab-") as directory:
        root = Path(directory) / "tree"
        try:
            _git(top, "worktree", "add", "--detach", str(root), commit)
        except _GitError as error:
            raise SuiteInputError(f"The commit {commit[:12]} cannot be checked out: {error}.") from None
        try:
            yield Revision(root, commit, python_for(root, top, environments))
        finally:
            # Where the tree is gone already only git's note of it is left, and a failure here must not hide another.
            with suppress(_GitError):
                _git(top, "worktree", "remove", "--force", str(root))


def python_for(root: Path, top: Path, environments: Path) -> str:
    """Return this Python, or one with the commit's dependencies where they are not those of the work tree."""
    wanted, present = requirements(root), requirements(top)
    return sys.executable if wanted == present else environment(wanted, environments)


def requirements(root: Path) -> list[str]:
    """Return what the project in a directory depends on, sorted; nothing without a pyproject.toml that says so."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
    listed = project.get("dependencies", [])
    return sorted(re.sub(r"\s+", "", str(entry)) if "@" not in str(entry) else str(entry) for entry in listed)


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
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        why = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise SuiteInputError(f"The base's own dependencies cannot be installed ({why}): see {place}.")
    done.touch()
    return str(python)
