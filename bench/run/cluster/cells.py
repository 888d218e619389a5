"""Cells of a suite as jobs of Ray: each is measured by one worker, and lands here when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from inflor_bench.cell.lost import CellLostError
from inflor_bench.cell.prepare import Sources
from inflor_bench.cell.timing import timing_device
from inflor_bench.measure.energy import EnergyModel
from inflor_bench.models.training.interruption import Interruption
from inflor_bench.record.provenance import machine, versions
from inflor_bench.run.cluster.pool import InterruptedTaskError, Lost, Note, Pool
from inflor_bench.run.harness import beside
from inflor_bench.run.in_process import Message, Send, Work, measure_cells
from inflor_bench.run.stoppable import send_lost
from inflor_bench.run.suite import PlannedCell
from inflor_bench.terminal import terminal


def measure_on_ray(work: Work, models: Sequence[EnergyModel], address: str, timeout: float | None, send: Send) -> int:
    """Measure cells by Ray, send each when it is done, and return pytest's worst exit code.

    Raises:
        SuiteInputError: Ray cannot be reached, or a cell fits on none of its nodes.
    """
    code = int(pytest.ExitCode.OK)
    everywhere = replace(work, planned=(), watch=False, sources=_absolute(work.sources))
    by_name = {entry.cell.name: entry for entry in work.planned}
    gpu = {"cpu": False, "cuda": True, "auto": None}[work.suite.measure.device]
    status = terminal().status("Ray measures the cells")
    with Pool(address, gpu=gpu) as pool, status, Interruption() as interruption:
        common = (everywhere, tuple(models), pool.shared)
        jobs = list(by_name.items())
        results = pool.run(measure_one, common, jobs, timeout, lambda: interruption.requested)
        for name, result in results:
            if isinstance(result, Lost):
                code = max(code, send_lost(work, by_name[name], result.reason, send))
            else:
                send(("cell", result[1]))
                code = max(code, result[0])
        return int(pytest.ExitCode.INTERRUPTED) if interruption.requested else code


def measure_one(
    note: Note, everywhere: Work, models: Sequence[EnergyModel], shared: bool, entry: PlannedCell
) -> tuple[int, dict[str, Any]]:
    """Measure a cell in a worker; returns pytest's exit code and the run document of the cell.

    Raises:
        InterruptedTaskError: the worker was told to stop. CellLostError: a defect, which pytest has printed.
    """
    found: list[dict[str, Any]] = []

    def send(message: Message) -> None:
        kind, value = message
        if kind == "cell":
            found.append(value)
        else:
            note(kind)

    threads = torch.get_num_threads()
    provenance = everywhere.provenance.model_copy(
        update={
            "machine": machine(threads, shared="with other cells" if shared else beside()),
            "versions": versions(),
            "threads": threads,
            "device": str(timing_device(everywhere.suite.measure)),
        }
    )
    code = measure_cells(replace(everywhere, planned=(entry,), provenance=provenance), send, models)
    if code == pytest.ExitCode.INTERRUPTED:
        raise InterruptedTaskError("the worker was told to stop")
    if not found:
        raise CellLostError("it ended without a result: the log of its worker, kept by Ray, says why")
    return code, found[0]


def _absolute(sources: Sources) -> Sources:
    """The same places for a worker, which may stand in another directory."""
    root = sources.data_root
    return replace(sources, cache=sources.cache.absolute(), data_root=root.absolute() if root else None)
