"""Where a metric of a cell moved to another level, from run to run, and whether that was for the better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.track.change_points import change_points
from reports.format import percent, points, relative, si
from reports.moments import Figures, Moment


@dataclass(frozen=True)
class Metric:
    """A metric of trends. `better` is 1 where more is better, -1 where less is.

    A `counted` one is exact on a CPU, so each change is a new level; of the others a level is what change points find.
    A `machine` one is compared within one machine only.
    """

    name: str
    label: str
    unit: str
    better: int
    value: Callable[[Figures], float | None]
    counted: bool = False
    machine: bool = False

    def shown(self, value: float) -> str:
        """The value in words."""
        return percent(value, 2) if self.name == "accuracy" else si(value, "" if self.unit == "1" else self.unit)

    def change(self, before: float, after: float) -> str:
        """The change in words: points for accuracy, per cent for the rest."""
        if self.name == "accuracy":
            return f"{points(after - before)} points"
        return relative(after / before - 1) if before else "from 0"


METRICS = (
    Metric("accuracy", "Accuracy", "share", 1, lambda f: f.accuracy),
    Metric("operations", "AC + MAC", "1", -1, lambda f: f.operations, counted=True),
    Metric("energy", "Estimated energy", "J", -1, lambda f: f.energy, counted=True),
    Metric("latency", "Median latency", "s", -1, lambda f: f.latency, machine=True),
    Metric("joules", "Measured energy", "J", -1, lambda f: f.joules, machine=True),
)


@dataclass(frozen=True)
class Line:
    """One metric of one cell over all moments, None where a run has no comparable value; and where levels begin."""

    cell: str
    metric: Metric
    values: Sequence[float | None]
    levels: Sequence[int]

    @property
    def last(self) -> float | None:
        """The newest value."""
        return next((v for v in reversed(self.values) if v is not None), None)


@dataclass(frozen=True)
class Event:
    """A new level: the run that it begins with, and the medians of the levels before and after."""

    index: int
    line: Line
    before: float
    after: float

    @property
    def verdict(self) -> str:
        """Improved or regressed."""
        return "improved" if (self.after - self.before) * self.line.metric.better > 0 else "regressed"


def lines(history: Sequence[Moment], cells: Sequence[str]) -> list[Line]:
    """Every line with at least two values, cell by cell. `history` is oldest first."""
    found = []
    for cell in cells:
        past = [m.cells.get(cell) for m in history]
        newest = next((i for i in reversed(range(len(past))) if past[i] is not None), None)
        if newest is None:
            continue
        for metric in METRICS:
            values = _comparable(history, past, metric, newest)
            if sum(value is not None for value in values) > 1:
                device = past[newest].device  # type: ignore[union-attr]
                found.append(Line(cell, metric, values, _levels(values, metric.counted and device == "cpu")))
    return found


def _comparable(
    history: Sequence[Moment], past: Sequence[Figures | None], metric: Metric, newest: int
) -> list[float | None]:
    """The values that may stand on one line with the newest."""
    machine, model = history[newest].machine, past[newest].energy_model  # type: ignore[union-attr]
    return [
        None
        if figures is None
        or (metric.machine and moment.machine != machine)
        or (metric.name == "energy" and figures.energy_model != model)
        else metric.value(figures)
        for moment, figures in zip(history, past, strict=True)
    ]


def _levels(values: Sequence[float | None], exact: bool) -> list[int]:
    known = [i for i, value in enumerate(values) if value is not None]
    present = [value for value in values if value is not None]
    if exact:
        # An energy estimate is a sum of floats: the last digits are no change.
        return [known[i] for i in range(1, len(known)) if abs(present[i] - present[i - 1]) > 1e-9 * abs(present[i - 1])]
    return [known[i] for i in change_points(present)]


def events(found: Sequence[Line]) -> list[Event]:
    """Every new level, newest first. An estimate that only follows the operations of the same run is not told again."""
    told = []
    for line in found:
        edges = [0, *line.levels, len(line.values)]
        levels = [median(v for v in line.values[a:b] if v is not None) for a, b in pairwise(edges)]
        told += [Event(index, line, *levels[i : i + 2]) for i, index in enumerate(line.levels)]
    counted = {(e.index, e.line.cell) for e in told if e.line.metric.name == "operations"}
    told = [e for e in told if e.line.metric.name != "energy" or (e.index, e.line.cell) not in counted]
    return sorted(told, key=lambda e: (-e.index, e.verdict == "improved", e.line.cell, e.line.metric.name))
