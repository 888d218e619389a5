"""The benchmark: one test a cell. It is trained or loaded, measured, and on disk before the next one starts.

`inflor-bench run` runs this file by pytest with the cells of a suite (`run.in_process`).
"""

from __future__ import annotations

import pytest

from inflor_bench.cell.lost import CellLostError, enough_memory
from inflor_bench.cell.test_set import measure_test_set
from inflor_bench.errors import MeasureInputError, ModelInputError
from inflor_bench.measure.energy import at_bits
from inflor_bench.models.datasets import DatasetUnavailableError
from inflor_bench.run.in_process import CellRun


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
            models = at_bits(cells.energy_models, cells.settings.bits(prepared.description.bits_of_values))
            sections = measure_test_set(
                prepared.model, prepared.dataset, show, models, cells.settings.information_samples
            )
    except (MeasureInputError, CellLostError) as error:
        cells.store_absent(cell, "failed", str(error), prepared)
        pytest.fail(str(error), pytrace=False)
    cells.store(cell, prepared, {**sections, **cells.time(prepared)})
