"""A history's branch, brought together with the one of a remote, and pushed.

Run files never change, so two branches that each added some always merge: by name, without a work tree. A push that
another writer beat is fetched, merged and tried again.
"""

from __future__ import annotations

import secrets

from inflor_bench.errors import TrackInputError
from inflor_bench.git.command import GitError, git, git_line
from inflor_bench.history.branch import HistoryBranch, pause

_ATTEMPTS = 20
_DECLINED = "declined"  # by a hook or a rule of the remote, which trying again does not change


def fetch(history: HistoryBranch, remote: str) -> None:
    """Bring what a remote's branch has into the local one: forward if it can be, else by a merge.

    Raises:
        TrackInputError: The remote cannot be read, or holds other content under the name of a run.
    """
    if remote.startswith("-"):
        raise TrackInputError(f"{remote!r} is no remote; give its name, such as origin, or its address.")
    history.refuse_checked_out()
    theirs = _fetched(history, remote)
    for attempt in range(_ATTEMPTS):
        mine = history.resolve(history.ref)
        if theirs is None or (mine and history.is_ancestor(theirs, mine)):
            return
        if mine is None or history.is_ancestor(mine, theirs):
            new = theirs
        else:
            files, differing = history.merged(mine, theirs)
            history.refuse_differing(differing, remote)
            new = history.commit(files, [theirs, mine], f"Merge what {remote} added")
        try:
            history.move(new, mine, f"fetched from {remote}")
        except GitError:  # another process added something here
            pause(attempt)
        else:
            return
    raise TrackInputError(f"{history.branch}: others write it all the time; try again.")


def push(history: HistoryBranch, remote: str) -> None:
    """Push the branch, after a merge with what the remote has, again and again until no other writer was faster.

    Raises:
        TrackInputError: The remote refuses it or cannot be reached. What was added stays on the local branch.
    """
    reason = ""
    for attempt in range(_ATTEMPTS):
        fetch(history, remote)
        try:
            git(history.repository, "push", "-q", remote, f"{history.ref}:{history.ref}")
        except GitError as error:
            reason = str(error)
            if _DECLINED in reason:
                break
            pause(attempt)
        else:
            return
    raise TrackInputError(
        f"{history.branch}: cannot be pushed to {remote} ({reason}); what was added is on the local branch: push that."
    )


def _fetched(history: HistoryBranch, remote: str) -> str | None:
    """Fetch the remote's branch, under no name that anybody else uses, and return its tip; None if it has none."""
    kept = f"refs/inflor-bench/{secrets.token_hex(8)}"
    try:
        if not git(history.repository, "ls-remote", remote, history.ref).strip():
            return None
        git(history.repository, "fetch", "-q", "--no-tags", "--no-write-fetch-head", remote, f"+{history.ref}:{kept}")
        return history.resolve(kept)
    except GitError as error:
        raise TrackInputError(
            f"{history.branch}: cannot be fetched from {remote} ({error}), so nothing is pushed there; try again."
        ) from None
    finally:
        git_line(history.repository, "update-ref", "-d", kept)
