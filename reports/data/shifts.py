"""Where a metric of a cell moved to another level, from run to run, and whether that was for the better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from inflor_bench.history.change_points import change_points
from inflor_bench.metrics import METRICS, Metric
from inflor_bench.reports.data.summaries import Figures, RunSummary

# What trends follow. What is counted is exact on a CPU, so each change is a new level; change points tell of the rest.
FOLLOWED = tuple(METRICS[name] for name in ("accuracy", "operations", "energy", "latency", "joules"))
_COUNTED = ("operations", "energy")


@dataclass(frozen=True)
class Line:
    """One metric of one cell over all runs, None where a run has no comparable value; and where levels begin."""

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


def lines(history: Sequence[RunSummary], cells: Sequence[str]) -> list[Line]:
    """Every line with at least two values, cell by cell. `history` is oldest first."""
    found = []
    for cell in cells:
        past = [m.cells.get(cell) for m in history]
        newest = next((i for i in reversed(range(len(past))) if past[i] is not None), None)
        if newest is None:
            continue
        for metric in FOLLOWED:
            values = _comparable(history, past, metric, newest)
            if sum(value is not None for value in values) > 1:
                device = past[newest].device  # type: ignore[union-attr]
                found.append(Line(cell, metric, values, _levels(values, metric.name in _COUNTED and device == "cpu")))
    return found


def _comparable(
    history: Sequence[RunSummary], past: Sequence[Figures | None], metric: Metric, newest: int
) -> list[float | None]:
    """The values that may stand on one line with the newest."""
    machine, model = history[newest].machine, past[newest].energy_model  # type: ignore[union-attr]
    return [
        None
        if figures is None
        or (metric.instrument and summary.machine != machine)
        or (metric.name == "energy" and figures.energy_model != model)
        else getattr(figures, metric.name)
        for summary, figures in zip(history, past, strict=True)
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
