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
from bench.measure.power.profile import FULL, Profile
from bench.measure.power.protocol import Meter, MeterError, Reader
from bench.measure.power.result import PowerMeasurement, summarise
from bench.measure.power.timeline import Progress, RealTime, Timeline
from bench.measure.power.window import Watch, Window
from bench.measure.unavailable import Unavailable

LOGGER = logging.getLogger(__name__)


@dataclass
class _Trials:
    """Windows over the load; `lost` says why there are fewer than asked for."""

    windows: list[Window] = field(default_factory=list)
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
        (name, reader), (cross_name, cross) = readers[0], readers[1] if len(readers) > 1 else (None, None)
        watch = Watch(reader, cross, timeline.now)
        try:
            idle = timeline.run(None, lambda progress: _idle(watch, progress, profile))
            trials = timeline.run(call, lambda progress: _run_trials(watch, progress, profile, random or Random()))
        except MeterError as error:
            LOGGER.info("Power is not measured: %s", error.reason)
            return Unavailable(error.reason)
    progress = trials.progress
    assert progress is not None
    return summarise(
        (name, cross_name),
        watch,
        idle,
        trials.windows,
        [progress.iterations_at(w.end.time) - progress.iterations_at(w.start.time) for w in trials.windows],
        batch_size=batch_size,
        profile=profile,
        lost=trials.lost,
    )


def _idle(watch: Watch, progress: Progress, profile: Profile) -> Window:
    watch.let_pass(progress, profile.lead_seconds)
    return watch.window(progress, profile.idle_seconds, 0)


def _run_trials(watch: Watch, progress: Progress, profile: Profile, random: Random) -> _Trials:
    trials = _Trials(progress=progress)
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
