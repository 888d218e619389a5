"""Interleaved rounds of several contestants, and the paired ratios that they give."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inflor_bench.measure.latency import median_interval
from tests.peers.benchmark.failure import ContestantError
from tests.peers.benchmark.process import Workers


@dataclass
class Rounds:
    """What a contestant gave: the numbers of every round, or the reason why it has none."""

    rounds: list[list[float]] = field(default_factory=list)
    reason: str | None = None
    peak_bytes: int | None = None
    peak_reason: str | None = None

    def column(self, index: int) -> list[float]:
        """One number of every round."""
        return [values[index] for values in self.rounds]


@dataclass(frozen=True)
class Ratio:
    """Median of paired ratios with its 95 % order-statistic interval, None where the rounds are too few for one."""

    median: float
    low: float | None
    high: float | None


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Ratios round by round, so that what slows both down cancels."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    low, high = median_interval(ratios, 0.95) or (None, None)
    return Ratio(statistics.median(ratios), low, high)


def interleave(
    workers: Workers,
    job: str,
    contestants: Mapping[str, Mapping[str, Any]],
    *,
    rounds: int,
    memory: bool = False,
    on_progress: Callable[[str], None] = lambda message: None,
) -> dict[str, Rounds]:
    """Run rounds A B C, A B C, ... of contestants, each in a process of its own.

    Args:
        workers: the processes.
        job: what every one of them does.
        contestants: the job's arguments by contestant.
        rounds: rounds of each.
        memory: also measure the peak memory of one call, after the rounds.
        on_progress: called with what is going on.

    Returns:
        The rounds by contestant. One that fails is left out of later rounds and has a reason instead.
    """
    found = {name: Rounds() for name in contestants}

    def ask(name: str, do: str, **request: Any) -> Any:
        try:
            return workers.ask(name, do, **request)
        except ContestantError as error:
            found[name] = Rounds(reason=str(error))
            return None

    for name, arguments in contestants.items():
        on_progress(f"{job}: preparing {name}")
        ask(name, "prepare", job=job, arguments={"contestant": name, **arguments})
    for number in range(rounds):
        on_progress(f"{job}: round {number + 1} of {rounds}")
        for name in contestants:
            if found[name].reason is None and (values := ask(name, "round")) is not None:
                found[name].rounds.append(values)
    for name, rounds_of in found.items():
        if memory and rounds_of.reason is None:
            try:
                rounds_of.peak_bytes = workers.ask(name, "memory")
            except ContestantError as error:
                rounds_of.peak_reason = str(error)
    return found
