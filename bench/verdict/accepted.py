"""Changes that somebody accepted, written down in a file in the repository: `accepted.toml`.

    [[accepted]]
    cell = "digits/*"       # a glob over cells
    metric = "ac"           # a glob over metrics
    commit = "3f2a9c1"      # the commit that brought the change, by at least 7 digits
    reason = "The stem has twice the channels."

An entry covers the comparison across its commit: the head contains the commit and the base is known not to. Once the
base contains it the entry is spent, so it never hides a later regression; where that is not known it hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from inflor_bench.errors import TrackInputError
from inflor_bench.files import read_text
from inflor_bench.git.repository import Ancestry
from inflor_bench.toml import checked_toml
from inflor_bench.verdict.findings import Finding


class Accepted(BaseModel):
    """One entry of `accepted.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cell: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    commit: str = Field(pattern=r"^[0-9a-f]{7,64}$")
    reason: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    accepted: list[Accepted] = []


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """Read an `accepted.toml`.

    Raises:
        TrackInputError: The file cannot be read, is not TOML, or a key is unknown, missing or wrong.
    """
    text = read_text(Path(path), "correct it, or remove the file to accept nothing")
    return tuple(checked_toml(_File, text, path, TrackInputError).accepted)


def apply_accepted(
    findings: Iterable[Finding], accepted: Sequence[Accepted], base: Ancestry, head: Ancestry
) -> Iterator[Finding]:
    """Turn the regressions that an entry covers into accepted ones; say so where an entry may cover one, or may not."""
    for finding in findings:
        entries = [entry for entry in accepted if finding.verdict == "regressed" and _covers(entry, finding)]
        known = [(entry, head.contains(entry.commit), _had(base, head, entry.commit)) for entry in entries]
        live = next((entry for entry, here, before in known if here and before is False), None)
        unknown = next((entry for entry, here, before in known if here is not False and not before), None)
        if live:
            reason = f"{finding.reason}; accepted in {live.commit[:12]}: {live.reason}"
            yield replace(finding, verdict="accepted", reason=reason)
        elif unknown:
            reason = (
                f"{finding.reason}; not accepted: whether {unknown.commit[:12]} lies between base and head is not "
                "known, fetch the history of both"
            )
            yield replace(finding, reason=reason)
        else:
            yield finding


def _had(base: Ancestry, head: Ancestry, commit: str) -> bool | None:
    """Whether the base has a commit; what stands on a commit is never in it."""
    if head.shas and head.shas[0].startswith(commit) and base.shas and base.shas[0] in head.shas[1:]:
        return False
    return base.contains(commit)


def _covers(entry: Accepted, finding: Finding) -> bool:
    return fnmatchcase(finding.cell, entry.cell) and fnmatchcase(finding.metric, entry.metric)
