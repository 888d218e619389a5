"""Pairs of processes, base and head in turn, until what they say is decided; first A/A pairs, for the noise floor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from bench.ab.sides import TimingError
from bench.ab.turns import Answer
from bench.track.gate import FLOOR, MOST_PAIRS, Pairs, decided, noise_floor
from bench.track.timing import Interleaved

SAME_PAIRS = 5
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
        """Return the pairs by metric. A part that only one side has cannot be compared and is left out."""
        return {
            metric: Pairs(*(tuple(map(tuple, side)) for side in sides))
            for metric, sides in self.rounds.items()
            if len(sides[0]) == len(sides[1])
        }

    def moved(self) -> dict[str, list[tuple[str, float, float]]]:
        """Return, by metric, the layers that both sides have, with the seconds of each."""
        return {
            metric: [(name, median(base), median(head)) for name, (base, head) in layers.items() if base and head]
            for metric, layers in self.layers.items()
        }


def interleave(
    time_pair: PairTimer,
    cells: Sequence[str],
    progress: Callable[[str, int, int], None],
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Interleaved]:
    """Time cells in pairs of processes until every cell is decided.

    Args:
        time_pair: Times cells by two processes in turn, with the code of the sides that it is given.
        cells: Their names.
        progress: Told what is done: the stage, how many pairs, of at most how many.
        keep: Given all rounds so far after every pair, as JSON: `same` of the A/A pairs, `pairs` of base and head. What
            it writes is there when the next pair is stopped.

    Returns:
        What is known of every cell.
    """
    same = defaultdict[str, _Seen](lambda: _Seen(("the base", "the base")))
    seen = defaultdict[str, _Seen](_Seen)
    reason = None
    try:
        for index in range(SAME_PAIRS):
            progress("A/A pairs of the base", index, SAME_PAIRS)
            _pair(time_pair, ("base", "base"), same, cells)
            keep({"same": _rounds(same), "pairs": _rounds(seen)})
        floors = {cell: _floors(same[cell]) for cell in cells}
        open_cells = [cell for cell in cells if same[cell].failed is None]
        for index in range(MOST_PAIRS):
            if not open_cells:
                break
            progress("pairs of base and head", index, MOST_PAIRS)
            sides: tuple[Side, Side] = ("base", "head") if index % 2 == 0 else ("head", "base")
            _pair(time_pair, sides, seen, open_cells)
            keep({"same": _rounds(same), "pairs": _rounds(seen)})
            tests = len(cells) + sum(len(floor) for floor in floors.values())
            open_cells = [cell for cell in open_cells if not _decided(seen[cell], floors[cell], tests)]
    except TimingError as error:
        reason = str(error)
    return {cell: _result(same[cell], seen[cell], reason) for cell in cells}


def _pair(time_pair: PairTimer, sides: tuple[Side, Side], seen: dict[str, _Seen], cells: Sequence[str]) -> None:
    answers = time_pair(sides, cells)
    if sides == ("head", "base"):
        answers = answers[1], answers[0]
    for cell in cells:
        seen[cell].add(answers[0][cell], answers[1][cell])


def _floors(same: _Seen) -> dict[str, float]:
    return {metric: noise_floor(pairs, FLOOR) for metric, pairs in same.pairs().items()}


def _decided(seen: _Seen, floors: dict[str, float], tests: int) -> bool:
    if seen.failed is not None:
        return True
    return all(decided(pairs, floors[metric], tests) for metric, pairs in seen.pairs().items() if metric in floors)


def _result(same: _Seen, seen: _Seen, reason: str | None) -> Interleaved:
    failed = reason or same.failed or seen.failed
    if failed is not None:
        return Interleaved(failed=failed)
    floors = _floors(same)
    pairs = {metric: found for metric, found in seen.pairs().items() if metric in floors}
    return Interleaved(pairs, floors, seen.moved())


def _rounds(seen: dict[str, _Seen]) -> dict[str, Any]:
    return {
        cell: {metric: {"base": base, "head": head} for metric, (base, head) in found.rounds.items()}
        for cell, found in seen.items()
    }
