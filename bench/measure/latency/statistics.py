"""Order statistics of rounds. The interval of the median assumes nothing about the distribution but independent rounds.

With 95 % confidence the slowest of 29 rounds lies beyond p90, of 59 beyond p95, of 299 beyond p99: with fewer, a
percentile would be a guess beyond the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # not stats, which takes longer to import than a small model to measure

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.latency.neighbours import Neighbours
from inflor_bench.measure.latency.warmup import Warmup

# Least number of rounds n with 1 - q**n >= 0.95.
ROUNDS_FOR_PERCENTILE = {90: 29, 95: 59, 99: 299}


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Rounds of one thing that was timed, s.

    `median_low` to `median_high` covers the true median with at least `confidence`; None where the rounds are too few.
    """

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


@dataclass(frozen=True, kw_only=True)
class Latency(Rounds):
    """Wall time of one forward pass of `batch_size` samples, s.

    `involuntary_switches`, `processors`, `waited` and `disturbed` are those of `Neighbours`.
    `cpu_seconds_per_inference` is CPU time of all threads for one sample, no energy; `inferences_per_second` the
    sustained throughput.
    """

    batch_size: int
    warmup_iterations: int
    warmup_seconds: float
    steady: bool
    involuntary_switches: int | None
    processors: float
    waited: float | None
    disturbed: bool
    cpu_seconds_per_inference: float | None
    inferences_per_second: float | None


def median_interval(rounds: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Narrowest symmetric pair of order statistics to cover the median with at least `confidence`; None if none does.

    The number of rounds below the median is binomial(n, 1/2), so [x_(k), x_(n+1-k)] misses it with 2 P(B < k).
    """
    ordered = sorted(rounds)
    chance_of_at_most = special.bdtr(np.arange(len(ordered) + 1), len(ordered), 0.5)
    k = int(np.searchsorted(chance_of_at_most, (1 - confidence) / 2))
    return (ordered[k - 1], ordered[-k]) if k else None


def describe(rounds: Sequence[float], confidence: float = 0.95) -> Rounds:
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
        f"p{percent}": float(np.percentile(values, percent)) if values.size >= needed else None
        for percent, needed in ROUNDS_FOR_PERCENTILE.items()
    }
    return Rounds(
        rounds=int(values.size),
        median=float(np.median(values)),
        median_low=low,
        median_high=high,
        confidence=confidence,
        iqr=float(upper - lower),
        minimum=float(values.min()),
        **percentiles,
    )


def summarise(
    rounds: Sequence[float],
    *,
    batch_size: int,
    warmup: Warmup,
    seen: Neighbours,
    cpu_seconds_per_inference: float | None = None,
    inferences_per_second: float | None = None,
) -> Latency:
    """Describe the rounds of the main figure, and how they came about.

    Raises:
        MeasureInputError: there are no rounds, or one of them is no positive number of seconds.
    """
    return Latency(
        **vars(describe(rounds)),
        batch_size=batch_size,
        warmup_iterations=warmup.iterations,
        warmup_seconds=warmup.seconds,
        steady=warmup.steady,
        involuntary_switches=seen.involuntary_switches,
        processors=seen.processors,
        waited=seen.waited,
        disturbed=seen.disturbed,
        cpu_seconds_per_inference=cpu_seconds_per_inference,
        inferences_per_second=inferences_per_second,
    )
