"""What a process does when it runs one pass after another: CPU time and throughput."""

from __future__ import annotations

import time
from collections.abc import Callable

MIN_ITERATIONS = 10


def cpu_seconds_per_inference(
    call: Callable[[], object],
    *,
    batch_size: int,
    iterations: int,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], int] = time.process_time_ns,
) -> float:
    """CPU time, user and system, that all threads of this process spend on one sample, s. `clock` gives nanoseconds.

    What `before` spends ahead of each call is not counted.
    """
    spent = 0
    for _ in range(iterations):
        before()
        start = clock()
        call()
        spent += clock() - start
    return spent / 1e9 / (iterations * batch_size)


def inferences_per_second(
    call: Callable[[], object],
    *,
    batch_size: int,
    seconds: float,
    finish: Callable[[], object] = lambda: None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """Sustained throughput, samples/s: calls back to back for at least so long and 10 times, waited for at the end.

    `call` brings the model to rest, too, where that is needed: it belongs to a series of passes. It need not be
    synchronised; `finish` waits for the device. `clock` gives nanoseconds.
    """
    finish()
    start, calls = clock(), 0
    while calls < MIN_ITERATIONS or (clock() - start) / 1e9 < seconds:
        call()
        calls += 1
    finish()
    return calls * batch_size / ((clock() - start) / 1e9)
