"""Git's command line, the same whatever the user configured and whichever hook calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# A user's configuration must not change what is hashed or printed.
_SETTINGS = {
    "core.quotePath": "false",
    "diff.algorithm": "myers",
    "diff.context": "3",
    "diff.ignoreSubmodules": "none",
    "diff.interHunkContext": "0",
    "diff.mnemonicPrefix": "false",
    "diff.noPrefix": "false",
    "diff.orderFile": os.devnull,
    "diff.renames": "false",
    "gc.auto": "0",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "status.showUntrackedFiles": "normal",
}


# Of the longest that is asked of git, a push or fetch over a slow line.
LIMIT_SECONDS = 600.0


class GitError(Exception):
    """What git said, in one line."""


def command(directory: Path, *arguments: str) -> list[str]:
    """Return the command line of git in a directory."""
    settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
    return ["git", "-C", str(directory), *settings, *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return the environment that git gets: without what points it elsewhere, in plain English."""
    # In a hook these point to the hook's repository; the directory says which one is meant.
    ignored = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF")
    kept = {key: value for key, value in os.environ.items() if key not in ignored}
    return kept | {"LC_ALL": "C"} | more


def git(directory: Path, *arguments: str, index: Path | None = None, given: bytes = b"", **more: str) -> bytes:
    """Return what git prints.

    Args:
        directory: Where it runs.
        arguments: Its command and the command's arguments.
        index: An index of its own, so that the user's is left alone.
        given: What it reads from its standard input.
        more: Further variables of its environment.

    Raises:
        GitError: It failed, or cannot be run.
    """
    try:
        done = subprocess.run(
            command(directory, *arguments),
            capture_output=True,
            check=True,
            env=environment(**({"GIT_INDEX_FILE": str(index)} if index else {}), **more),
            input=given,
            timeout=LIMIT_SECONDS,
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} was not done within {LIMIT_SECONDS:g} s") from None
    except OSError as error:
        raise GitError(f"git cannot be run ({error.strerror})") from None
    except subprocess.CalledProcessError as error:
        told = _told(error.stderr) or f"git ended with {error.returncode}"
        if "dubious ownership" in told:
            told += f"; `git config --global --add safe.directory {directory}` allows it"
        raise GitError(told) from None
    return done.stdout


def _told(stderr: bytes) -> str:
    """Return the line that says why: of a rejected push its reason, else the first error, else the first line."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    for line in lines:
        if line.lstrip().startswith("! ["):
            return line.lstrip(" !")
    for line in lines:
        if line.startswith(("fatal: ", "error: ")):
            return line.partition(": ")[2]
    return lines[0] if lines else ""


def git_line(directory: Path, *arguments: str) -> str | None:
    """Return git's answer as one line, None where git says no."""
    try:
        return git(directory, *arguments).decode("utf-8", "replace").strip()
    except GitError:
        return None
