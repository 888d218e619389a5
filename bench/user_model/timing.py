"""Times a user's own model on its first samples, and with other batches and numbers of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from inflor_bench.cell.device_lock import DeviceBusyError, device_lock
from inflor_bench.cell.timing import Pass, not_timed, time_pass
from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.running.drive import Drive
from inflor_bench.record.section import Absent, Section
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.terminal import waited_for


def time_model(
    benchmark: BenchmarkFixture, drive: Drive, inputs: Tensor, settings: MeasureSettings
) -> dict[str, Section]:
    """Latency, memory and power on the first of `inputs`, [N, ...] or [T, N, ...], with the device for itself.

    Where they cannot be had, because the model fails or the device stays busy, the sections say why.
    """

    def vary(size: int | None, timesteps: int | None) -> Pass | Absent:
        batch = inputs.narrow(axis, 0, min(settings.batch_size if size is None else size, inputs.shape[axis]))
        if size is not None and drive.samples(batch) < size:
            return Absent(status="unavailable", reason=f"there are no more than {inputs.shape[axis]} samples")
        driven = drive if timesteps is None else _with_timesteps(drive, timesteps)
        if isinstance(driven, Absent):
            return driven
        if driven.plan.timed_input:
            batch = batch[: driven.plan.timesteps]
        forward = _forward(driven, driven.arrange(batch))
        return Pass(forward, drive.samples(batch), driven.plan.timesteps, driven.plan.reset)

    axis = int(drive.plan.timed_input)
    usual = vary(None, None)
    assert isinstance(usual, Pass)
    try:
        with device_lock(inputs.device, lambda: waited_for(inputs.device)):
            return time_pass(benchmark, drive.model, inputs.device, settings, usual, vary).sections
    except MeasureInputError as error:
        return not_timed(Absent(status="failed", reason=str(error)))
    except DeviceBusyError as error:
        return not_timed(Absent(status="unavailable", reason=str(error)))


def _forward(drive: Drive, arguments: list[Tensor]) -> Callable[[], None]:
    @torch.no_grad()
    def forward() -> None:
        drive.run(arguments)

    return forward


def _with_timesteps(drive: Drive, timesteps: int) -> Drive | Absent:
    """The same model driven through another number of steps, where it is we who make them."""
    plan = drive.plan
    if plan.timed_input and plan.timesteps is not None and timesteps > plan.timesteps:
        return Absent(status="unavailable", reason=f"the inputs hold {plan.timesteps} time steps")
    if plan.axis not in ("leading", "calls"):
        return Absent(status="unavailable", reason="the number of time steps is the model's own affair")
    return Drive(drive.model, replace(plan, timesteps=timesteps))
