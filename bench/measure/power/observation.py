"""What the meters of a device gave before and during a load: plain values, which can be sent to another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeVar

from inflor_bench.measure.power.profile import Profile
from inflor_bench.measure.power.progress import Progress
from inflor_bench.measure.power.protocol import Clock, Conditions, Meter, MeterError, Reader
from inflor_bench.measure.power.window import Watch, Window
from inflor_bench.measure.unavailable import Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Observation:
    """Windows without load and over it, by one meter and perhaps a second that checks it.

    `flags` are what a reader of the figures should know, `conditions` those of the windows; `tick_seconds` is how often
    the meter moved, None of one that is polled; `lost` says why there are fewer windows than asked for.
    """

    meter: str
    cross_meter: str | None
    device: str
    ticks: bool
    relative_uncertainty: float | None
    flags: tuple[str, ...]
    conditions: tuple[Conditions, ...]
    tick_seconds: float | None
    idle: Window
    windows: tuple[Window, ...]
    lost: str | None


class Surroundings(Protocol):
    """Where time passes, and where the load is. Tests have virtual ones."""

    @property
    def now(self) -> Clock:
        """Seconds since some fixed moment."""
        ...

    def at_rest(self, watch: Callable[[Progress], T]) -> T:
        """Watch the idle device and return what `watch` returned."""
        ...

    def under_load(self, watch: Callable[[Progress], T]) -> T:
        """Have the load run until `watch` returns, and return what it returned."""
        ...


@dataclass
class _Trials:
    windows: list[Window] = field(default_factory=list)
    lost: str | None = None


def no_meter(reasons: Sequence[str]) -> Unavailable:
    """Why nothing is measured: what every meter says, each once."""
    return Unavailable(" ".join(dict.fromkeys(reasons)) or "no_meter: no power meter applies to this device.")


def observe(
    meters: Sequence[Meter], profile: Profile, random: Random, surroundings: Surroundings
) -> Observation | Unavailable:
    """Watch the device with the first meter that can be read; the next one of the same device checks it."""
    with ExitStack() as stack:
        reasons: list[str] = []
        readers: list[tuple[str, Reader]] = []
        for meter in meters:
            try:
                reader = meter.open(surroundings.now)
            except MeterError as error:
                reasons.append(error.reason)
                continue
            stack.callback(reader.close)
            if not readers or reader.device == readers[0][1].device:
                readers.append((meter.name, reader))
        if not readers:
            return no_meter(reasons)
        (name, reader), (cross_name, cross) = readers[0], readers[1] if len(readers) > 1 else (None, None)
        watch = Watch(reader, cross, surroundings.now)
        try:
            idle = surroundings.at_rest(lambda progress: _idle(watch, progress, profile))
            trials = surroundings.under_load(lambda progress: _trials(watch, progress, profile, random))
        except MeterError as error:
            return Unavailable(error.reason)
        return Observation(
            meter=name,
            cross_meter=cross_name,
            device=reader.device,
            ticks=reader.ticks,
            relative_uncertainty=reader.relative_uncertainty,
            flags=(*reader.flags, *watch.flags),
            conditions=tuple(watch.conditions),
            tick_seconds=watch.tick_seconds,
            idle=idle,
            windows=tuple(trials.windows),
            lost=trials.lost,
        )


def _idle(watch: Watch, progress: Progress, profile: Profile) -> Window:
    watch.let_pass(progress, profile.lead_seconds)
    return watch.window(progress, profile.idle_seconds, 0)


def _trials(watch: Watch, progress: Progress, profile: Profile, random: Random) -> _Trials:
    trials = _Trials()
    try:
        watch.let_pass(progress, profile.lead_seconds)
        watch.measure_tick(progress)
        watch.conditions.clear()
        for _ in range(profile.trials):
            watch.let_pass(progress, random.uniform(0, profile.delay_seconds))
            trials.windows.append(watch.window(progress, profile.seconds, profile.iterations))
    except MeterError as error:
        if not error.device_lost or not trials.windows:
            raise
        trials.lost = error.reason
    return trials
