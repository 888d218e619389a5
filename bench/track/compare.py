"""Compare two runs: did the change make a model less accurate or busier, and where?

Every metric has the rule that its kind allows: counts are exact, accuracy is paired, time and power are judged by
interleaved pairs, and those of separate jobs are shown and not judged. A verdict always has a reason, and "cannot be
told" is a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.track.accepted import Accepted, apply_accepted
from bench.track.accuracy import compare_accuracy, points
from bench.track.budgets import Budget, check_budgets
from bench.track.counts import (
    compare_energy,
    compare_information,
    compare_neuron_ops,
    compare_spikes,
    compare_structure,
    compare_synops,
)
from bench.track.decide import decide
from bench.track.findings import VERDICTS, Finding, Pair, Verdict, percent
from bench.track.git import Ancestry, join, stored_ancestry
from bench.track.records import SECTIONS, Absent, Git, Record
from bench.track.runs import Run
from bench.track.timing import Interleaved, compare_instruments

__all__ = ["VERDICTS", "Comparison", "Finding", "Verdict", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What two runs say about each other: findings, worst first; one sentence a cell; and notes on the runs."""

    base: Run
    head: Run
    findings: tuple[Finding, ...]
    sentences: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many findings have each verdict, worst first."""
        found = Counter(finding.verdict for finding in self.findings)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def regressions(self) -> tuple[Finding, ...]:
        """The findings that fail the comparison."""
        return tuple(finding for finding in self.findings if finding.verdict == "regressed")

    @property
    def exit_code(self) -> int:
        """1 if anything regressed, else 0."""
        return 1 if self.regressions else 0


def compare(
    base: Run,
    head: Run,
    *,
    budgets: Sequence[Budget] | None = None,
    accepted: Sequence[Accepted] = (),
    interleaved: Mapping[str, Interleaved] | None = None,
    ancestries: tuple[Ancestry | None, Ancestry | None] = (None, None),
    count_tolerance: float | None = None,
    only: str | None = None,
) -> Comparison:
    """Compare a run with the one that it should not be worse than.

    Args:
        base: The baseline.
        head: The run to judge.
        budgets: Limits that the head has to keep, whatever the base was.
        accepted: Regressions that somebody accepted.
        interleaved: What pairs of processes measured, by cell.
        ancestries: What git knows of the ancestry of base and head; by default what the runs themselves say.
        count_tolerance: The relative change of counts that A/A runs show on a GPU. On a CPU counts are exact.
        only: A glob: compare these cells only, and miss no others.
    """
    names = sorted(name for name in {*base.cells, *head.cells} if only is None or fnmatchcase(name, only))
    pairs = [
        Pair(name, base.cells[name], head.cells[name]) for name in names if name in base.cells and name in head.cells
    ]
    findings = [_lonely(name, base, head) for name in names if name not in base.cells or name not in head.cells]
    for pair in pairs:
        findings += _compare_cell(pair, count_tolerance, (interleaved or {}).get(pair.cell))
    findings = list(decide(findings))
    present = {name: head.cells[name] for name in names if name in head.cells}
    findings += check_budgets(present, base, budgets or (), findings)
    known = [join(given, stored_ancestry(run.git)) for given, run in zip(ancestries, (base, head), strict=True)]
    findings = sorted(apply_accepted(findings, accepted, *known), key=lambda finding: finding.rank)
    sentences = {pair.cell: _sentence(pair, findings) for pair in pairs}
    return Comparison(base, head, tuple(findings), sentences, _notes(base, head))


def _lonely(name: str, base: Run, head: Run) -> Finding:
    if name in head.cells:
        skipped = _not_measured(head.cells[name].record)
        return Finding(name, "cell", None, "changed", f"a new cell{f', not measured: {skipped}' if skipped else ''}")
    if reason := _not_measured(base.cells[name].record):
        return Finding(name, "cell", None, "changed", f"the cell is gone; the base had not measured it: {reason}")
    return Finding(
        name, "cell", None, "regressed", "the base measured this cell, and the head does not have it any more"
    )


def _not_measured(record: Record) -> str | None:
    """Return why nothing at all was measured of a cell; None if something was."""
    sections = [getattr(record, name) for name in SECTIONS]
    return next(section.reason for section in sections) if all(isinstance(it, Absent) for it in sections) else None


def _compare_cell(pair: Pair, count_tolerance: float | None, interleaved: Interleaved | None) -> list[Finding]:
    missing = _not_measured(pair.base.record), _not_measured(pair.head.record)
    if missing[0] and missing[1]:
        return [pair.finding("cell", "not_comparable", f"not measured in either run: {missing[1]}")]
    if missing[1]:
        return [pair.finding("cell", "regressed", f"not measured any more: {missing[1]}")]
    if missing[0]:
        return [pair.finding("cell", "changed", f"measured now; not at the base: {missing[0]}")]
    counts = compare_spikes(pair, count_tolerance) + compare_synops(pair, count_tolerance) + compare_neuron_ops(pair)
    return [
        *compare_structure(pair),
        compare_accuracy(pair),
        *counts,
        *compare_energy(pair, counts),
        *compare_information(pair),
        *compare_instruments(pair, interleaved),
    ]


def _sentence(pair: Pair, findings: Sequence[Finding]) -> str:
    """Return energy (by the record's first model) and accuracy in one sentence, with the joint verdict."""
    mine = {finding.metric: finding for finding in findings if finding.cell == pair.cell and finding.change is not None}
    models = getattr(pair.head.record.energy, "models", [])
    energy = mine.get(f"energy/{models[0].name}") if models else None
    accuracy = mine.get("accuracy")
    words = []
    if energy:
        words.append(f"estimated energy {'unchanged' if energy.verdict == 'same' else percent(energy.change)}")
    if accuracy and accuracy.p_value is None:
        words.append("accuracy unchanged")
    elif accuracy:
        test = "McNemar" if "McNemar" in accuracy.reason else "Fisher"
        words.append(f"accuracy {points(accuracy.change or 0.0)} ({test} p = {accuracy.p_value:.2g})")
    if not energy or not accuracy:
        return ", ".join([*words, "the rest cannot be compared"])
    return f"{', '.join(words)}: {_joint(energy, accuracy)}"


def _joint(energy: Finding, accuracy: Finding) -> str:
    energy_change = 0.0 if energy.verdict == "same" else energy.change or 0.0
    better = (energy_change < 0) + (accuracy.verdict == "improved")
    worse = (energy_change > 0) + (accuracy.verdict in ("regressed", "accepted"))
    if better and worse:
        return "a trade-off"
    if worse:
        return "worse"
    if better:
        unsure = " as far as one can tell" if accuracy.verdict == "too_noisy" else ""
        return f"Pareto improvement{unsure}"
    return "no change" if accuracy.verdict == "same" else "too noisy to tell"


def _notes(base: Run, head: Run) -> tuple[str, ...]:
    notes = []
    for side, run in (("base", base), ("head", head)):
        if isinstance(run.git, Absent):
            notes.append(f"The {side} has {run.git.reason}.")
        elif run.git.dirty:
            notes.append(f"The {side} was measured on a dirty tree, {run.git.sha[:12]} with uncommitted changes.")
    if isinstance(base.git, Git) and isinstance(head.git, Git) and base.git.sha == head.git.sha:
        same = base.git.diff_sha256 == head.git.diff_sha256
        notes.append(
            "Base and head are the same commit" + (": an A/A comparison." if same else " with different changes.")
        )
    if base.machine.fingerprint != head.machine.fingerprint:
        keys = sorted({*base.machine.preimage, *head.machine.preimage})
        differing = [key for key in keys if base.machine.preimage.get(key) != head.machine.preimage.get(key)]
        notes.append(
            f"Base and head ran on different machines ({', '.join(differing)}): time and power are not compared."
        )
    if base.run_id == head.run_id and base.path == head.path:
        notes.append("Base and head are the same run file.")
    return tuple(notes)
