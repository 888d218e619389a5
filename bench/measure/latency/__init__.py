"""Latency: warm-up, rounds, and order statistics of them. Times are in seconds. The protocol:

- a warm-up of a fixed time and at least 10 passes; whether its times still changed is said, and waited for by nobody;
- state is brought to rest outside the timed part, and the device is synchronised on both sides of it;
- the median with an order-statistic interval, which assumes nothing about the distribution but independent rounds;
- a tail percentile only where the rounds can hold it;
- whether other processes took the processors from the rounds, by what the kernel counted.

The timing loop of the main figure is pytest-benchmark's; this says when to start it and what its rounds mean. Variants
and sweeps are timed here, in turn (A B A B).
"""

from __future__ import annotations

from inflor_bench.measure.latency.conditions import cuda_graph, evict_caches
from inflor_bench.measure.latency.neighbours import Neighbours, neighbours
from inflor_bench.measure.latency.rounds import Turn, event_rounds, rounds_in_turn, synchronise
from inflor_bench.measure.latency.statistics import Latency, Rounds, describe, median_interval, summarise
from inflor_bench.measure.latency.sustained import cpu_seconds_per_inference, inferences_per_second
from inflor_bench.measure.latency.warmup import Warmup, warm_up

__all__ = [
    "Latency",
    "Neighbours",
    "Rounds",
    "Turn",
    "Warmup",
    "cpu_seconds_per_inference",
    "cuda_graph",
    "describe",
    "event_rounds",
    "evict_caches",
    "inferences_per_second",
    "median_interval",
    "neighbours",
    "rounds_in_turn",
    "summarise",
    "synchronise",
    "warm_up",
]
