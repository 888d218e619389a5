"""The benchmark: one test a cell. It is trained or loaded, measured, and on disk before the next one starts.

`inflor-bench run` runs this file by pytest with the cells of a suite (`bench.suites.cells`).
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.errors import MeasureInputError
from bench.suites.cells import CellRun
from bench.suites.errors import CellLostError, enough_memory
from bench.suites.measuring import measure_test_set
from models.datasets import DatasetUnavailableError
from models.errors import ModelInputError


def test_cell(cell: str, cells: CellRun, benchmark: BenchmarkFixture) -> None:
    try:
        with enough_memory():
            prepared = cells.prepare(cell)
    except DatasetUnavailableError as error:
        cells.store_absent(cell, "skipped", str(error), benchmark)
        return
    except (ModelInputError, CellLostError) as error:
        cells.store_absent(cell, "failed", str(error), benchmark)
        pytest.fail(str(error), pytrace=False)
    try:
        with enough_memory(), cells.progress(cell) as show:
            sections = measure_test_set(prepared.model, prepared.dataset, show, cells.energy_models)
    except (MeasureInputError, CellLostError) as error:
        cells.store_absent(cell, "failed", str(error), benchmark, prepared)
        pytest.fail(str(error), pytrace=False)

    timed = cells.time(prepared, benchmark)
    cells.store(cell, prepared, {**sections, **timed}, benchmark)
