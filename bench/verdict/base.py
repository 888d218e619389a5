"""Whether a run may be the base of another: what it may not is shown beside it, and never fails it."""

from __future__ import annotations

from dataclasses import dataclass

from inflor_bench.git.repository import Ancestry
from inflor_bench.record.rows import RunRow


@dataclass(frozen=True)
class Standing:
    """Whether a comparison gates, the reason, and how many commits lie between, None where that is not known."""

    gates: bool
    reason: str
    steps: int | None = None


def standing(base: RunRow, head: RunRow, known: Ancestry) -> Standing:
    """Say how a base stands to a head, of whose ancestry `known` is known, its own commit first.

    What gates is a clean run of the same suite, of a commit that the head stands on or of the same tree under another
    commit. A head without git has no ancestry at all, so there any clean run of the same suite does.
    """
    if base.suite and head.suite and base.suite != head.suite:
        return Standing(False, f"a run of another suite, {base.suite}; this one is of {head.suite}")
    if base.dirty:
        return Standing(False, "a run with uncommitted changes")
    if head.sha is None:
        return Standing(True, "the newest run; without git nothing says what this one stands on")
    if base.sha in known.shas:
        steps = known.shas.index(base.sha)
        own = "the commit that was changed here" if head.dirty else "the same commit"
        return Standing(True, "the nearest commit that this one stands on" if steps else own, steps)
    if base.tree in known.trees:
        return Standing(True, "the same tree, rebased")
    says = "says that this commit does not stand" if known.complete else "does not say that this commit stands"
    return Standing(False, f"the newest run; git {says} on it")
