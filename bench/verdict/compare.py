"""Judge a run by its base: did the change make a model less accurate or busier, and where?

Every metric has the rule that its kind allows: counts are exact, accuracy is paired, times are judged by interleaved
pairs, and what separate jobs read is shown and not judged. A verdict always has a reason, and "cannot be told" is a
verdict. docs/gate.md has the rules in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from inflor_bench.git.repository import Ancestry, known_ancestry, stored_ancestry
from inflor_bench.metrics import METRICS
from inflor_bench.record.origin import Git
from inflor_bench.record.rows import row_of
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent
from inflor_bench.verdict.accepted import Accepted, apply_accepted
from inflor_bench.verdict.accuracy import compare_accuracy, compare_card, points
from inflor_bench.verdict.base import standing
from inflor_bench.verdict.budgets import check_budgets
from inflor_bench.verdict.counts import (
    compare_count,
    compare_energy,
    compare_event,
    compare_shown,
    compare_structure,
    compare_uncounted,
    name_reclassified,
)
from inflor_bench.verdict.findings import VERDICTS, Finding, Pair, Verdict, percent
from inflor_bench.verdict.instruments import Interleaved, compare_pairs, compare_reading
from inflor_bench.verdict.seeds import compare_seeds
from inflor_bench.verdict.significance import decide

__all__ = ["VERDICTS", "Comparison", "Finding", "Verdict", "judge", "judge_in"]


@dataclass(frozen=True)
class Comparison:
    """What two runs say about each other: findings, worst first; one sentence a cell; and notes on the runs.

    `base` is None where a run was judged by its budgets alone. `shown` says why the base is none that the head could
    regress from; None where it is one.
    """

    base: Run | None
    head: Run
    findings: tuple[Finding, ...]
    sentences: Mapping[str, str]
    notes: tuple[str, ...]
    shown: str | None = None

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


def judge(
    base: Run | None,
    head: Run,
    accepted: Sequence[Accepted] = (),
    interleaved: Mapping[str, Interleaved] | None = None,
    ancestries: tuple[Ancestry, Ancestry] | None = None,
) -> Comparison:
    """Judge a run by the one that it should not be worse than, None where there is none, and by its suite's budgets.

    It depends on nothing but its arguments: every command that judges calls it, through `judge_in`.

    Args:
        base: The run that it is compared with.
        head: The run to judge.
        accepted: Regressions that somebody accepted.
        interleaved: What pairs of processes measured, by cell.
        ancestries: What is known of the ancestry of base and head; None is what the runs themselves say.
    """
    timed = interleaved or {}
    cards = [card for name, result in head.cells.items() if (card := compare_card(name, result.record))]
    if base is None:
        found = _sorted([*cards, *check_budgets(head, {}, (), "there is no base")])
        return Comparison(None, head, found, {}, _notes(base, head))
    known = ancestries or (stored_ancestry(base.git), stored_ancestry(head.git))
    stands = standing(row_of(base, base.path.name), row_of(head, head.path.name), known[1])
    shown = None if stands.gates else stands.reason
    pairs = [Pair(name, base.cells[name], result) for name, result in head.cells.items() if name in base.cells]
    findings = [finding for name in {*base.cells, *head.cells} if (finding := _lonely(name, base, head))]
    for pair in pairs:
        findings += _compare_cell(pair, timed.get(pair.cell))
    findings = decide([*findings, *compare_seeds(pairs, findings)])
    if shown is not None:
        findings = [_shown(finding) for finding in findings]
    before = {name: result.record for name, result in base.cells.items()}
    no_ratio = None if shown is None else f"the base is {shown}"
    findings += [*cards, *check_budgets(head, before, findings, no_ratio)]
    judged = _sorted(apply_accepted(findings, accepted, *known))
    sentences = {pair.cell: _sentence(pair, judged) for pair in pairs}
    return Comparison(base, head, judged, sentences, _notes(base, head, shown), shown)


def judge_in(
    repository: Path,
    base: Run | None,
    head: Run,
    accepted: Sequence[Accepted] = (),
    interleaved: Mapping[str, Interleaved] | None = None,
) -> Comparison:
    """Judge by what git knows, in the repository of this directory, of the ancestry of both runs."""
    known = [known_ancestry(run.git, repository) for run in (base or head, head)]
    return judge(base, head, accepted, interleaved, (known[0], known[1]))


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.rank))


def _shown(finding: Finding) -> Finding:
    """What is not judged is neither better nor worse."""
    if finding.verdict not in ("regressed", "improved"):
        return finding
    return replace(finding, verdict="changed", reason=f"{finding.reason}; shown, not judged")


def _lonely(name: str, base: Run, head: Run) -> Finding | None:
    """Return the finding on a cell that only one run has; None where both have it, or the head was not asked for it."""
    if name in head.cells:
        if name in base.cells:
            return None
        skipped = head.cells[name].record.unmeasured
        words = f"a new cell, not measured: {skipped.reason}" if skipped else "a new cell"
        return Finding(name, "cell", None, "changed", words)
    only, shard = head.common("only"), head.common("shard")
    if (only and not fnmatchcase(name, only)) or (shard and shard != base.common("shard")):
        return None
    if missing := base.cells[name].record.unmeasured:
        words = f"the cell is gone; the base had not measured it: {missing.reason}"
        return Finding(name, "cell", None, "changed", words)
    if _other(base.common("suite"), head.common("suite")):
        return Finding(name, "cell", None, "changed", "the cell is gone: the head is of another suite")
    if _other(base.common("suite_cells"), head.common("suite_cells")):
        return Finding(name, "cell", None, "changed", "the cell is gone: the suite has other cells now")
    return Finding(
        name, "cell", None, "regressed", "the base measured this cell, and the head does not have it any more"
    )


def _other(base: str | None, head: str | None) -> bool:
    """Whether two identities are known to differ."""
    return base is not None and head is not None and base != head


def _compare_cell(pair: Pair, interleaved: Interleaved | None) -> list[Finding]:
    base, head = pair.base.record.unmeasured, pair.head.record.unmeasured
    if base and head:
        return [pair.finding("cell", "not_comparable", f"not measured in either run: {head.reason}")]
    if head:
        return [pair.finding("cell", "regressed", f"not measured any more: {head.reason}")]
    if base:
        return [pair.finding("cell", "changed", f"measured now; not at the base: {base.reason}")]
    findings = compare_structure(pair)
    for section in ("model", *SECTIONS):
        if section == "energy" and isinstance(pair.head.record.synops, Absent):
            continue  # estimates follow from what is missing already
        sides = pair.sections(section)
        if isinstance(sides, Finding):
            timed = _pairs_of(pair, section, interleaved)
            findings += timed if timed and sides.verdict != "regressed" else [*timed, sides]
        else:
            findings += _compare_section(pair, section, sides, findings, interleaved)
    return findings


def _pairs_of(pair: Pair, section: str, interleaved: Interleaved | None) -> list[Finding]:
    """What pairs measured of a section that the runs do not have: `ab` asks them to count only."""
    mine = (metric for metric in METRICS.values() if metric.section == section)
    return [finding for metric in mine for finding in compare_pairs(pair, metric, interleaved)]


def _compare_section(
    pair: Pair, section: str, sides: tuple[Any, Any], so_far: list[Finding], interleaved: Interleaved | None
) -> list[Finding]:
    """Compare every metric of a section by the rule of its kind."""
    base, head = sides
    findings: list[Finding | None] = []
    for metric in (metric for metric in METRICS.values() if metric.section == section):
        if metric.judged == "paired":
            findings.append(compare_accuracy(pair, metric, base, head))
        elif metric.judged == "exact":
            findings.append(compare_count(pair, metric, base, head))
        elif metric.judged == "event":
            findings.append(compare_event(pair, metric, base, head))
        elif metric.instrument:
            findings += compare_reading(pair, metric, base, head, interleaved)
        elif metric.judged == "shown":
            findings.append(compare_shown(pair, metric, base, head))
    found = [finding for finding in findings if finding is not None]
    if section == "synops":
        found = [name_reclassified(finding, base, head) for finding in found]
        return [*found, *compare_uncounted(pair, base, head)]
    return compare_energy(pair, base, head, so_far) if section == "energy" else found


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


def _notes(base: Run | None, head: Run, shown: str | None = None) -> tuple[str, ...]:
    notes = [] if shown is None else [f"The base is shown, and nothing is judged by it: {shown}."]
    for side, run in (("base", base), ("head", head)):
        if run is None:
            continue
        if isinstance(run.git, Absent):
            notes.append(f"The {side} has {run.git.reason}.")
        elif run.git.dirty:
            notes.append(f"The {side} was measured on a dirty tree, {run.git.sha[:12]} with uncommitted changes.")
    if base is None:
        return tuple(notes)
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
