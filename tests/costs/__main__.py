"""Cost curves: `python -m tests.costs` says how wall time and memory grow with what they should grow with.

Each point is called once for the caches and once for its memory, then the points of a curve are timed in turn, and
more often where CPU time seems to grow faster than its work: others on the machine can make it seem so. The exponent is
that of wall time, of CPU time of all threads, and of peak memory above what stood before, to work: 1 is in proportion,
below 1 there are fixed costs. CPU time or memory that clearly grows faster than its work is flagged and gives exit code
1. Wall time is not judged: others on the machine take their share of long calls first.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from inflor_bench.measure.memory import RESET_SLACK_BYTES, Memory, peak_memory
from tests.costs.fit import Growth, growth
from tests.costs.networks import AXES, NETWORKS
from tests.costs.records import RECORDS

ROUNDS = 5
# Of a curve that would be flagged. More rounds bring the least of a point nearer to what nobody disturbed.
MOST_ROUNDS = 25


@dataclass(frozen=True)
class Point:
    """One size of a curve: what it is called, its work, and the call."""

    label: int
    work: float
    call: Callable[[], object]


@dataclass(frozen=True)
class Curve:
    """Seconds, CPU seconds and bytes of each point, and how they grow; None where memory was not told or not moved."""

    what: str
    axis: str
    points: Sequence[Point]
    seconds: list[list[float]]
    bytes: list[int]
    wall: Growth
    cpu: Growth
    memory: Growth | None

    @property
    def flag(self) -> str:
        """What grows faster than its work, in words; empty where nothing does."""
        flagged = ["CPU time"] if self.cpu.flagged else []
        flagged += ["memory"] if self.memory is not None and self.memory.faster_than_work else []
        return f"  FASTER THAN ITS WORK: {', '.join(flagged)}" if flagged else ""


def measure(what: str, axis: str, points: Sequence[Point]) -> Curve:
    """Time the points in turn."""
    peaks = []
    for point in points:
        point.call()
        found = peak_memory(point.call, nn.Identity(), batch_size=1, device=torch.device("cpu"))
        peaks.append(found.above_baseline_bytes if isinstance(found, Memory) else 0)
    seconds: list[list[float]] = [[] for _ in points]
    busy: list[list[float]] = [[] for _ in points]
    work = [point.work for point in points]
    for done in range(1, MOST_ROUNDS + 1):
        for index, point in enumerate(points):
            start, begun = time.perf_counter(), time.process_time()
            point.call()
            seconds[index].append(time.perf_counter() - start)
            busy[index].append(time.process_time() - begun)
        if done >= ROUNDS and not growth(work, busy).flagged:
            break
    # A peak within what the kernel's books are off by says nothing.
    told = [(amount, peak) for amount, peak in zip(work, peaks, strict=True) if peak > RESET_SLACK_BYTES]
    memory = growth([amount for amount, _ in told], [[float(peak)] for _, peak in told]) if len(told) > 2 else None
    return Curve(what, axis, points, seconds, peaks, growth(work, seconds), growth(work, busy), memory)


def curves(place: Path) -> Iterator[Curve]:
    """All curves, one after the other."""
    for what, make in NETWORKS.items():
        for axis, sizes in AXES.items():
            labels = [getattr(size, {"T": "timesteps"}.get(axis, axis)) for size in sizes]
            points = [Point(label, size.work, make(size)) for label, size in zip(labels, sizes, strict=True)]
            yield measure(what, axis, points)
    for what, (prepare, counts) in RECORDS.items():
        yield measure(what, "cells", [Point(count, count, prepare(count, place)) for count in counts])


def shown(value: Growth | None) -> str:
    """An exponent with its interval and that of the last doubling."""
    if value is None:
        return "too little to tell"
    return f"{value.exponent:.2f} [{value.low:.2f}, {value.high:.2f}], last {value.last:.2f}"


def main() -> int:
    """Print a line a curve as it is measured, and return 1 if anything grows faster than its work."""
    flagged = False
    print(
        f"{'what':22}{'against':8}{'from':27}{'to':29}{'exponent of wall time':33}{'of CPU time':33}of memory",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as place:
        for curve in curves(Path(place)):
            ends = [
                f"{curve.points[at].label}: {min(curve.seconds[at]) * 1e3:.3g} ms, {curve.bytes[at] / 2**20:.3g} MiB"
                for at in (0, -1)
            ]
            growths = f"{shown(curve.wall):33}{shown(curve.cpu):33}{shown(curve.memory)}{curve.flag}"
            print(f"{curve.what:22}{curve.axis:8}{ends[0]:27}{ends[1]:29}{growths}", flush=True)
            flagged |= bool(curve.flag)
    return int(flagged)


if __name__ == "__main__":
    sys.exit(main())
