"""Runs a suite: pytest over bench/test_cells.py, a cell a benchmark, each on disk the moment it is measured."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console

import bench
from bench.suites.prepare import Prepared, Sources, describe, prepare
from bench.suites.suite import PlannedCell, Suite
from bench.track.provenance import git_state, machine, versions
from bench.track.records import SECTIONS, Absent, ModelDescription, Provenance, Record, Section
from bench.track.runs import attach_record
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
    suite: Suite, planned: Sequence[PlannedCell], out: Path, sources: Sources, command: Sequence[str]
) -> Outcome:
    """Measure the planned cells into one run file under `out`.

    Runs that were killed earlier are finished first, with the cells that they had measured.

    Raises:
        TrackInputError: `out` cannot be written.
    """
    recovered = tuple(recover_unfinished(out))
    provenance = _provenance(out, command)
    with open_run(out, provenance) as run:
        cells = CellRun(suite, planned, sources, provenance, run)
        test_file = Path(bench.__file__).parent / "test_cells.py"
        arguments = [
            str(test_file),
            *("-c", os.devnull, "--rootdir", str(test_file.parent), "--import-mode=importlib"),
            *("-p", "no:cacheprovider", "-p", "no:logging", "-q", "-s", "--no-header", "--tb=short", "-rN"),
            *("--benchmark-only", "--benchmark-columns=min,median,iqr,rounds", "--benchmark-sort=fullname"),
        ]
        exit_code = int(pytest.main(arguments, plugins=[cells]))
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
    ) -> None:
        self.suite = suite
        self.stored = 0
        self.bad_input: list[str] = []
        self._planned = {entry.cell.name: entry for entry in planned}
        self._sources, self._provenance, self._run = sources, provenance, run
        self._console = Console(stderr=True)
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

    def store(
        self, cell: str, prepared: Prepared, sections: Mapping[str, Section], benchmark: BenchmarkFixture
    ) -> None:
        """Write the record of a measured cell."""
        provenance = self._provenance.model_copy(update={"dataset": prepared.data, "weights": prepared.weights})
        self._write(_record(cell, prepared.description, provenance, sections), benchmark)

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
        description = prepared.description if prepared else describe(self._planned[cell].cell)

        def write_down() -> Record:
            return _record(cell, description, provenance, dict.fromkeys(SECTIONS, absent))

        time_rounds(benchmark, write_down, rounds=1)
        self._write(write_down(), benchmark)

    def _write(self, record: Record, benchmark: BenchmarkFixture) -> None:
        measured: Any = benchmark.stats
        entry = attach_record(measured.as_dict(include_data=True, flat=False, stats=True), record)
        document = {
            "machine_info": self._session.get_machine_info(),
            "commit_info": _commit_info(record.provenance),
            "benchmarks": [entry],
            "datetime": datetime.now(UTC).isoformat(),
            "version": version("pytest-benchmark"),
        }
        self._run.write_cell(document)
        self.stored += 1


def time_rounds(benchmark: BenchmarkFixture, call: Callable[[], object], rounds: int) -> list[float]:
    """Time a call by pytest-benchmark, once a round and without its own warm-up; return the seconds of each round."""
    harness: Any = benchmark
    harness.pedantic(call, rounds=rounds, iterations=1, warmup_rounds=0)
    return list(harness.stats.stats.data)


def _record(
    cell: str, description: ModelDescription, provenance: Provenance, sections: Mapping[str, Section]
) -> Record:
    values: Mapping[str, Any] = sections
    return Record(name=cell, model=description, provenance=provenance, **values)


def _provenance(out: Path, command: Sequence[str]) -> Provenance:
    threads = torch.get_num_threads()
    return Provenance(
        run_id=uuid.uuid4().hex[:12],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=list(command),
        git=git_state(Path.cwd(), ignore=[out]),
        machine=machine(threads),
        versions=versions(),
        threads=threads,
        device="cpu",
    )


def _commit_info(provenance: Provenance) -> dict[str, Any]:
    """The keys that readers of pytest-benchmark's file look for."""
    git = provenance.git
    if isinstance(git, Absent):
        return {
            "id": "unversioned",
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": None,
            "branch": "(unknown)",
        }
    return {
        "id": git.sha,
        "time": git.committed,
        "author_time": git.committed,
        "dirty": git.dirty,
        "project": Path.cwd().name,
        "branch": git.branch or "(detached head)",
    }
