"""Measures cells in this process: pytest over benchmarks/test_cells.py, a cell a benchmark, each sent off.

Whoever asks says where messages go: to the run's directory, through a pipe to a parent, or back from another machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import torch

from inflor_bench.cell.device_lock import DeviceBusyError, device_lock
from inflor_bench.cell.lost import CellLostError
from inflor_bench.cell.prepare import Prepared, Sources, describe, prepare
from inflor_bench.cell.scaling import time_cell
from inflor_bench.cell.timing import not_timed, timing_device
from inflor_bench.measure.energy import EnergyModel, energy_models
from inflor_bench.record.origin import Provenance
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent, Section
from inflor_bench.run.harness import make_record, run_benchmarks, run_document
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.run.suite import PlannedCell, Suite
from inflor_bench.run.watch import WatchPlugin
from inflor_bench.terminal import terminal, waited_for


@dataclass(frozen=True)
class Work:
    """Cells to measure, and all that the measuring needs.

    `lost` are the reasons of those that are not tried any more, because their processes ended.
    """

    suite: Suite
    planned: tuple[PlannedCell, ...]
    sources: Sources
    provenance: Provenance
    watch: bool = False
    lost: Mapping[str, str] = field(default_factory=dict)


# "begin" with a cell's name; "hold" and "go on" around waiting for other measurements on the device; "cell" with its
# run document.
Message = tuple[Literal["begin", "hold", "go on", "cell"], Any]
Send = Callable[[Message], object]


def measure_cells(work: Work, send: Send, models: Sequence[EnergyModel] | None = None) -> int:
    """Measure cells in this process and return pytest's exit code. `models` of energy are read where they are None.

    Raises:
        MeasureInputError: the suite's models of energy cannot be read.
        SuiteInputError: the suite asks for a GPU, and there is none.
    """
    cells = CellRun(work, send, energy_models(work.suite.energy_models) if models is None else models)
    return run_benchmarks("test_cells.py", cells, *([WatchPlugin(cells.device, terminal())] if work.watch else []))


class CellRun:
    """The pytest plugin that gives test_cells.py its cells, prepares them, and sends off what was measured."""

    def __init__(self, work: Work, send: Send, models: Sequence[EnergyModel]) -> None:
        self.energy_models = models
        self._work, self._send = work, send
        self._lost_device: str | None = None
        self._planned = {entry.cell.name: entry for entry in work.planned}
        self._console = terminal()
        self._request: Any = None

    @property
    def settings(self) -> MeasureSettings:
        """How the suite measures."""
        return self._work.suite.measure

    @functools.cached_property
    def device(self) -> torch.device:
        """Where latency, memory and power are measured. Raises SuiteInputError where the suite asks for another."""
        return timing_device(self.settings)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test a cell; every benchmark has the same parameter name, which pytest-benchmark's grouping needs."""
        if "cell" in metafunc.fixturenames:
            metafunc.parametrize("cell", list(self._planned))

    @pytest.fixture(name="cells")
    def cells_fixture(self, request: pytest.FixtureRequest) -> CellRun:
        """This object, to the test."""
        self._request = request
        return self

    def prepare(self, cell: str) -> Prepared:
        """Load or train a cell's network.

        Raises:
            CellLostError: the process that measured it ended.
        """
        self._send(("begin", cell))
        if cell in self._work.lost:
            raise CellLostError(self._work.lost[cell])
        work = self._work
        return prepare(self._planned[cell], work.suite, work.sources, work.provenance.command)

    @contextmanager
    def progress(self, cell: str) -> Iterator[Callable[[int, int], None]]:
        """Show, on a terminal, how much of the test set is measured; gives what to call with (done, total) images."""
        with self._console.status(f"{cell}: measuring") as status:
            yield lambda done, total: status.update(f"{cell}: measured {done} of {total} test images")

    def time(self, prepared: Prepared) -> dict[str, Section]:
        """Latency, memory and power of a prepared network, by section. A GPU that was lost is left alone."""
        if not self.settings.timed:
            return not_timed(Absent(status="skipped", reason="the run was asked to count only"))
        if self._lost_device is not None:
            return not_timed(Absent(status="unavailable", reason=f"an earlier cell ended so: {self._lost_device}"))
        try:
            with device_lock(self.device, self._waiting):
                timed = time_cell(self._request.getfixturevalue("benchmark"), prepared, self.device, self.settings)
        except DeviceBusyError as error:
            return not_timed(Absent(status="unavailable", reason=str(error)))
        self._lost_device = timed.lost
        return timed.sections

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._send(("hold", None))
        with waited_for(self.device):
            yield
        self._send(("go on", None))

    def store(self, cell: str, prepared: Prepared | None, sections: Mapping[str, Section]) -> None:
        """Send off the record of a cell; `prepared` is None where its network could not be had."""
        description, provenance = describe(self._planned[cell]), self._work.provenance
        if prepared is not None:
            description = prepared.description
            provenance = provenance.model_copy(update={"dataset": prepared.data, "weights": prepared.weights})
        record = make_record(cell, description, provenance, sections)
        self._send(("cell", run_document(record, self._request)))

    def store_absent(
        self, cell: str, status: Literal["skipped", "failed"], reason: str, prepared: Prepared | None = None
    ) -> None:
        """Send off a record that says why nothing was measured."""
        self.store(cell, prepared, dict.fromkeys(SECTIONS, Absent(status=status, reason=reason)))
