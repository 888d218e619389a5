"""How far networks of several seeds lie apart: what a retrained network may move by chance alone.

`python -m tests.track.seed_spread RUN...` prints the table of docs/gate.md, and by how much two networks that differ in
nothing but their seed differ at most, in all but one of 2,000 comparisons: `by_chance` of `bench.metrics` is no less.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t

from bench.metrics import METRICS
from bench.track.accuracy import ALPHA
from bench.track.records import Absent, Accuracy, Record
from bench.track.runs import read_run
from bench.track.statistics import mcnemar

JUDGED = [metric for metric in METRICS.values() if metric.judged in ("exact", "paired")]
RARE = 0.0005  # one side


def groups(records: list[Record]) -> dict[str, list[Record]]:
    """The records of each network that has three seeds or more, by its name without the seed."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if not isinstance(record.accuracy, Absent):
            found[record.name.rpartition("/s")[0]].append(record)
    return {name: members for name, members in found.items() if len(members) >= 3}


def spread(metric: str, members: list[Record]) -> tuple[float, float] | None:
    """The mean of a metric over seeds and its standard deviation, of counts relative to it; None where none moves."""
    values = [METRICS[metric].value(record) for record in members]
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(members) or not any(numbers):
        return None
    mean, deviation = fmean(numbers), stdev(numbers)
    return mean, deviation if METRICS[metric].unit == "share" else deviation / mean


def predicted(deviation: float, seeds: int) -> float:
    """What the difference of two seeds exceeds once in 1 / RARE comparisons, if seeds are normal."""
    return float(t.ppf(1 - RARE, seeds - 1)) * math.sqrt(2) * deviation


def main(paths: list[str]) -> None:
    """Print the tables, in Markdown."""
    records = {record.name: record for path in paths for record in _records(Path(path))}
    print("| network | seeds | metric | mean | standard deviation | furthest apart | predicted |")
    print("|---|---:|---|---:|---:|---:|---:|")
    most: dict[str, float] = defaultdict(float)
    rejected = pairs = 0
    for name, members in groups(list(records.values())).items():
        for metric in JUDGED:
            found = spread(metric.name, members)
            if found is None:
                continue
            mean, deviation = found
            values = [float(metric.value(record)) for record in members]  # type: ignore[arg-type]
            apart = max(values) - min(values) if metric.unit == "share" else max(values) / min(values) - 1
            limit = predicted(deviation, len(members))
            most[metric.name] = max(most[metric.name], apart, limit if len(members) > 3 else apart)
            print(
                f"| {name} | {len(members)} | {metric.label} | {mean:.6g} | {100 * deviation:.2f} % | "
                f"{100 * apart:.2f} % | {100 * limit:.1f} % |"
            )
        for one, other in combinations(members, 2):
            assert isinstance(one.accuracy, Accuracy)
            assert isinstance(other.accuracy, Accuracy)
            rejected += mcnemar(one.accuracy.unpack(), other.accuracy.unpack()).p_value < ALPHA
            pairs += 1
    print(f"\nMcNemar's test with p < {ALPHA} rejects {rejected} of {pairs} pairs of seeds.")
    for name, floor in most.items():
        print(f"{name}: {100 * floor:.2f} %, and `by_chance` is {100 * METRICS[name].by_chance:.2f} %")


def _records(path: Path) -> list[Record]:
    return [cell.record for cell in read_run(path).cells.values()]


if __name__ == "__main__":
    main(sys.argv[1:])
