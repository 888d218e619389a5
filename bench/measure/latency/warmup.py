"""Warm-up: so many seconds, whatever the times do; then it is said whether they still changed.

A rule that goes on until times agree waits longest where neighbours make noise, and in the end accepts two medians that
agree by chance. So the time is fixed, and the flag is the finding.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# Fewer calls say nothing of a trend; a call so slow that they take longer than MOST_SECONDS has to do with fewer.
MIN_ITERATIONS = 10
MOST_SECONDS = 30.0
TOLERANCE = 0.02


@dataclass(frozen=True)
class Warmup:
    """How the warm-up ended. `steady` is False where the median of its last third is not that of the third before."""

    iterations: int
    seconds: float
    steady: bool


def warm_up(
    call: Callable[[], object],
    *,
    seconds: float,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Warmup:
    """Run `call` for `seconds` and at least 10 times, but for no more than 30 s.

    `call` must return only when its work is done (synchronised). `before` runs ahead of each and is not timed. `clock`
    gives nanoseconds.
    """
    start = clock()
    times: list[int] = []

    def elapsed() -> float:
        return (clock() - start) / 1e9

    while elapsed() < MOST_SECONDS and (elapsed() < seconds or len(times) < MIN_ITERATIONS):
        before()
        began = clock()
        call()
        times.append(clock() - began)
    return Warmup(len(times), elapsed(), _steady(times))


def _steady(times: list[int]) -> bool:
    if len(times) < MIN_ITERATIONS:
        return False
    third = len(times) // 3
    last, before = (statistics.median(part) for part in (times[-third:], times[-2 * third : -third]))
    return abs(last - before) < TOLERANCE * before
