"""Pairs of processes, base and head in turn, until what they say is decided; first A/A pairs, for the noise floor."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from inflor_bench.ab.pair import Answer
from inflor_bench.ab.processes import TimingError
from inflor_bench.verdict.instruments import Interleaved
from inflor_bench.verdict.timed_pairs import ASKED, FLOOR, LOOKS, MOST_PAIRS, Pairs, decided, hopeless, noise_floor

SAME_PAIRS = 5
# What all pairs together may take, s: 25 pairs of three cells on a slow machine, or of more cells on a fast one.
BUDGET_SECONDS, BUDGET_SECONDS_OF_A_CELL = 600.0, 200.0
Side = Literal["base", "head"]
PairTimer = Callable[[tuple[Side, Side], Sequence[str]], tuple[Answer, Answer]]


@dataclass
class _Seen:
    """The rounds of one cell's processes: by metric and side; and the seconds of its layers, by part."""

    names: tuple[str, str] = ("the base", "the head")
    rounds: dict[str, tuple[list[list[float]], list[list[float]]]] = field(default_factory=dict)
    layers: dict[str, dict[str, tuple[list[float], list[float]]]] = field(default_factory=dict)
    failed: str | None = None

    def add(self, *answers: dict[str, Any]) -> None:
        """Take what base and head said; nothing of a pair of which one failed."""
        for name, answer in zip(self.names, answers, strict=True):
            if "failed" in answer:
                self.failed = f"{name} cannot be timed: {answer['failed']}"
                return
        for side, answer in enumerate(answers):
            self._add(side, answer)

    def _add(self, side: int, answer: dict[str, Any]) -> None:
        self._metric("latency")[side].append(answer["latency"])
        for part, layers in answer["parts"].items():
            metric = f"latency/{part}"
            self._metric(metric)[side].append([sum(spent) for spent in zip(*layers.values(), strict=True)])
            by_layer = self.layers.setdefault(metric, {})
            for name, spent in layers.items():
                by_layer.setdefault(name, ([], []))[side].append(median(spent))

    def _metric(self, metric: str) -> tuple[list[list[float]], list[list[float]]]:
        return self.rounds.setdefault(metric, ([], []))

    def pairs(self) -> dict[str, Pairs]:
        """Return the pairs by metric. A part that only one side has, or that no pass enters, is left out."""
        return {
            metric: Pairs(*(tuple(map(tuple, side)) for side in sides))
            for metric, sides in self.rounds.items()
            if len(sides[0]) == len(sides[1]) and all(min(process) > 0 for side in sides for process in side)
        }

    def moved(self) -> dict[str, list[tuple[str, float, float]]]:
        """Return, by metric, the layers that both sides have, with the seconds of each."""
        return {
            metric: [(name, median(base), median(head)) for name, (base, head) in layers.items() if base and head]
            for metric, layers in self.layers.items()
        }


@dataclass
class _Budget:
    """The time that pairs get, and what the pairs so far have taken, s."""

    seconds: float
    clock: Callable[[], float]
    taken: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def pair_ends(self) -> None:
        """Note what a pair has taken."""
        self.taken.append(self.clock() - self.began - sum(self.taken))

    def allows_another(self) -> bool:
        """Whether the next pair, like the last one, would end in time."""
        return sum(self.taken) + self.taken[-1] <= self.seconds

    def allows(self, pairs: int) -> bool:
        """Whether so many pairs would end in time, each like the shortest one."""
        return sum(self.taken) + pairs * min(self.taken) <= self.seconds

    def __str__(self) -> str:
        return f"the {self.seconds / 60:.2g} minutes that pairs get"


def interleave(
    time_pair: PairTimer,
    cells: Sequence[str],
    progress: Callable[[str, Sequence[str]], None],
    keep: Callable[[dict[str, Any]], None],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Interleaved]:
    """Time cells in pairs of processes until every cell is decided, hopeless, or the time for pairs is over.

    Args:
        time_pair: Times cells by two processes in turn, with the code of the sides that it is given.
        cells: Their names.
        progress: Told, before every pair, which one it is of how many, and the cells that are open.
        keep: Given all rounds so far after every pair, as JSON: `same` of the A/A pairs, `pairs` of base and head. What
            it writes is there when the next pair is stopped.
        clock: Seconds that only grow.

    Returns:
        What is known of every cell.
    """
    same = defaultdict[str, _Seen](lambda: _Seen(("the base", "the base")))
    seen = defaultdict[str, _Seen](_Seen)
    budget = _Budget(max(BUDGET_SECONDS, BUDGET_SECONDS_OF_A_CELL * len(cells)), clock)
    stopped: dict[str, str] = {}
    reason = None

    def pair(sides: tuple[Side, Side], into: dict[str, _Seen], of: Sequence[str]) -> None:
        _pair(time_pair, sides, into, of)
        budget.pair_ends()
        keep({"same": _rounds(same), "pairs": _rounds(seen)})

    try:
        for index in range(SAME_PAIRS):
            needed = SAME_PAIRS - index + min(LOOKS)
            if index > 1 and not budget.allows(needed):  # the first pair may compile what the others find
                short = f"a pair takes {min(budget.taken):.0f} s now, and {budget} are too few for {needed} more"
                stopped = dict.fromkeys(cells, f"stopped: {short}")
                break
            progress(f"A/A pair {index + 1} of {SAME_PAIRS} of the base", cells)
            pair(("base", "base"), same, cells)
        floors = {cell: _floors(same[cell]) for cell in cells}
        tests = sum(len(floor) for floor in floors.values())
        open_cells = [cell for cell in cells if same[cell].failed is None and cell not in stopped]
        for index in range(MOST_PAIRS):
            if not open_cells:
                break
            if not budget.allows_another():
                stopped |= dict.fromkeys(open_cells, f"stopped after {index} pairs: {budget} are spent")
                break
            progress(f"pair {index + 1} of at most {MOST_PAIRS} of base and head", open_cells)
            pair(("base", "head") if index % 2 == 0 else ("head", "base"), seen, open_cells)
            for cell in open_cells:
                if why := _hopeless(seen[cell], floors[cell], tests):
                    stopped[cell] = why
            open_cells = [
                cell for cell in open_cells if cell not in stopped and not _decided(seen[cell], floors[cell], tests)
            ]
    except TimingError as error:
        reason = str(error)
    return {cell: _result(same[cell], seen[cell], reason, stopped.get(cell)) for cell in cells}


def _pair(time_pair: PairTimer, sides: tuple[Side, Side], seen: dict[str, _Seen], cells: Sequence[str]) -> None:
    answers = time_pair(sides, cells)
    if sides == ("head", "base"):
        answers = answers[1], answers[0]
    for cell in cells:
        seen[cell].add(answers[0][cell], answers[1][cell])


def _floors(same: _Seen) -> dict[str, float]:
    return {metric: noise_floor(pairs, FLOOR) for metric, pairs in same.pairs().items()}


def _decided(seen: _Seen, floors: dict[str, float], tests: int) -> bool:
    return seen.failed is not None or not _undecided(seen, floors, tests)


def _undecided(seen: _Seen, floors: dict[str, float], tests: int) -> dict[str, Pairs]:
    pairs = {metric: found for metric, found in seen.pairs().items() if metric in floors}
    return {metric: found for metric, found in pairs.items() if not decided(found, floors[metric], tests)}


def _hopeless(seen: _Seen, floors: dict[str, float], tests: int) -> str | None:
    """Return why the pairs of a cell end without a decision; None where they go on, or where all is decided."""
    undecided = _undecided(seen, floors, tests)
    if seen.failed is not None or not undecided:
        return None
    if not all(hopeless(pairs, floors[metric]) for metric, pairs in undecided.items()):
        return None
    count, floor = max(map(len, undecided.values())), max(floors[metric] for metric in undecided)
    return (
        f"stopped after {count} pairs: nothing changed would look like {100 * floor:.2g} % on this machine now, "
        f"so {100 * ASKED:g} % slower could not be told"
    )


def _result(same: _Seen, seen: _Seen, reason: str | None, stopped: str | None) -> Interleaved:
    failed = reason or same.failed or seen.failed or (None if seen.rounds else stopped)
    if failed is not None:
        return Interleaved(failed=failed, stopped=stopped)
    floors = _floors(same)
    pairs = {metric: found for metric, found in seen.pairs().items() if metric in floors}
    return Interleaved(pairs, floors, seen.moved(), stopped=stopped)


def _rounds(seen: dict[str, _Seen]) -> dict[str, Any]:
    return {
        cell: {metric: {"base": base, "head": head} for metric, (base, head) in found.rounds.items()}
        for cell, found in seen.items()
    }
