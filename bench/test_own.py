"""The benchmark of a user's own model: one test, one record. It imports no models of ours.

`inflor-bench measure` runs this file by pytest (`bench.suites.own.process`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.errors import MeasureInputError
from bench.measure.latency import cpu_seconds_per_inference, summarise, synchronise, warm_up
from bench.measure.memory import peak_memory
from bench.measure.power import FULL, QUICK, measure_power, meters_for
from bench.suites.harness import time_rounds
from bench.suites.own.process import OwnRun
from bench.suites.sections import section
from bench.track.records import Absent, Latency, Memory, Power, Section


def test_own(cell: str, own: OwnRun, benchmark: BenchmarkFixture) -> None:
    sections = own.count()
    failures: list[MeasureInputError] = []

    @torch.no_grad()
    def forward() -> None:
        try:
            own.drive.run(arguments)
        except MeasureInputError as error:
            failures.append(error)
        synchronise(own.device)

    def from_rest() -> None:
        own.drive.plan.reset()
        forward()

    arguments = own.drive.arrange(own.batches[0])
    from_rest()
    if not failures:
        timed = _time(own, forward, from_rest, benchmark)
    if failures:
        timed = dict.fromkeys(("latency", "memory", "power"), Absent(status="failed", reason=str(failures[0])))
        if benchmark.stats is None:  # without a timing pytest-benchmark writes nothing at all
            time_rounds(benchmark, lambda: None, rounds=1)
    own.store({**sections, **timed}, benchmark)


def _time(
    own: OwnRun, forward: Callable[[], None], from_rest: Callable[[], None], benchmark: BenchmarkFixture
) -> dict[str, Section]:
    """Latency, memory and power of the first batch. Bringing the model to rest is not timed."""
    size = own.drive.samples(own.batches[0])
    warmup = warm_up(from_rest)
    rounds = time_rounds(benchmark, forward, own.rounds, before=own.drive.plan.reset)
    cpu_seconds = cpu_seconds_per_inference(from_rest, batch_size=size, iterations=10)
    latency = summarise(rounds, batch_size=size, warmup=warmup, cpu_seconds_per_inference=cpu_seconds)
    memory = peak_memory(from_rest, own.drive.model, batch_size=size, device=own.device)
    profile = QUICK if own.power == "quick" else FULL
    power = measure_power(from_rest, meters_for(own.device), batch_size=size, profile=profile)
    return {
        "latency": section(Latency, latency),
        "memory": section(Memory, memory),
        "power": section(Power, power),
    }
