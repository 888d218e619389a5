"""Warm-up: run until the times no longer change.

Two blocks of rounds tell a trend from noise the better the longer they are. So the blocks that are compared grow with
the run: they are the last quarter of what has run since the minimum and the quarter before it, and at first 10
iterations each. A trend differs more between long blocks than between short ones, noise differs less: the rule
accepts no trend that blocks of 10 would show, and a noisy machine does not keep it waiting for two medians that happen
to agree.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

MIN_ITERATIONS = 10
MIN_SECONDS = 1.0
MAX_SECONDS = 30.0
# A block: so many iterations, and so many seconds, at least.
BLOCK = 10
BLOCK_SECONDS = 0.1
TOLERANCE = 0.02


@dataclass(frozen=True)
class Warmup:
    """How the warm-up ended. `steady` is False where times still changed when the time was up."""

    iterations: int
    seconds: float
    steady: bool


def warm_up(
    call: Callable[[], object],
    *,
    before: Callable[[], object] = lambda: None,
    max_seconds: float = MAX_SECONDS,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Warmup:
    """Run `call` until its time is steady, for at most `max_seconds`.

    `call` must return only when its work is done (synchronised). `before` runs ahead of each and is not timed. `clock`
    gives nanoseconds.
    """
    start = clock()
    times: list[int] = []

    def elapsed() -> float:
        return (clock() - start) / 1e9

    def run_once() -> None:
        before()
        began = clock()
        call()
        times.append(clock() - began)

    while len(times) < MIN_ITERATIONS or elapsed() < MIN_SECONDS:
        if elapsed() >= max_seconds:
            return Warmup(len(times), elapsed(), steady=False)
        run_once()
    ends = [len(times)]
    while True:
        block = clock()
        while len(times) - ends[-1] < BLOCK or clock() - block < BLOCK_SECONDS * 1e9:
            if elapsed() >= max_seconds:
                return Warmup(len(times), elapsed(), steady=False)
            run_once()
        ends.append(len(times))
        quarter = max(1, (len(ends) - 1) // 4)
        if len(ends) > 2 * quarter:
            first, second, last = ends[-1 - 2 * quarter], ends[-1 - quarter], ends[-1]
            previous = statistics.median(times[first:second])
            if abs(statistics.median(times[second:last]) - previous) < TOLERANCE * previous:
                return Warmup(len(times), elapsed(), steady=True)
