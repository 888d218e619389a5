"""Runs a suite: cells are measured here, in a process that can be stopped, or by Ray, and land on disk one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inflor_bench.cell.prepare import Sources
from inflor_bench.cell.timing import timing_device
from inflor_bench.errors import SuiteInputError, TrackInputError
from inflor_bench.measure.energy import EnergyModel, energy_models
from inflor_bench.record.open_run import OpenRun, open_run, recover_unfinished
from inflor_bench.record.run_file import entries_of
from inflor_bench.record.schema import SECTIONS
from inflor_bench.run.harness import run_provenance
from inflor_bench.run.in_process import Message, Work, measure_cells
from inflor_bench.run.progress import Progress
from inflor_bench.run.shards import Shard
from inflor_bench.run.stoppable import measure_stoppable
from inflor_bench.run.suite import PlannedCell, Suite, cells_hash
from inflor_bench.terminal import terminal


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
    timeout: float | None = None,
    ray: str | None = None,
    shard: Shard | None = None,
    only: str = "*",
    watch: bool = False,
) -> Outcome:
    """Measure the planned cells, those of the suite that match `only` and are the shard's, into one run file in `out`.

    Runs that were killed earlier are finished first, with the cells that they had measured. A cell takes at most
    `timeout` seconds (None: as long as it takes). `ray` is the address of a Ray that runs the cells: "" starts one on
    this machine, None has them run here. `watch` shows power and clocks meanwhile.

    Raises:
        TrackInputError: `out` cannot be written.
        MeasureInputError: the suite's models of energy cannot be read.
        SuiteInputError: the suite asks for a GPU, and there is none; or Ray cannot be reached.
    """
    if watch and ray is not None:
        raise SuiteInputError("--watch shows the power of this machine, and Ray may measure on others: leave it out.")
    models = energy_models(suite.energy_models)
    device = "cpu" if ray is not None else str(timing_device(suite.measure))
    recovered = tuple(recover_unfinished(out))
    asked = {
        "counted_on": "cpu",
        "suite": suite.name,
        "suite_cells": cells_hash(suite),
        "budgets": list(suite.limits),
        "only": None if only == "*" else only,
        "shard": str(shard) if shard else None,
        "settings": suite.measure.model_dump(),
    }
    provenance = run_provenance(out, command, device).model_copy(update=asked)
    work = Work(suite, tuple(planned), sources, provenance, watch)
    with open_run(out, provenance) as run:
        landing = Landing(run, Progress([entry.cell.name for entry in planned], terminal()))
        exit_code = _measured(work, models, landing, timeout, ray)
        disturbed = tuple(entry for entry in planned if entry.cell.name in landing.disturbed)
        if disturbed and suite.measure.profile == "full" and exit_code != pytest.ExitCode.INTERRUPTED:
            names = [entry.cell.name for entry in disturbed]
            terminal().print(f"Other processes disturbed {len(names)} of {len(planned)} cells: timed once more")
            again = Landing(run, Progress(names, terminal()), anew=True)
            work = replace(work, planned=disturbed)
            if _measured(work, models, again, timeout, ray) == pytest.ExitCode.INTERRUPTED:
                exit_code = int(pytest.ExitCode.INTERRUPTED)
        path = run.finish() if landing.stored else None
    return Outcome(path, exit_code, tuple(landing.bad_input), recovered)


def _measured(
    work: Work, models: Sequence[EnergyModel], landing: Landing, timeout: float | None, ray: str | None
) -> int:
    """Measure cells where they are to be run, and return pytest's exit code."""
    if ray is not None:
        from inflor_bench.run.cluster.cells import measure_on_ray

        return measure_on_ray(work, models, ray, timeout, landing.receive)
    if timeout is not None:
        return measure_stoppable(work, timeout, landing.receive)
    return measure_cells(work, landing.receive, models)


class Landing:
    """Receives the messages of a measurement: each cell is written, and its line printed, before the next one.

    A cell that is measured `anew` takes the place of what it was only if nothing disturbed it this time.
    """

    def __init__(self, run: OpenRun, progress: Progress, *, anew: bool = False) -> None:
        self.stored = 0
        self.bad_input: list[str] = []
        self.disturbed: set[str] = set()
        self._run, self._progress, self._anew = run, progress, anew

    def receive(self, message: Message) -> None:
        """Write a cell and print its line. Messages about waiting for a device need nothing here."""
        kind, value = message
        if kind == "begin":
            self._progress.begin(value)
        if kind != "cell":
            return
        (record,) = (entry.record for entry in entries_of(value))
        name = record["name"]
        latency = record["latency"]
        if latency.get("disturbed"):
            self.disturbed.add(name)
        if self._anew and (latency["status"] != "measured" or name in self.disturbed):
            self._progress.land(name, "disturbed again" if name in self.disturbed else "not timed")
            return
        try:
            self._run.write_cell(value, anew=self._anew)
        except TrackInputError as error:  # a full disk; there may be room again for the next cell
            self._progress.land(name, "lost")
            self.bad_input.append(f"{name}: was measured and is lost: {error}")
            return
        self.stored += 1
        statuses = {record[section]["status"] for section in SECTIONS}
        if statuses not in ({"skipped"}, {"failed"}):
            self._progress.land(name, "measured")
            return
        (outcome,), reason = statuses, record[SECTIONS[0]]["reason"]
        self._progress.land(name, outcome, reason)
        if outcome == "failed":
            self.bad_input.append(f"{name}: {reason}")
