"""The benchmark: one test a cell. It is trained or loaded, measured, and on disk before the next one starts.

`inflor-bench run` runs this file by pytest with the cells of a suite (`bench.suites.cells`).
"""

from __future__ import annotations

import pytest

from bench.measure.errors import MeasureInputError
from bench.suites.cells import CellRun
from bench.suites.errors import CellLostError, enough_memory
from bench.suites.measuring import measure_test_set
from models.datasets import DatasetUnavailableError
from models.errors import ModelInputError


def test_cell(cell: str, cells: CellRun) -> None:
    try:
        with enough_memory():
            prepared = cells.prepare(cell)
    except DatasetUnavailableError as error:
        cells.store_absent(cell, "skipped", str(error))
        pytest.skip(str(error))
    except (ModelInputError, CellLostError) as error:
        cells.store_absent(cell, "failed", str(error))
        pytest.fail(str(error), pytrace=False)
    try:
        with enough_memory(), cells.progress(cell) as show:
            sections = measure_test_set(
                prepared.model, prepared.dataset, show, cells.energy_models, cells.settings.information_samples
            )
    except (MeasureInputError, CellLostError) as error:
        cells.store_absent(cell, "failed", str(error), prepared)
        pytest.fail(str(error), pytrace=False)
    cells.store(cell, prepared, {**sections, **cells.time(prepared)})
