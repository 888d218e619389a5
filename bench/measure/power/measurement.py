"""Energy of one inference: windows over a running load, on the ticks of the meter. The protocol:

- idle first: the same meter, nothing running, 5 s;
- the load runs 2 s before the first window and goes on between windows, so that averaging sensors have settled;
- 5 windows, each after a random delay of up to 1 s, each at least 5 s and 32 iterations, opened and closed on a tick;
- a second meter of the same device is read in the same windows; more than 20 % apart is flagged;
- throttling, temperature, clock and power limit are watched throughout, and nothing is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from bench.measure.errors import MeasureInputError
from bench.measure.power.protocol import Conditions, Meter, MeterError, Reader
from bench.measure.power.timeline import Progress, RealTime, Timeline
from bench.measure.unavailable import Unavailable

LOGGER = logging.getLogger(__name__)

# Clock-event reasons that mean the device ran slower than it could (NVML's names).
THROTTLING = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
CROSS_CHECK_TOLERANCE = 0.2

EDGE_POLL_SECONDS = 0.001
# A tick that fell into a longer gap between two readings (the thread was held up) is left for the next one.
EDGE_GAP_SECONDS = 0.005
POLL_SECONDS = 0.01
CONDITIONS_SECONDS = 0.25
# Ticks come every 20 to 100 ms; a count that stands still this long under load is stuck.
STUCK_SECONDS = 2.0


@dataclass(frozen=True)
class Profile:
    """How long to look. `name` is flagged in the result where it is not the full protocol."""

    name: str
    trials: int
    seconds: float
    iterations: int
    idle_seconds: float
    lead_seconds: float = 2.0
    delay_seconds: float = 1.0


FULL = Profile("full", trials=5, seconds=5.0, iterations=32, idle_seconds=5.0)
QUICK = Profile("quick", trials=1, seconds=2.0, iterations=8, idle_seconds=2.0)


@dataclass(frozen=True)
class PowerMeasurement:
    """Energy and power that were measured, J per inference (one sample) and W, in total and above idle.

    `trials` are J per inference of each window. `instrument_uncertainty` is a share that is assumed of the instrument;
    the spread of the trials comes on top. `tick_seconds` is how often the meter moved. Temperature is the highest that
    was seen, clock the lowest.
    """

    meter: str
    device: str
    joules_per_inference: float
    joules_per_inference_above_idle: float
    idle_watts: float
    mean_watts: float
    trials: tuple[float, ...]
    flags: tuple[str, ...]
    cross_check_meter: str | None
    cross_check_joules_per_inference: float | None
    instrument_uncertainty: float | None
    tick_seconds: float | None
    window_seconds: tuple[float, ...]
    iterations: tuple[float, ...]
    temperature_celsius: float | None
    clock_mhz: float | None
    power_limit_watts: float | None


@dataclass(frozen=True)
class _Sample:
    time: float
    joules: float
    cross_joules: float | None


@dataclass(frozen=True)
class _Window:
    start: _Sample
    end: _Sample

    @property
    def seconds(self) -> float:
        return self.end.time - self.start.time

    @property
    def joules(self) -> float:
        return self.end.joules - self.start.joules

    @property
    def cross_joules(self) -> float | None:
        if self.start.cross_joules is None or self.end.cross_joules is None:
            return None
        return self.end.cross_joules - self.start.cross_joules


@dataclass
class _Watch:
    """Reads one meter, and perhaps a second to check it, while time passes."""

    reader: Reader
    cross: Reader | None
    now: Callable[[], float]
    conditions: list[Conditions] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    tick_seconds: float | None = None
    _conditions_at: float = float("-inf")

    def sample(self) -> _Sample:
        before = self.now()
        joules = self.reader.read()
        moment = (before + self.now()) / 2
        cross_joules = None
        if self.cross is not None:
            try:
                cross_joules = self.cross.read()
            except MeterError as error:
                if error.device_lost:
                    raise
                self.flags.append(f"cross_check_failed: {error.reason}")
                self.cross = None
        if moment - self._conditions_at >= CONDITIONS_SECONDS:
            self.conditions.append(self.reader.conditions())
            self._conditions_at = moment
        return _Sample(moment, joules, cross_joules)

    def edge(self, progress: Progress) -> _Sample:
        """Return a sample at which a window may open or close: on a tick, if the meter has ticks."""
        last = self.sample()
        if not self.reader.ticks:
            return last
        begin, best_gap, best = last.time, float("inf"), None
        while best_gap > EDGE_GAP_SECONDS and last.time - begin < STUCK_SECONDS:
            progress.wait(EDGE_POLL_SECONDS)
            sample = self.sample()
            gap = sample.time - last.time
            if sample.joules != last.joules and gap < best_gap:
                best_gap, best = gap, _Sample((last.time + sample.time) / 2, sample.joules, sample.cross_joules)
            last = sample
        if best is None:
            raise MeterError(f"counter_stuck: the energy counter did not move for {STUCK_SECONDS:g} s.")
        return best

    def idle_away(self, progress: Progress, seconds: float) -> None:
        """Let time pass, polling on: a wrap-around and the power in between must not be missed."""
        end = self.now() + seconds
        while self.now() < end:
            progress.wait(POLL_SECONDS)
            self.sample()

    def window(self, progress: Progress, seconds: float, iterations: int) -> _Window:
        start = self.edge(progress)
        before = progress.completed()
        while self.now() - start.time < seconds or progress.completed() - before < iterations:
            progress.wait(POLL_SECONDS)
            self.sample()
        return _Window(start, self.edge(progress))

    def measure_tick(self, progress: Progress) -> None:
        if self.reader.ticks:
            first = self.edge(progress)
            self.tick_seconds = self.edge(progress).time - first.time


@dataclass
class _Trials:
    """Windows over the load; `lost` says why there are fewer than asked for."""

    windows: list[_Window] = field(default_factory=list)
    progress: Progress | None = None
    lost: str | None = None


def measure_power(
    call: Callable[[], object],
    meters: Sequence[Meter],
    *,
    batch_size: int,
    profile: Profile = FULL,
    timeline: Timeline | None = None,
    random: Random | None = None,
) -> PowerMeasurement | Unavailable:
    """Measure the energy of `call`, one batch of `batch_size` samples, with the first of `meters` that can be read.

    The next one of the same device that can be read checks it. `call` runs in this thread, again and again, and must
    return when its work is done (synchronised); an error of it is passed on. `timeline` and `random` are for tests.

    Returns:
        The measurement, or why there is none: what every meter says.

    Raises:
        MeasureInputError: the batch holds no sample.
    """
    if batch_size < 1:
        raise MeasureInputError(f"Energy is measured per sample, but the batch holds {batch_size}; give at least 1.")
    timeline = timeline or RealTime()
    with ExitStack() as stack:
        reasons: list[str] = []
        readers: list[tuple[str, Reader]] = []
        for meter in meters:
            try:
                reader = meter.open(timeline.now)
            except MeterError as error:
                reasons.append(error.reason)
                continue
            stack.callback(reader.close)
            if not readers or reader.device == readers[0][1].device:
                readers.append((meter.name, reader))
        if not readers:
            reason = " ".join(dict.fromkeys(reasons)) or "no_meter: no power meter applies to this device."
            LOGGER.info("Power is not measured: %s", reason)
            return Unavailable(reason)
        (name, reader), cross_name, cross = readers[0], None, None
        if len(readers) > 1:
            cross_name, cross = readers[1]
        watch = _Watch(reader, cross, timeline.now)
        try:
            idle = timeline.run(None, lambda progress: _idle(watch, progress, profile))
            trials = timeline.run(call, lambda progress: _run_trials(watch, progress, profile, random or Random()))
        except MeterError as error:
            LOGGER.info("Power is not measured: %s", error.reason)
            return Unavailable(error.reason)
    return _summarise(name, cross_name, watch, idle, trials, batch_size, profile)


def _idle(watch: _Watch, progress: Progress, profile: Profile) -> _Window:
    watch.idle_away(progress, profile.lead_seconds)
    return watch.window(progress, profile.idle_seconds, 0)


def _run_trials(watch: _Watch, progress: Progress, profile: Profile, random: Random) -> _Trials:
    trials = _Trials(progress=progress)
    try:
        watch.idle_away(progress, profile.lead_seconds)
        watch.measure_tick(progress)
        watch.conditions.clear()
        for _ in range(profile.trials):
            watch.idle_away(progress, random.uniform(0, profile.delay_seconds))
            trials.windows.append(watch.window(progress, profile.seconds, profile.iterations))
    except MeterError as error:
        if not error.device_lost or not trials.windows:
            raise
        trials.lost = error.reason
    return trials


def _summarise(
    name: str,
    cross_name: str | None,
    watch: _Watch,
    idle: _Window,
    trials: _Trials,
    batch_size: int,
    profile: Profile,
) -> PowerMeasurement | Unavailable:
    windows, progress = trials.windows, trials.progress
    assert progress is not None
    iterations = [progress.iterations_at(w.end.time) - progress.iterations_at(w.start.time) for w in windows]
    inferences = [count * batch_size for count in iterations]
    joules, seconds = sum(w.joules for w in windows), sum(w.seconds for w in windows)
    if joules <= 0 or idle.joules < 0:
        return Unavailable(f"meter_reads_zero: {name} reported no energy over {seconds:.1f} s of load.")
    idle_watts = idle.joules / idle.seconds
    per_inference = joules / sum(inferences)
    crossed = [w.cross_joules for w in windows]
    cross = None if None in crossed else sum(j for j in crossed if j is not None) / sum(inferences)
    flags = [*watch.reader.flags, *watch.flags]
    if profile.name != FULL.name:
        flags.append(f"{profile.name}_profile: {profile.trials} windows of {profile.seconds:g} s")
    if trials.lost is not None:
        flags.append(f"{trials.lost} Only {len(windows)} of {profile.trials} windows were measured.")
    if cross is not None and abs(cross - per_inference) > CROSS_CHECK_TOLERANCE * per_inference:
        flags.append(f"cross_check: {cross_name} gives {cross:.3g} J per inference, {name} {per_inference:.3g} J")
    mask = 0
    for conditions in watch.conditions:
        mask |= conditions.event_reasons
    throttling = [reason for bit, reason in THROTTLING.items() if mask & bit]
    if throttling:
        flags.append(f"throttled: {', '.join(throttling)} (0x{mask:x})")
    temperatures = [c.temperature for c in watch.conditions if c.temperature is not None]
    clocks = [c.clock for c in watch.conditions if c.clock is not None]
    limits = [c.power_limit for c in watch.conditions if c.power_limit is not None]
    return PowerMeasurement(
        meter=name,
        device=watch.reader.device,
        joules_per_inference=per_inference,
        joules_per_inference_above_idle=(joules - idle_watts * seconds) / sum(inferences),
        idle_watts=idle_watts,
        mean_watts=joules / seconds,
        trials=tuple(w.joules / n for w, n in zip(windows, inferences, strict=True)),
        flags=tuple(flags),
        cross_check_meter=None if cross is None else cross_name,
        cross_check_joules_per_inference=cross,
        instrument_uncertainty=watch.reader.relative_uncertainty,
        tick_seconds=watch.tick_seconds,
        window_seconds=tuple(w.seconds for w in windows),
        iterations=tuple(iterations),
        temperature_celsius=max(temperatures, default=None),
        clock_mhz=min(clocks, default=None),
        power_limit_watts=min(limits, default=None),
    )
