"""Runs a suite: pytest over bench/test_cells.py, a cell a benchmark, each on disk the moment it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.energy import EnergyModel, energy_models
from bench.suites.harness import make_record, run_benchmarks, run_document, run_provenance, time_rounds
from bench.suites.prepare import Prepared, Sources, describe, prepare
from bench.suites.suite import PlannedCell, Suite
from bench.suites.terminal import terminal
from bench.suites.timing import not_timed, timing_device
from bench.suites.varying import time_cell
from bench.suites.watch import watching
from bench.track.records import SECTIONS, Absent, Provenance, Record, Section
from bench.track.unfinished import OpenRun, open_run, recover_unfinished


@dataclass(frozen=True)
class Outcome:
    """The run file, None where no cell was measured; pytest's exit code; and what was wrong with the input."""

    path: Path | None
    exit_code: int
    bad_input: tuple[str, ...]
    recovered: tuple[Path, ...]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run; what was measured before is in the run file."""
        return self.exit_code == pytest.ExitCode.INTERRUPTED


def run_suite(
    suite: Suite,
    planned: Sequence[PlannedCell],
    out: Path,
    sources: Sources,
    command: Sequence[str],
    *,
    watch: bool = False,
) -> Outcome:
    """Measure the planned cells into one run file under `out`.

    Runs that were killed earlier are finished first, with the cells that they had measured. `watch` shows power and
    clocks meanwhile.

    Raises:
        TrackInputError: `out` cannot be written.
        MeasureInputError: the suite's models of energy cannot be read.
        SuiteInputError: the suite asks for a GPU, and there is none.
    """
    models = energy_models(suite.energy_models)
    device = timing_device(suite.measure)
    recovered = tuple(recover_unfinished(out))
    provenance = run_provenance(out, command, str(device))
    with open_run(out, provenance) as run:
        cells = CellRun(suite, planned, sources, provenance, run, models, device)
        exit_code = run_benchmarks("test_cells.py", cells, *watching(watch, device))
        path = run.finish() if cells.stored else None
    return Outcome(path, exit_code, tuple(cells.bad_input), recovered)


class CellRun:
    """The pytest plugin that gives test_cells.py its cells, prepares them, and stores what was measured."""

    def __init__(
        self,
        suite: Suite,
        planned: Sequence[PlannedCell],
        sources: Sources,
        provenance: Provenance,
        run: OpenRun,
        models: Sequence[EnergyModel],
        device: torch.device,
    ) -> None:
        self.suite, self.energy_models = suite, models
        self._device = device
        self._lost: str | None = None
        self.stored = 0
        self.bad_input: list[str] = []
        self._planned = {entry.cell.name: entry for entry in planned}
        self._sources, self._provenance, self._run = sources, provenance, run
        self._console = terminal()
        self._session: Any = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test a cell; every benchmark has the same parameter name, which pytest-benchmark's grouping needs."""
        if "cell" in metafunc.fixturenames:
            metafunc.parametrize("cell", list(self._planned))

    @pytest.fixture(name="cells")
    def cells_fixture(self, request: pytest.FixtureRequest) -> CellRun:
        """This object, to the test."""
        self._session = request.config._benchmarksession  # type: ignore[attr-defined]
        return self

    def prepare(self, cell: str) -> Prepared:
        """Load or train a cell's network."""
        return prepare(self._planned[cell], self.suite, self._sources, self._provenance.command)

    @contextmanager
    def progress(self, cell: str) -> Iterator[Callable[[int, int], None]]:
        """Show, on a terminal, how much of the test set is measured; gives what to call with (done, total) images."""
        with self._console.status(f"{cell}: measuring") as status:
            yield lambda done, total: status.update(f"{cell}: measured {done} of {total} test images")

    def time(self, prepared: Prepared, benchmark: BenchmarkFixture) -> dict[str, Section]:
        """Latency, memory and power of a prepared network, by section. A GPU that was lost is left alone."""
        if self._lost is not None:
            return not_timed(benchmark, Absent(status="unavailable", reason=f"an earlier cell ended so: {self._lost}"))
        timed = time_cell(benchmark, prepared, self._device, self.suite.measure)
        self._lost = timed.lost
        return timed.sections

    def store(
        self, cell: str, prepared: Prepared, sections: Mapping[str, Section], benchmark: BenchmarkFixture
    ) -> None:
        """Write the record of a measured cell."""
        provenance = self._provenance.model_copy(update={"dataset": prepared.data, "weights": prepared.weights})
        self._write(make_record(cell, prepared.description, provenance, sections), benchmark)

    def store_absent(
        self,
        cell: str,
        status: Literal["skipped", "failed"],
        reason: str,
        benchmark: BenchmarkFixture,
        prepared: Prepared | None = None,
    ) -> None:
        """Write a record that says why nothing was measured.

        A test without a timing vanishes from pytest-benchmark's file, so the writing down of the reason is timed.
        """
        if status == "failed":
            self.bad_input.append(f"{cell}: {reason}")
        absent = Absent(status=status, reason=reason)
        provenance = self._provenance
        if prepared is not None:
            provenance = provenance.model_copy(update={"dataset": prepared.data, "weights": prepared.weights})
        description = prepared.description if prepared else describe(self._planned[cell])

        def write_down() -> Record:
            return make_record(cell, description, provenance, dict.fromkeys(SECTIONS, absent))

        time_rounds(benchmark, write_down, rounds=1)
        self._write(write_down(), benchmark)

    def _write(self, record: Record, benchmark: BenchmarkFixture) -> None:
        self._run.write_cell(run_document(record, benchmark, self._session))
        self.stored += 1
