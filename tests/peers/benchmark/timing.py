"""Timing inside a worker: a round is one call, or as many short ones as fill a tenth of a second."""

from __future__ import annotations

import time
from collections.abc import Callable

WARM_UP_CALLS = 3
ROUND_SECONDS = 0.1


def seconds_per_call(call: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Mean time of a call over one round, s. `before` runs ahead of every call and is not timed."""
    spent, calls = 0.0, 0
    while spent < ROUND_SECONDS:
        before()
        start = time.perf_counter_ns()
        call()
        spent += (time.perf_counter_ns() - start) / 1e9
        calls += 1
    return spent / calls
