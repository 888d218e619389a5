"""How far networks of several seeds lie apart: what a retrained network may move by chance alone.

`python -m tests.verdict.seed_spread RUN...` prints the tables of docs/gate.md. The last one says, by data set, what the
difference of two networks that differ in nothing but their seed exceeds once in 200 comparisons, if seeds are normal
and as wide for all its networks: `by_chance` of `inflor_bench.metrics` is no less than that of any data set.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t

from inflor_bench.metrics import METRICS
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.verdict.accuracy import ALPHA
from inflor_bench.verdict.statistics import mcnemar

JUDGED = [metric for metric in METRICS.values() if metric.judged in ("exact", "paired")]
RARE = 0.005


def groups(records: list[Record]) -> dict[str, list[Record]]:
    """The records of each network that has three seeds or more, by its name without the seed."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if not isinstance(record.accuracy, Absent):
            found[record.name.rpartition("/s")[0]].append(record)
    return {name: members for name, members in found.items() if len(members) >= 3}


def spread(metric: str, members: list[Record]) -> tuple[float, float] | None:
    """The deviation over seeds and how far they lie apart, of counts relative to the mean; None without any."""
    values = [METRICS[metric].value(record) for record in members]
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(members) or not any(numbers):
        return None
    scale = 1.0 if METRICS[metric].unit == "share" else fmean(numbers)
    return stdev(numbers) / scale, (max(numbers) - min(numbers)) / scale


def exceeded_rarely(deviations: list[tuple[float, int]]) -> float:
    """What the difference of two seeds exceeds once in 1 / RARE comparisons; by (standard deviation, seeds)."""
    freedom = sum(seeds - 1 for _, seeds in deviations)
    pooled = math.sqrt(sum(deviation**2 * (seeds - 1) for deviation, seeds in deviations) / freedom)
    return float(t.ppf(1 - RARE, freedom)) * math.sqrt(2) * pooled


def main(paths: list[str]) -> None:
    """Print the tables, in Markdown."""
    records = {record.name: record for path in paths for record in _records(Path(path))}
    found = groups(list(records.values()))
    print(f"| network | seeds | {' | '.join(metric.label for metric in JUDGED)} |")
    print(f"|---|---:|{'---:|' * len(JUDGED)}")
    deviations: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for name, members in sorted(found.items()):
        cells = []
        for metric in JUDGED:
            seen = spread(metric.name, members)
            if seen is None:
                cells.append("none")
                continue
            deviation, apart = seen
            deviations[metric.name, name.partition("/")[0]].append((deviation, len(members)))
            cells.append(f"{100 * deviation:.2f} % ({100 * apart:.2f})")
        print(f"| {name} | {len(members)} | {' | '.join(cells)} |")
    pairs = [pair for members in found.values() for pair in combinations(members, 2)]
    rejected = sum(_tested(*pair) < ALPHA for pair in pairs)
    print(f"\nMcNemar's test with p < {ALPHA} rejects {rejected} of {len(pairs)} pairs of seeds.\n")
    print("| metric | data set | exceeded once in 200 comparisons | `by_chance` |")
    print("|---|---|---:|---:|")
    for (metric_name, dataset), those in sorted(deviations.items()):
        limit, floor = exceeded_rarely(those), METRICS[metric_name].by_chance
        print(f"| {METRICS[metric_name].label} | {dataset} | {100 * limit:.2f} % | {100 * floor:.3g} % |")


def _tested(one: Record, other: Record) -> float:
    assert isinstance(one.accuracy, Accuracy)
    assert isinstance(other.accuracy, Accuracy)
    return mcnemar(one.accuracy.unpack(), other.accuracy.unpack()).p_value


def _records(path: Path) -> list[Record]:
    return [cell.record for cell in read_run(path).cells.values()]


if __name__ == "__main__":
    main(sys.argv[1:])
