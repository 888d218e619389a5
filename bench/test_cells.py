"""The benchmark: one test a cell. It is trained or loaded, measured, and on disk before the next one starts.

`inflor-bench run` runs this file by pytest with the cells of a suite (`bench.suites.run`).
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.errors import MeasureInputError
from bench.measure.latency import cpu_seconds_per_inference, summarise, warm_up
from bench.measure.memory import peak_memory
from bench.measure.power import FULL, QUICK, measure_power, meters_for
from bench.suites.harness import time_rounds
from bench.suites.measuring import measure_test_set
from bench.suites.run import CellRun
from bench.suites.sections import section
from bench.track.records import Latency, Memory, Power
from models.datasets import DatasetUnavailableError
from models.errors import ModelInputError


def test_cell(cell: str, cells: CellRun, benchmark: BenchmarkFixture) -> None:
    try:
        prepared = cells.prepare(cell)
    except DatasetUnavailableError as error:
        cells.store_absent(cell, "skipped", str(error), benchmark)
        return
    except ModelInputError as error:
        cells.store_absent(cell, "failed", str(error), benchmark)
        pytest.fail(str(error), pytrace=False)
    try:
        with cells.progress(cell) as show:
            sections = measure_test_set(prepared.model, prepared.dataset, show, cells.energy_models)
    except MeasureInputError as error:
        cells.store_absent(cell, "failed", str(error), benchmark, prepared)
        pytest.fail(str(error), pytrace=False)

    settings = cells.suite.measure
    samples = prepared.dataset.test.head(settings.batch_size)
    batch, size = prepared.dataset.normalise(samples), len(samples)

    @torch.inference_mode()
    def forward() -> None:
        prepared.model(batch)

    warmup = warm_up(forward)
    rounds = time_rounds(benchmark, forward, settings.rounds)
    cpu_seconds = cpu_seconds_per_inference(forward, batch_size=size, iterations=10)
    latency = summarise(rounds, batch_size=size, warmup=warmup, cpu_seconds_per_inference=cpu_seconds)
    device = torch.device("cpu")
    memory = peak_memory(forward, prepared.model, batch_size=size, device=device)
    profile = QUICK if settings.power == "quick" else FULL
    power = measure_power(forward, meters_for(device), batch_size=size, profile=profile)
    cells.store(
        cell,
        prepared,
        {
            **sections,
            "latency": section(Latency, latency),
            "memory": section(Memory, memory),
            "power": section(Power, power),
        },
        benchmark,
    )
