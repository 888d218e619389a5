"""Budgets: limits that a suite sets on a metric, whatever the base was.

    [[budgets]]
    cell = "fashion-mnist/*"        # a glob over cells
    accuracy = ">= 0.90"
    ac = "<= 2e6"                   # accumulates an inference
    ac_ratio = "<= 1.05"            # head over base
    latency_ratio = "<= 1.10"       # as interleaved pairs measure it: `inflor-bench ab`

`metrics` names the metrics; `energy` is the first estimate, `joules` the measured energy of an inference. A
`_ratio` is that of head to base; where there is no base it cannot be checked. A run file carries the budgets of its
suite, so that whoever judges it checks them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.metrics import METRICS
from inflor_bench.record.origin import Budget
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.verdict.findings import Finding, Verdict

_LIMIT = re.compile(r"\s*(<=|>=)\s*(\S+)\s*")
# What an instrument reads of two separate runs is not compared, so its ratio is checked only where pairs are timed.
RATIOS = tuple(name for name, metric in METRICS.items() if not metric.instrument or metric.judged == "timed")


def parse_budgets(path: Path, entries: Any) -> tuple[Budget, ...]:
    """Parse the `budgets` of a suite; `path` is the suite's file, for the error.

    Raises:
        TrackInputError: A metric is unknown, or a limit is not "<= number" or ">= number".
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TrackInputError(f"{path}: key budgets is not a list of tables; write it as [[budgets]].")
    budgets = []
    for index, entry in enumerate(entries):
        cell = entry.get("cell", "*")
        if not isinstance(cell, str):
            raise TrackInputError(f"{path}: key budgets[{index}].cell is no text; give a glob over cells.")
        budgets += [_parse(path, index, cell, metric, limit) for metric, limit in entry.items() if metric != "cell"]
    return tuple(budgets)


def _parse(path: Path, index: int, cell: str, metric: str, limit: Any) -> Budget:
    key = f"{path}: key budgets[{index}].{metric}"
    name = metric.removesuffix("_ratio")
    if name not in METRICS:
        raise TrackInputError(
            f"{key} is unknown; use one of {', '.join(METRICS)}, or with _ratio one of {', '.join(RATIOS)}."
        )
    if name != metric and name not in RATIOS:
        raise TrackInputError(
            f"{key} cannot be checked: {name} of two runs is never compared; limit {name} itself, or with _ratio one "
            f"of {', '.join(RATIOS)}."
        )
    match = _LIMIT.fullmatch(limit) if isinstance(limit, str) else None
    try:
        number = float(match[2]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not math.isfinite(number):
        raise TrackInputError(f'{key} is no limit; write "<= number" or ">= number".')
    return Budget(cell=cell, metric=metric, relation="<=" if match[1] == "<=" else ">=", limit=number)


def check_budgets(
    head: Run, base: Mapping[str, Record], findings: Iterable[Finding], no_ratio: str | None = None
) -> Iterator[Finding]:
    """Yield one finding a budget and cell: regressed where it is broken, not comparable where nothing was read.

    Args:
        head: The run, with the budgets of its suite.
        base: The records of the base by cell.
        findings: Those of the comparison with the base: a ratio of times is that of its interleaved pairs.
        no_ratio: Why a ratio says nothing here; None where it does.
    """
    timed = {(it.cell, it.metric): it for it in findings if it.floor is not None and it.p_value is not None}
    for name, result in head.cells.items():
        for budget in result.record.provenance.budgets or ():
            if not fnmatchcase(name, budget.cell):
                continue
            metric = METRICS.get(budget.metric.removesuffix("_ratio"))
            ratio = budget.metric.endswith("_ratio")
            if metric is None:
                yield _finding(name, budget, "regressed", "cannot be checked: this version knows no such metric")
            elif ratio and no_ratio:
                yield _finding(name, budget, "not_comparable", f"cannot be checked: {no_ratio}")
            elif ratio and metric.instrument:
                yield _check_pairs(name, budget, timed.get((name, metric.name)))
            elif isinstance(value := metric.value(result.record), Absent):
                failed: Verdict = "regressed" if value.status == "failed" else "not_comparable"
                yield _finding(name, budget, failed, f"cannot be checked: {value.reason}")
            elif not ratio:
                yield _check(name, budget, value)
            elif isinstance(old := metric.value(base[name]) if name in base else 0.0, Absent) or not old:
                yield _finding(name, budget, "not_comparable", "cannot be checked: the base has no such value")
            else:
                yield _check(name, budget, value / old)


def _finding(cell: str, budget: Budget, verdict: Verdict, words: str, head: float | None = None) -> Finding:
    reason = f"{budget} {words}"
    return Finding(cell, f"budget/{budget.metric}", None, verdict, reason, base=budget.limit, head=head)


def _check(cell: str, budget: Budget, value: float) -> Finding:
    kept = budget.kept(value)
    words = f"is {'kept' if kept else 'broken'}: {value:.6g}"
    return _finding(cell, budget, "same" if kept else "regressed", words, value)


def _check_pairs(cell: str, budget: Budget, finding: Finding | None) -> Finding:
    if finding is None or finding.change is None or finding.interval is None:
        words = "cannot be checked without interleaved pairs: run `inflor-bench ab`"
        return _finding(cell, budget, "not_comparable", words)
    ratio, (low, high) = 1 + finding.change, (1 + end for end in finding.interval)
    if budget.kept(ratio):
        return _finding(cell, budget, "same", f"is kept: {ratio:.4g}", ratio)
    words = f"{ratio:.4g} ({low:.4g} to {high:.4g})"
    if budget.kept(low) or budget.kept(high):
        return _finding(cell, budget, "too_noisy", f"may be broken: {words}", ratio)
    return _finding(cell, budget, "regressed", f"is broken: {words}", ratio)
