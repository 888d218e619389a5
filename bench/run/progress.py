"""One line a cell while a suite is measured: what it took, and about how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import fmean

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from inflor_bench.text import one_line


class Progress:
    """Prints the lines. It is told of cells wherever they are measured: here, in another process, or many at a time.

    What is left is estimated from how far apart cells landed, so it holds for many at a time as well: those of the same
    data set, or else all that were measured. Where there are none of either, nothing is said.
    """

    def __init__(self, cells: Iterable[str], console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._left = list(cells)
        self._total = len(self._left)
        self._console, self._now = console, now
        self._began: tuple[str, float] | None = None
        self._last = now()
        self._took: dict[str, list[float]] = {}
        self._measured: list[float] = []
        self._reasons: set[str] = set()

    def begin(self, cell: str) -> None:
        """Take down that a cell begins. One that began before it, and did not land, never will."""
        if self._began is not None and self._began[0] in self._left and self._began[0] != cell:
            self._left.remove(self._began[0])
        self._began = cell, self._now()

    def land(self, cell: str, outcome: str, reason: str = "") -> None:
        """Print the line of a cell, with what came of it, such as "failed", and why. Only measuring has a time."""
        now = self._now()
        apart, self._last = now - self._last, now
        self._left.remove(cell)
        self._took.setdefault(_dataset(cell), []).append(apart)
        self._measured += [apart] if outcome == "measured" else []
        line = f"[{self._total - len(self._left)}/{self._total}] {cell}: {outcome}"
        if outcome == "measured" and self._began is not None and self._began[0] == cell:
            line += f" in {duration(now - self._began[1])}"
        if (left := self._estimate()) is not None:
            line += f", about {duration(left)} left"
        if reason:
            line += f": {'as above' if reason in self._reasons else reason}"
            self._reasons.add(reason)
        if self._console.is_terminal:  # a process that measures may have left its own line there
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._console.print(one_line(line), markup=False, highlight=False)

    def _estimate(self) -> float | None:
        alike = [self._took.get(_dataset(cell), self._measured) for cell in self._left]
        return sum(map(fmean, alike)) if alike and all(alike) else None


def duration(seconds: float) -> str:
    """A time as people say it: "0.4 s", "12 s", "1 min 40 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _dataset(cell: str) -> str:
    return cell.partition("/")[0]
