"""Latency: warm-up to a steady state, and order statistics of the rounds that follow. The protocol:

- at least 10 iterations and 1 s, then until the medians of two successive blocks of 10 differ by less than 2 %, at most
  30 s;
- the median with an order-statistic interval, which assumes nothing about the distribution but independent rounds;
- a tail percentile only where the rounds can hold it: with 95 % confidence the slowest of 29 rounds lies beyond p90, of
  59 beyond p95, of 299 beyond p99.

The timing loop itself is pytest-benchmark's; this says when to start it and what its rounds mean. Times are in seconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from bench.measure.errors import MeasureInputError

MIN_ITERATIONS = 10
MIN_SECONDS = 1.0
BLOCK = 10
TOLERANCE = 0.02
# Least number of rounds n with 1 - q**n >= 0.95: before that a percentile q is a guess beyond the data.
ROUNDS_FOR_PERCENTILE = {90: 29, 95: 59, 99: 299}


@dataclass(frozen=True)
class Warmup:
    """How the warm-up ended. `steady` is False where times still changed when the time was up."""

    iterations: int
    seconds: float
    steady: bool


@dataclass(frozen=True)
class Latency:
    """Wall time of one forward pass of `batch_size` samples, s.

    `median_low` to `median_high` covers the true median with at least `confidence`; None where the rounds are too few.
    `cpu_seconds_per_inference` is CPU time of all threads for one sample, no energy.
    """

    batch_size: int
    rounds: int
    median: float
    median_low: float | None
    median_high: float | None
    confidence: float
    iqr: float
    minimum: float
    p90: float | None
    p95: float | None
    p99: float | None
    warmup_iterations: int
    warmup_seconds: float
    steady: bool
    cpu_seconds_per_inference: float | None


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given; nothing to wait for on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def warm_up(
    call: Callable[[], object], *, max_seconds: float = 30.0, clock: Callable[[], int] = time.perf_counter_ns
) -> Warmup:
    """Run `call` until its time is steady by the protocol above, for at most `max_seconds`.

    `call` must return only when its work is done (synchronised). `clock` gives nanoseconds.
    """
    start = clock()
    times: list[int] = []

    def elapsed() -> float:
        return (clock() - start) / 1e9

    def run_once() -> None:
        before = clock()
        call()
        times.append(clock() - before)

    while len(times) < MIN_ITERATIONS or elapsed() < MIN_SECONDS:
        if elapsed() >= max_seconds:
            return Warmup(len(times), elapsed(), steady=False)
        run_once()
    previous: float | None = None
    while True:
        for _ in range(BLOCK):
            if elapsed() >= max_seconds:
                return Warmup(len(times), elapsed(), steady=False)
            run_once()
        median = statistics.median(times[-BLOCK:])
        if previous is not None and abs(median - previous) < TOLERANCE * previous:
            return Warmup(len(times), elapsed(), steady=True)
        previous = median


def median_interval(rounds: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Narrowest symmetric pair of order statistics to cover the median with at least `confidence`; None if none does.

    The number of rounds below the median is binomial(n, 1/2), so [x_(k), x_(n+1-k)] misses it with 2 P(B < k).
    """
    ordered = sorted(rounds)
    k = int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    return (ordered[k - 1], ordered[-k]) if k else None


def summarise(
    rounds: Sequence[float],
    *,
    batch_size: int,
    warmup: Warmup,
    cpu_seconds_per_inference: float | None = None,
    confidence: float = 0.95,
) -> Latency:
    """Describe rounds, the seconds of one forward pass each.

    Raises:
        MeasureInputError: there are no rounds, or one of them is no positive number of seconds.
    """
    values = np.asarray(rounds, dtype=np.float64)
    if not values.size or not bool(np.all(np.isfinite(values) & (values > 0))):
        raise MeasureInputError("The rounds of a latency measurement must be one or more positive numbers of seconds.")
    low, high = median_interval(values.tolist(), confidence) or (None, None)
    lower, upper = np.percentile(values, [25, 75])
    percentiles = {
        percent: float(np.percentile(values, percent)) if values.size >= needed else None
        for percent, needed in ROUNDS_FOR_PERCENTILE.items()
    }
    return Latency(
        batch_size=batch_size,
        rounds=int(values.size),
        median=float(np.median(values)),
        median_low=low,
        median_high=high,
        confidence=confidence,
        iqr=float(upper - lower),
        minimum=float(values.min()),
        p90=percentiles[90],
        p95=percentiles[95],
        p99=percentiles[99],
        warmup_iterations=warmup.iterations,
        warmup_seconds=warmup.seconds,
        steady=warmup.steady,
        cpu_seconds_per_inference=cpu_seconds_per_inference,
    )


def cpu_seconds_per_inference(
    call: Callable[[], object], *, batch_size: int, iterations: int, clock: Callable[[], int] = time.process_time_ns
) -> float:
    """CPU time, user and system, that all threads of this process spend on one sample, s. `clock` gives nanoseconds."""
    before = clock()
    for _ in range(iterations):
        call()
    return (clock() - before) / 1e9 / (iterations * batch_size)


def cuda_event_seconds(call: Callable[[], object], device: torch.device) -> float:
    """Time of one call between two CUDA events, s: what the GPU saw, gaps between its launches included."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with torch.cuda.device(device):
        start.record()
        call()
        end.record()
        end.synchronize()
    return float(start.elapsed_time(end)) / 1e3
