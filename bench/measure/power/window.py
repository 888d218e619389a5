"""Windows over a running load, opened and closed on the ticks of the meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from inflor_bench.measure.power.progress import Progress
from inflor_bench.measure.power.protocol import Conditions, MeterError, Reader

EDGE_POLL_SECONDS = 0.001
# A tick that fell into a longer gap between two readings (the thread was held up) is left for the next one.
EDGE_GAP_SECONDS = 0.005
# The protocol asks for 20 ms at most; what reading itself takes comes on top.
POLL_SECONDS = 0.01
CONDITIONS_SECONDS = 0.25
# Ticks come every 20 to 100 ms; a count that stands still this long under load is stuck.
STUCK_SECONDS = 2.0


@dataclass(frozen=True)
class Sample:
    """Joules at a time, by the meter and by the one that checks it. The time is known to within `uncertain` s."""

    time: float
    joules: float
    cross_joules: float | None
    uncertain: float


@dataclass(frozen=True)
class Window:
    """What lies between two samples; `gaps` are the times between the readings in it, s."""

    start: Sample
    end: Sample
    gaps: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Length, s."""
        return self.end.time - self.start.time

    @property
    def joules(self) -> float:
        """Energy, J."""
        return self.end.joules - self.start.joules

    @property
    def edge_uncertainty(self) -> float:
        """Share of the window by which the time of its edges may be off."""
        return (self.start.uncertain + self.end.uncertain) / self.seconds

    @property
    def cross_joules(self) -> float | None:
        """Energy by the meter that checks, J; None where that one has failed."""
        if self.start.cross_joules is None or self.end.cross_joules is None:
            return None
        return self.end.cross_joules - self.start.cross_joules


@dataclass
class Watch:
    """Reads one meter, and perhaps a second to check it, while time passes. What it notes on the way are `flags`."""

    reader: Reader
    cross: Reader | None
    now: Callable[[], float]
    conditions: list[Conditions] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    tick_seconds: float | None = None
    _conditions_at: float = float("-inf")

    def sample(self) -> Sample:
        """Read the meters."""
        before = self.now()
        joules = self.reader.read()
        after = self.now()
        cross_joules = None
        if self.cross is not None:
            try:
                cross_joules = self.cross.read()
            except MeterError as error:
                if error.device_lost:
                    raise
                self.flags.append(f"cross_check_failed: {error.reason}")
                self.cross = None
        moment = (before + after) / 2
        if moment - self._conditions_at >= CONDITIONS_SECONDS:
            self.conditions.append(self.reader.conditions())
            self._conditions_at = moment
        return Sample(moment, joules, cross_joules, (after - before) / 2)

    def edge(self, progress: Progress) -> Sample:
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
                best_gap = gap
                best = Sample((last.time + sample.time) / 2, sample.joules, sample.cross_joules, gap / 2)
            last = sample
        if best is None:
            raise MeterError(f"counter_stuck: the energy counter did not move for {STUCK_SECONDS:g} s.")
        return best

    def let_pass(self, progress: Progress, seconds: float) -> None:
        """Let time pass, polling on: a wrap-around and the power in between must not be missed."""
        end = self.now() + seconds
        while self.now() < end:
            progress.wait(POLL_SECONDS)
            self.sample()

    def window(self, progress: Progress, seconds: float, iterations: int) -> Window:
        """Watch for at least so long, and for so many whole iterations: the one that runs at the start is none."""
        start = self.edge(progress)
        last, gaps = start.time, []
        completed = progress.completed() + iterations + (iterations > 0)
        while self.now() - start.time < seconds or progress.completed() < completed:
            progress.wait(POLL_SECONDS)
            moment = self.sample().time
            gaps.append(moment - last)
            last = moment
        end = self.edge(progress)
        return Window(start, end, tuple(gaps) or (end.time - start.time,))

    def measure_tick(self, progress: Progress) -> None:
        """Find out how often the meter moves, if it moves in ticks."""
        if self.reader.ticks:
            first = self.edge(progress)
            self.tick_seconds = self.edge(progress).time - first.time
