"""The search of `git bisect`, step by step, in a worktree of its own: whose HEAD and bisect state are nobody else's."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from inflor_bench.errors import SuiteInputError
from inflor_bench.git.command import GitError, git, git_line

Answer = Literal["good", "bad", "skip"]

# What git writes of the outcome into its log of a search: one commit, or several where those between were skipped.
_FOUND = re.compile(r"^# (?:possible )?first bad commit: \[([0-9a-f]{40,64})\]", re.MULTILINE)


def first_bad(top: Path, good: str, bad: str, ask: Callable[[str], Answer]) -> list[str]:
    """Return the first bad commit between two; all that it may be, where commits were skipped.

    Args:
        top: The repository, of which no file, index, HEAD or bisect state is touched.
        good: A commit, by its sha, that the bad one stands on.
        bad: A commit, by its sha.
        ask: Says of a commit whether it is good or bad, or "skip" where that cannot be known.

    Raises:
        SuiteInputError: The bad commit does not stand on the good one, or git cannot search.
    """
    if good == bad or git_line(top, "merge-base", "--is-ancestor", good, bad) is None:
        raise SuiteInputError(f"{bad[:12]} does not stand on {good[:12]}: name an earlier commit that was good first.")
    with tempfile.TemporaryDirectory(prefix="inflor-bench-bisect-") as directory:
        place = Path(directory) / "state"  # without files: commits are checked out where they are measured
        try:
            git(top, "worktree", "add", "--detach", "--no-checkout", str(place), bad)
            try:
                git(place, "bisect", "start", "--no-checkout", bad, good)
                while not (found := _FOUND.findall(_log(place))):
                    _step(place, ask)
                return found
            finally:
                # A failure here must not hide another.
                with suppress(GitError):
                    git(top, "worktree", "remove", "--force", str(place))
        except GitError as error:
            raise SuiteInputError(f"git cannot search between {good[:12]} and {bad[:12]}: {error}.") from None


def _step(place: Path, ask: Callable[[str], Answer]) -> None:
    before = _log(place)
    commit = git(place, "rev-parse", "--verify", "BISECT_HEAD").decode("ascii").strip()
    answer = ask(commit)
    try:
        git(place, "bisect", answer, commit)
    except GitError:  # git ends so where only skipped commits are left, which its log says, too
        if _log(place) == before:
            raise


def _log(place: Path) -> str:
    return git(place, "bisect", "log").decode("utf-8", "replace")


def steps_at_most(top: Path, good: str, bad: str) -> int:
    """Return how many commits are asked about if none is skipped."""
    between = git_line(top, "rev-list", "--count", f"{good}..{bad}") or "0"
    return max(0, int(between) - 1).bit_length()
