"""The benchmark of a user's own model: one test, one record. It imports no models of ours.

`inflor-bench measure` runs this file by pytest (`bench.suites.own.process`).
"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from bench.suites.own.process import OwnRun
from bench.suites.own.timing import time_own


def test_own(cell: str, own: OwnRun, benchmark: BenchmarkFixture) -> None:
    sections = own.count()
    timed = time_own(benchmark, own.drive, own.inputs, own.settings)
    own.store({**sections, **timed}, benchmark)
