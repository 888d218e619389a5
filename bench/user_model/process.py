"""The measuring process: makes the model, finds out how it is run, measures it into one run file. No models of ours.

`launch` starts it, as `python -P -m inflor_bench.user_model REQUEST ANSWER`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from inflor_bench.errors import MeasureInputError, SuiteInputError, TrackInputError
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.recognise import recognise
from inflor_bench.record.open_run import OpenRun, open_run, recover_unfinished
from inflor_bench.record.origin import Provenance
from inflor_bench.record.section import Absent, Section
from inflor_bench.run.harness import make_record, run_benchmarks, run_document, run_provenance
from inflor_bench.run.watch import WatchPlugin
from inflor_bench.terminal import terminal
from inflor_bench.user_model.counting import count
from inflor_bench.user_model.description import describe_model, models_of_energy, provenance_of
from inflor_bench.user_model.request import Answer, Request
from inflor_bench.user_model.target import load_target
from inflor_bench.user_model.timing import time_model


def main(request_file: str, answer_file: str) -> None:
    """Do what a request asks and write the answer, also where the input is refused."""
    request = Request.model_validate_json(Path(request_file).read_bytes())
    try:
        answer = measure(request)
    except (MeasureInputError, SuiteInputError, TrackInputError) as error:
        answer = Answer(run=None, bad_input=[str(error)], recovered=[])
    Path(answer_file).write_text(answer.model_dump_json(), "utf-8")


def measure(request: Request) -> Answer:
    """Measure one model into one run file.

    Raises:
        SuiteInputError, MeasureInputError: the target, or how it is to be run, is refused; nothing was measured.
        TrackInputError: the run file cannot be written.
    """
    torch.manual_seed(request.seed)
    model = load_target(request.target, Path.cwd())
    floating = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    tensors = load_file(request.inputs)
    inputs = tensors["inputs"].to(floating.device)
    if inputs.is_floating_point():
        inputs = inputs.to(floating.dtype)
    few = inputs[:, :2] if request.timed else inputs[:2]
    plan = recognise(model, few, request.said, timed_input=request.timed)
    out = Path(request.out)
    recovered = [str(path) for path in recover_unfinished(out)]
    provenance = provenance_of(run_provenance(out, request.command, str(floating.device)), model, request.dataset)
    with open_run(out, provenance) as run:
        plugin = ModelRun(request, Drive(model, plan), inputs, tensors.get("labels"), provenance, run)
        watch = [WatchPlugin(plugin.device, terminal())] if request.watch else []
        exit_code = run_benchmarks("test_own.py", plugin, *watch)
        path = run.finish() if plugin.stored else None
    if exit_code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if path is None:
        plugin.bad_input.append(f"{request.target} was not measured: what stands above is a defect of this program.")
    return Answer(run=str(path) if path else None, bad_input=plugin.bad_input, recovered=recovered)


class ModelRun:
    """The pytest plugin that gives test_own.py the model and its inputs, and stores what was measured."""

    def __init__(
        self,
        request: Request,
        drive: Drive,
        inputs: Tensor,
        labels: Tensor | None,
        provenance: Provenance,
        run: OpenRun,
    ) -> None:
        self.drive, self._settings, self._inputs = drive, request.measure, inputs
        self.batches = inputs.split(request.measure.batch_size, dim=int(request.timed))
        self.device = inputs.device
        self.bad_input: list[str] = []
        self.stored = False
        self._labels, self._name = labels, request.name
        self._total = inputs.shape[int(request.timed)]
        self._dataset, self._provenance, self._run = request.dataset.name, provenance, run
        self._console = terminal()
        self._request: Any = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test, with the parameter name that all our benchmarks have."""
        if "cell" in metafunc.fixturenames:
            metafunc.parametrize("cell", [self._name])

    @pytest.fixture(name="model")
    def model_fixture(self, request: pytest.FixtureRequest) -> ModelRun:
        """This object, to the test."""
        self._request = request
        return self

    def count(self) -> dict[str, Section]:
        """Run all inputs once. Sections that could not be had say why; what failed is told to the user."""
        with self._progress() as show:
            models = models_of_energy(self.drive, self._settings)
            return count(self.drive, self.batches, self._labels, models, show)

    @contextmanager
    def _progress(self) -> Iterator[Callable[[int], None]]:
        with self._console.status(f"{self._name}: measuring") as status:
            yield lambda done: status.update(f"{self._name}: measured {done} of {self._total} samples")

    def time(self) -> dict[str, Section]:
        """Latency, memory and power, by section."""
        return time_model(self._request.getfixturevalue("benchmark"), self.drive, self._inputs, self._settings)

    def store(self, sections: dict[str, Section]) -> None:
        """Write the record."""
        failed = (section for section in sections.values() if isinstance(section, Absent))
        reasons = dict.fromkeys(section.reason for section in failed if section.status == "failed")
        self.bad_input += [f"{self._name}: {reason}" for reason in reasons]
        record = make_record(self._name, describe_model(self.drive, self._dataset), self._provenance, sections)
        self._run.write_cell(run_document(record, self._request))
        self.stored = True
