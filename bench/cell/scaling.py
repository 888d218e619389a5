"""Times the network of a cell, and the same network with other batches and numbers of steps."""

from __future__ import annotations

from copy import deepcopy

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from inflor_bench.cell.prepare import Prepared
from inflor_bench.cell.timing import Pass, Timed, time_pass
from inflor_bench.record.origin import WITHOUT_TIME
from inflor_bench.record.section import Absent
from inflor_bench.run.settings import MeasureSettings


def time_cell(
    benchmark: BenchmarkFixture, prepared: Prepared, device: torch.device, settings: MeasureSettings
) -> Timed:
    """Latency, memory and power of a cell's network on the first samples of its test set."""
    model = prepared.model.to(device)
    has_time = prepared.description.neuron not in WITHOUT_TIME
    steps = prepared.description.timesteps if has_time else 1

    def vary(size: int | None, timesteps: int | None) -> Pass | Absent:
        count = settings.batch_size if size is None else size
        samples = prepared.dataset.test.head(count)
        if size is not None and len(samples) < size:
            return Absent(status="unavailable", reason=f"the test set has no more than {len(samples)} samples")
        batch = prepared.dataset.normalise(samples).to(device)
        if timesteps is None or timesteps == steps:
            return _pass(model, batch, len(samples), steps)
        if not has_time:
            return Absent(status="unavailable", reason="the ANN twin has one time step")
        if samples.ndim == 5:  # frames of events: a network of fewer steps sees the first of them
            if len(batch) < timesteps:
                return Absent(status="unavailable", reason=f"the events were made into {len(batch)} frames")
            batch = batch[:timesteps]
        return _pass(with_timesteps(model, timesteps), batch, len(samples), timesteps)

    usual = vary(None, None)
    assert isinstance(usual, Pass)
    return time_pass(benchmark, model, device, settings, usual, vary)


def with_timesteps(model: nn.Module, timesteps: int) -> nn.Module:
    """A copy of one of our networks that makes another number of steps; nothing else in it depends on that."""
    copy = deepcopy(model)
    for module in copy.modules():
        if hasattr(module, "timesteps"):
            setattr(module, "timesteps", timesteps)  # noqa: B010 - a tensor or module, says mypy of an attribute
    return copy


def _pass(model: nn.Module, batch: Tensor, size: int, timesteps: int | None) -> Pass:
    @torch.inference_mode()
    def forward() -> None:
        model(batch)

    return Pass(forward, size, timesteps)
