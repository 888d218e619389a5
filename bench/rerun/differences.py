"""What differs between a run and its repetition, and what around them may be why. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inflor_bench.metrics import METRICS
from inflor_bench.record.origin import Git, Provenance
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent

# What is the same each time on one kind of machine. Times, power and memory never are; estimates follow from the rest.
EXACT = tuple(
    dict.fromkeys(m.section for m in METRICS.values() if not m.instrument and m.section not in ("model", "energy"))
)


@dataclass(frozen=True)
class Differences:
    """The lines to print, and whether weights or exact figures of a cell differ."""

    lines: tuple[str, ...]
    exact_differ: bool


def differences(before: Run, after: Run) -> Differences:
    """Compare the cells of both that were measured, and the circumstances of the first of them."""
    lines, differ = [], False
    for name in sorted(before.cells.keys() & after.cells.keys()):
        then, now = before.cells[name].record, after.cells[name].record
        found = exact_differences(then, now)
        differ |= bool(found)
        lines.append(f"{name}: {'differs: ' + '; '.join(found) if found else 'the same weights and exact figures'}")
        if not isinstance(then.latency, Absent) and not isinstance(now.latency, Absent):
            lines.append(
                f"{name}: latency {then.latency.median:.4g} s then, {now.latency.median:.4g} s now, which varies"
            )
    around = circumstances(_provenance(before), _provenance(after))
    lines += [f"around it: {line}" for line in around]
    if differ and not around:
        lines.append("Nothing around the runs that a record holds explains it: the computation is not reproducible.")
    elif differ:
        lines.append("What differs around the runs, above, is what may have changed the figures.")
    return Differences(tuple(lines), differ)


def exact_differences(then: Record, now: Record) -> list[str]:
    """What is exact and differs, each with the values where they are short."""
    found = []
    for key, what in (("dataset", "data"), ("weights", "weights")):
        was, is_ = (getattr(record.provenance, key) for record in (then, now))
        if was is not None and is_ is not None and was.sha256 != is_.sha256:
            found.append(f"{what} {was.sha256[:12]} then, {is_.sha256[:12]} now")
    for section in EXACT:
        was, is_ = getattr(then, section), getattr(now, section)
        if was == is_:
            continue
        if isinstance(was, Absent) or isinstance(is_, Absent):
            reasons = [f"absent ({side.reason})" if isinstance(side, Absent) else "measured" for side in (was, is_)]
            found.append(f"{section} {reasons[0]} then, {reasons[1]} now")
        elif section == "accuracy":
            found.append(f"accuracy {was.correct} of {was.n} then, {is_.correct} of {is_.n} now")
        elif section == "synops":
            found.append(f"synops {was.total.ac} AC, {was.total.mac} MAC then, {is_.total.ac}, {is_.total.mac} now")
        else:
            found.append(f"{section} of {_layers(was, is_)}")
    return found


def _layers(was: object, is_: object) -> str:
    """The layers that differ, by name, or how many."""
    then, now = ({layer.name: layer for layer in getattr(side, "layers", ())} for side in (was, is_))
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return ", ".join(names) if 0 < len(names) <= 3 else f"{len(names)} layers"


def _provenance(run: Run) -> Provenance:
    return next(iter(run.cells.values())).record.provenance


def circumstances(then: Provenance, now: Provenance) -> list[str]:
    """What else determines figures and differs: commit, versions, threads, device, machine."""
    found = []
    commits = [_commit(side) for side in (then, now)]
    if commits[0] != commits[1]:
        found.append(f"commit {commits[0]} then, {commits[1]} now")
    elif commits[0] == "without git" or "changes" in commits[0]:
        found.append(f"commit {commits[0]} both times, which says little of the code")
    found += _changed("", then.versions, now.versions)
    for key in ("threads", "device", "settings"):
        was, is_ = getattr(then, key), getattr(now, key)
        if was != is_:
            found.append(f"{key} {was} then, {is_} now")
    skipped = ("threads", "torch", "python")  # told above
    preimages = [
        {key: value for key, value in side.machine.preimage.items() if key not in skipped} for side in (then, now)
    ]
    return found + _changed("machine's ", *preimages)


def _changed(kind: str, was: Mapping[str, str], is_: Mapping[str, str]) -> list[str]:
    return [
        f"{kind}{key} {was.get(key, 'none')} then, {is_.get(key, 'none')} now"
        for key in sorted(was.keys() | is_.keys())
        if was.get(key) != is_.get(key)
    ]


def _commit(side: Provenance) -> str:
    if not isinstance(side.git, Git):
        return "without git"
    return side.git.sha[:12] + (f" with changes {(side.git.diff_sha256 or '')[:12]}" if side.git.dirty else "")
