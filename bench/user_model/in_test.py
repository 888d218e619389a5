"""Measuring inside of a test: the fixture `efficiency`, and the run that a session of pytest writes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inflor_bench.cache import cache_directory
from inflor_bench.cell.timing import not_timed
from inflor_bench.errors import InputError, MeasureInputError
from inflor_bench.history.history import Baseline, newest_comparable
from inflor_bench.measure.running.declared import Said
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.modes import modes_kept
from inflor_bench.measure.running.recognise import recognise
from inflor_bench.metrics import METRICS
from inflor_bench.record.open_run import OpenRun, open_run, recover_unfinished, write_cell
from inflor_bench.record.origin import Budget, DatasetProvenance, Provenance
from inflor_bench.record.run_file import Run, entries_of, read_run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent, Section
from inflor_bench.run.harness import make_record, run_document, run_provenance
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.text import one_line
from inflor_bench.user_model.counting import count
from inflor_bench.user_model.description import describe_model, models_of_energy, provenance_of
from inflor_bench.user_model.timing import time_model
from inflor_bench.verdict.budgets import parse_budgets
from inflor_bench.verdict.compare import judge_in
from inflor_bench.verdict.render import print_findings

NOT_TIMED = "not_timed: the test does not ask for the fixture benchmark of pytest-benchmark."


class Session:
    """The run of a session. A worker of xdist writes into that of its controller, which finishes it."""

    def __init__(
        self, provenance: Provenance, cells: Path, base: str | None = None, run: OpenRun | None = None
    ) -> None:
        self.provenance, self._cells, self._base, self._run = provenance, cells, base, run
        self._of: dict[str, str] = {}

    @classmethod
    def opened(cls, out: Path, base: str | None) -> Session:
        """Open a run under `out`.

        Raises:
            TrackInputError: `out` cannot be written, or `base` names a run file that cannot be read.
        """
        if base is not None and Path(base).is_file():
            read_run(Path(base))
        recover_unfinished(out)
        provenance = run_provenance(out, ["pytest", *sys.argv[1:]])
        run = open_run(out, provenance)
        return cls(provenance, run.cells, base, run)

    @classmethod
    def of_worker(cls, told: dict[str, str]) -> Session:
        """The run of the controller, from what it `told`."""
        return cls(Provenance.model_validate_json(told["provenance"]), Path(told["cells"]))

    @property
    def told(self) -> dict[str, str]:
        """What a worker has to know."""
        return {"provenance": self.provenance.model_dump_json(), "cells": str(self._cells)}

    def write(self, document: dict[str, Any], test: str) -> None:
        """Keep the cell that a test has measured; what the same test measured when it ran before is replaced.

        Raises:
            TrackInputError: another test has measured a model of that name.
        """
        (entry,) = entries_of(document)
        name = entry.record["name"]
        write_cell(self._cells, document, anew=self._of.setdefault(name, test) == test)

    def finish(self) -> tuple[list[str], bool]:
        """Write the run file; return what there is to say, and whether it regressed against the base."""
        assert self._run is not None, "a worker finishes nothing"
        if not any(self._cells.glob("*.json")):
            self._run.close()
            recover_unfinished(self._cells.parent.parent)  # takes the empty directory away
            return [], False
        head = read_run(self._run.finish())
        lines = [f"run     {head.path}"]
        if self._base is None:
            return lines, False
        try:
            found = self._base_of(head, self._base)
        except InputError as error:
            return [*lines, f"base    {one_line(str(error))}"], True
        base = found.run
        lines.append(f"base    {base.path if base else 'none'}: {one_line(found.reason)}")
        lines += [f"Left out of the history: {one_line(damaged.reason)}" for damaged in found.damaged]
        lines += [one_line(found.note)] if found.note else []
        comparison = judge_in(Path.cwd(), base, head)
        from rich.console import Console

        text = StringIO()
        print_findings(comparison.findings, Console(file=text, width=200, color_system=None))
        return [*lines, *text.getvalue().splitlines()], comparison.exit_code == 1

    def _base_of(self, head: Run, named: str) -> Baseline:
        if Path(named).is_file():
            return Baseline(read_run(Path(named)), "as it was named", ())
        return newest_comparable(named, head, repository=Path.cwd(), cache=cache_directory())


@dataclass(frozen=True)
class Efficiency:
    """Measures models for one test, by calling it."""

    request: pytest.FixtureRequest
    session: Session | None
    _measured: set[str] = field(default_factory=set)

    def __call__(
        self,
        model: nn.Module,
        inputs: Tensor,
        labels: Tensor | None = None,
        *,
        timesteps: int | None = None,
        time_axis: str | None = None,
        reset: str | None = None,
        output: str | None = None,
        neurons: Sequence[str] = (),
        not_neurons: Sequence[str] = (),
        membrane: str | None = None,
        batch_size: int = 32,
        name: str | None = None,
    ) -> Record:
        """Measure a model in evaluation mode, and hold it to the limits of the test's marker `efficiency`.

        The keywords are the options of `inflor-bench measure`. The mode of the model is put back.

        Args:
            model: any torch.nn.Module.
            inputs: [N, ...], on the model's device.
            labels: [N], whole numbers; without them there is no accuracy.
            timesteps: number of time steps T.
            time_axis: where they are.
            reset: how the state is forgotten.
            output: the part of what the model gives that is scored.
            neurons: classes or names of modules that are spiking neurons and cannot be recognised.
            not_neurons: those that are none.
            membrane: the attribute that holds the membrane.
            batch_size: samples in a batch, also of the one that is timed.
            name: of the record, by which runs are compared; the test's own with nothing else said. A test that measures
                several models names each.

        Raises:
            MeasureInputError: how the model is run has to be said, or its inputs are refused.
        """
        said = Said(time_axis, timesteps, reset, output, neurons, not_neurons, membrane)
        cell = name or self.request.node.nodeid
        if cell in self._measured:
            raise MeasureInputError(
                f"{cell}: this test has measured a model of that name: give each a name of its own."
            )
        self._measured.add(cell)
        budgets, settings = self._budgets(), MeasureSettings(batch_size=batch_size, profile="quick")
        with modes_kept(model):
            drive = Drive(model.eval(), recognise(model, inputs[:2], said, timed_input=False))
            models = models_of_energy(drive, settings)
            sections = count(drive, inputs.split(batch_size), labels, models, lambda done: None)
            sections |= self._times(drive, inputs, settings)
        run = self.session.provenance if self.session else run_provenance(Path.cwd(), ["pytest", *sys.argv[1:]])
        run = run.model_copy(update={"device": str(inputs.device), "budgets": list(budgets) or None})
        dataset = _described(inputs, labels)
        record = make_record(cell, describe_model(drive, dataset.name), provenance_of(run, model, dataset), sections)
        if self.session is not None:
            self.session.write(run_document(record, self.request), self.request.node.nodeid)
        for section in sections.values():
            if isinstance(section, Absent) and section.status == "failed":
                raise MeasureInputError(f"{cell}: {section.reason}")
        if broken := [words for budget in budgets for words in _broken(record, budget)]:
            pytest.fail("\n".join(broken), pytrace=False)
        return record

    def _budgets(self) -> tuple[Budget, ...]:
        found = self.request.node.iter_markers("efficiency")
        limits = [{"cell": "*", **marker.kwargs} for marker in found]
        return parse_budgets(Path(self.request.node.nodeid), limits)

    def _times(self, drive: Drive, inputs: Tensor, settings: MeasureSettings) -> dict[str, Section]:
        if "benchmark" not in self.request.fixturenames:
            return not_timed(Absent(status="unavailable", reason=NOT_TIMED))
        benchmark = self.request.getfixturevalue("benchmark")
        if benchmark.disabled:
            return not_timed(Absent(status="unavailable", reason="not_timed: pytest-benchmark is disabled here."))
        return time_model(benchmark, drive, inputs, settings)


def _described(inputs: Tensor, labels: Tensor | None) -> DatasetProvenance:
    """The inputs of a test, known by their content."""
    digest = hashlib.sha256(f"{inputs.dtype} {list(inputs.shape)}".encode())
    for tensor in (inputs, labels):
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    shape = "x".join(map(str, inputs.shape[1:]))
    return DatasetProvenance(name="inputs", split=f"of a test, {shape}", samples=len(inputs), sha256=digest.hexdigest())


def _broken(record: Record, budget: Budget) -> list[str]:
    """What a limit has to complain of: the value, and the layer that has most of it."""
    if budget.metric.endswith("_ratio"):  # of head to base: judged where there is one
        return []
    metric = METRICS[budget.metric]
    value = metric.value(record)
    limit = f"{budget.metric} {budget.relation} {budget.limit:g}"
    if isinstance(value, Absent):
        return [f"efficiency: {limit} cannot be checked: {value.reason}"]
    if budget.kept(value):
        return []
    where = ""
    layers = metric.layers(getattr(record, metric.section)) if metric.layers else {}
    if total := sum(layers.values()):
        name, most = max(layers.items(), key=lambda item: item[1])
        share = f"{most / total:.0%}"
        where = f"; {share} of it in layer {name!r}, {value * most / total:.6g}"
    return [f"efficiency: {limit} is broken: {value:.6g} {metric.meaning}{where}"]
