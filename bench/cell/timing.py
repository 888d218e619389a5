"""Latency, memory and power of one network on one device, as sections of its record. Imports no models of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from inflor_bench.cell.derived import tdp_estimate
from inflor_bench.cell.sections import section
from inflor_bench.errors import SuiteInputError
from inflor_bench.measure.latency import (
    Turn,
    cpu_seconds_per_inference,
    cuda_graph,
    describe,
    event_rounds,
    evict_caches,
    inferences_per_second,
    neighbours,
    rounds_in_turn,
    summarise,
    synchronise,
    warm_up,
)
from inflor_bench.measure.memory import peak_memory
from inflor_bench.measure.power import FULL, QUICK, device_lost, measure_power, meters_for
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record.costs import Latency, LatencyPoint, LatencyVariant, Memory, Power, Rounds
from inflor_bench.record.section import Absent, Section
from inflor_bench.run.settings import MeasureSettings, Variant

TIMED_SECTIONS = ("latency", "memory", "power")


@dataclass(frozen=True)
class Pass:
    """A forward pass of a batch. `forward` need not be synchronised; `reset` brings the model to rest before it."""

    forward: Callable[[], object]
    batch_size: int
    timesteps: int | None
    reset: Callable[[], object] = lambda: None


# A pass with another batch size or number of steps (None: as it is), or why there is none.
Vary = Callable[[int | None, int | None], Pass | Absent]


@dataclass(frozen=True)
class Timed:
    """What was measured; `lost` says why nothing more may run on the device."""

    sections: dict[str, Section]
    lost: str | None = None


def timing_device(settings: MeasureSettings) -> torch.device:
    """The device that latency, memory and power are measured on.

    Raises:
        SuiteInputError: a GPU was asked for, and torch finds none.
    """
    found = settings.device != "cpu" and torch.cuda.is_available()
    if settings.device == "cuda" and not found:
        raise SuiteInputError(
            "[measure] device = 'cuda', but torch finds no GPU: `inflor-bench doctor` says why; or say 'auto' or 'cpu'."
        )
    return torch.device("cuda", torch.cuda.current_device()) if found else torch.device("cpu")


def time_pass(
    benchmark: BenchmarkFixture,
    model: nn.Module,
    device: torch.device,
    settings: MeasureSettings,
    usual: Pass,
    vary: Vary,
) -> Timed:
    """Measure latency (by `benchmark`), memory and power of a pass, and latency of what the settings vary.

    A GPU that fails costs the sections, with the reason, and nothing else.
    """
    bench = _Bench(device, settings)
    try:
        sections = bench.sections(benchmark, model, usual, vary)
    except RuntimeError as error:
        if device.type != "cuda" or "CUDA" not in str(error):
            raise
        reason = f"cuda_error: {str(error).partition(chr(10))[0]}"
        lost = None if isinstance(error, torch.OutOfMemoryError) else reason
        return Timed(not_timed(Absent(status="failed", reason=reason)), lost)
    return Timed(sections, bench.lost)


def not_timed(reason: Absent) -> dict[str, Section]:
    """The sections of what could not be timed."""
    return dict.fromkeys(TIMED_SECTIONS, reason)


def rounds_section(seconds: list[float]) -> Rounds:
    """Rounds as a record keeps them: all of them, and what describes them."""
    return Rounds(seconds=seconds, **vars(describe(seconds)))


def _time_rounds(benchmark: BenchmarkFixture, turn: Turn, rounds: int) -> list[float]:
    """The seconds of each round by pytest-benchmark, without its own warm-up.

    It can be used once a test, so an error is kept until it is done.
    """
    harness: Any = benchmark
    errors: list[Exception] = []

    def call() -> None:
        if not errors:
            try:
                turn.call()
            except Exception as error:
                errors.append(error)

    harness.pedantic(call, setup=turn.before, rounds=rounds, iterations=1, warmup_rounds=0)
    if errors:
        raise errors[0]
    return list(harness.stats.stats.data)


@dataclass
class _Bench:
    """One device with the settings."""

    device: torch.device
    settings: MeasureSettings
    lost: str | None = field(default=None, init=False)

    def sections(self, benchmark: BenchmarkFixture, model: nn.Module, usual: Pass, vary: Vary) -> dict[str, Section]:
        settings, size = self.settings, usual.batch_size
        turn = self._turn(usual)
        from_rest = self._from_rest(usual)
        warmup = warm_up(turn.call, before=turn.before, seconds=settings.warmup_seconds)
        with neighbours() as seen:
            rounds = _time_rounds(benchmark, turn, settings.timed_rounds)
        cpu_seconds = cpu_seconds_per_inference(turn.call, batch_size=size, iterations=10, before=turn.before)
        throughput = self._throughput(usual)
        latency = summarise(
            rounds,
            batch_size=size,
            warmup=warmup,
            seen=seen(),
            cpu_seconds_per_inference=cpu_seconds,
            inferences_per_second=throughput,
        )
        described = Latency(
            **vars(latency),
            profile=settings.profile,
            events=self._events(usual),
            variants=self._variants(usual),
            sweep=self._sweep(usual, vary),
        )
        memory = peak_memory(from_rest, model, batch_size=size, device=self.device)
        profile = QUICK if settings.profile == "quick" else FULL
        power = measure_power(from_rest, meters_for(self.device), batch_size=size, profile=profile)
        self.lost = device_lost(power)
        found: dict[str, Section] = {
            "latency": described,
            "memory": section(Memory, memory),
            "power": section(Power, power),
        }
        estimate = tdp_estimate(described, settings.tdp_watts)
        return found if estimate is None else {**found, "tdp_estimate": estimate}

    def _turn(self, one: Pass, evict: Callable[[], object] = lambda: None) -> Turn:
        """A synchronised pass; bringing the model to rest, and `evict`, are waited for before it starts."""

        def before() -> None:
            one.reset()
            evict()
            synchronise(self.device)

        def call() -> None:
            one.forward()
            synchronise(self.device)

        return Turn(call, before)

    def _from_rest(self, one: Pass) -> Callable[[], None]:
        def from_rest() -> None:
            one.reset()
            one.forward()
            synchronise(self.device)

        return from_rest

    def _throughput(self, one: Pass) -> float:
        def from_rest() -> None:
            one.reset()
            one.forward()

        return inferences_per_second(
            from_rest,
            batch_size=one.batch_size,
            seconds=self.settings.sustained_seconds,
            finish=lambda: synchronise(self.device),
        )

    def _events(self, usual: Pass) -> Rounds | Absent:
        if self.device.type != "cuda":
            return Absent(status="unavailable", reason=f"no_cuda: {self.device.type} has no CUDA events")
        return rounds_section(event_rounds(usual.forward, self.device, self.settings.timed_rounds, usual.reset))

    def _variants(self, usual: Pass) -> list[LatencyVariant]:
        if not self.settings.variants:
            return []
        turns = {"plain": self._turn(usual)}
        notes: dict[str, str] = {"plain": "as the cell's own rounds, timed in turn with the other variants"}
        reasons: dict[str, Absent] = {}
        for name in dict.fromkeys(self.settings.variants):
            turn, notes[name] = self._variant(name, usual)
            if isinstance(turn, Unavailable):
                reasons[name] = Absent(status="unavailable", reason=turn.reason)
            else:
                turns[name] = turn
        seconds = rounds_in_turn(turns, self.settings.timed_rounds)
        return [
            LatencyVariant.model_validate(
                {"name": name, "note": note, "rounds": reasons.get(name) or rounds_section(seconds[name])}
            )
            for name, note in notes.items()
        ]

    def _variant(self, name: Variant, usual: Pass) -> tuple[Turn | Unavailable, str]:
        if name == "cold-cache":
            evict = evict_caches(self.device)
            if isinstance(evict, Unavailable):
                return evict, "caches emptied before each round"
            return self._turn(usual, evict[0]), f"{evict[1] / 2**20:.0f} MiB written before each round, to empty caches"
        note = "the pass captured once as a CUDA graph and replayed"
        usual.reset()
        replay = cuda_graph(usual.forward, self.device)
        if isinstance(replay, Unavailable):
            return replay, note
        return self._turn(Pass(replay, usual.batch_size, usual.timesteps)), note

    def _sweep(self, usual: Pass, vary: Vary) -> list[LatencyPoint]:
        """Warm every point up, then time all of them in turn."""
        wanted: Iterable[tuple[int | None, int | None]] = [
            *((size, None) for size in self.settings.sweep_batch_sizes),
            *((None, steps) for steps in self.settings.sweep_timesteps),
        ]
        points: list[dict[str, object]] = []
        turns: dict[str, Turn] = {}
        for size, steps in dict.fromkeys(wanted):
            point: dict[str, object] = {"batch_size": size or usual.batch_size, "timesteps": steps or usual.timesteps}
            points.append(point)
            one = vary(size, steps)
            if isinstance(one, Absent):
                point["rounds"] = one
                continue
            turn = self._turn(one)
            try:
                warmup = warm_up(turn.call, before=turn.before, seconds=self.settings.warmup_seconds)
                point["inferences_per_second"] = self._throughput(one)
            except torch.OutOfMemoryError as error:
                reason = f"out_of_memory: {str(error).partition(chr(10))[0]}"
                point["rounds"] = Absent(status="failed", reason=reason)
                continue
            point["steady"] = warmup.steady
            turns[str(len(points) - 1)] = turn
        for index, seconds in rounds_in_turn(turns, self.settings.timed_rounds).items():
            points[int(index)]["rounds"] = rounds_section(seconds)
        return [LatencyPoint.model_validate(point) for point in points]
