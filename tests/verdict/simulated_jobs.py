"""Jobs and histories with known noise, to see how often the gate and the change points cry wolf, and what they find.

`python -m tests.verdict.simulated_jobs` prints the tables of docs/gate.md; it takes about ten minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.progress import track

from inflor_bench.ab.interleave import SAME_PAIRS
from inflor_bench.history.change_points import change_points
from inflor_bench.verdict import statistics
from inflor_bench.verdict.statistics import wilson
from inflor_bench.verdict.timed_pairs import (
    ALPHA,
    FLOOR,
    MOST_PAIRS,
    ROUNDS,
    Pairs,
    change_of,
    decided,
    hopeless,
    noise_floor,
)

ROUND_NOISE, JOB_NOISE = 0.05, 0.03
SECONDS = 0.004  # of one inference; the rules know no unit
RUN_ROUNDS = 10  # of a run that is a job of its own
SUITE_TESTS = 9  # of the default suite: the whole pass and two parts of three cells


@dataclass(frozen=True)
class Noise:
    """What varies: from process to process, and from pair to pair, alike for both of its processes, as neighbours do.

    Rounds and jobs vary by `ROUND_NOISE` and `JOB_NOISE` besides.
    """

    process: float = 0.0
    pair: float = 0.0


STEADY = Noise()


def compare_in_a_job(generator: np.random.Generator, ratio: float, noise: Noise, tests: int) -> tuple[str, int]:
    """What `ab` would say of a head that takes `ratio` of the base's time, and after how many pairs.

    It is one of so many tests, of which the others find nothing: then its p-value counts as so many times as large.
    """
    level = SECONDS * np.exp(generator.normal(0, JOB_NOISE))

    def pairs(count: int, factor: float) -> Pairs:
        shared = generator.normal(0, 1, (count, 1)) * noise.pair
        sides = []
        for of in (1.0, factor):
            own = generator.normal(0, 1, (count, 1)) * noise.process
            seconds = level * of * np.exp(shared + own + generator.normal(0, ROUND_NOISE, (count, ROUNDS)))
            sides.append(tuple(map(tuple, seconds)))
        return Pairs(*sides)

    floor = noise_floor(pairs(SAME_PAIRS, 1.0), FLOOR)
    measured = pairs(MOST_PAIRS, ratio)
    looks = (Pairs(measured.base[:count], measured.head[:count]) for count in range(1, MOST_PAIRS + 1))
    seen = next(look for look in looks if decided(look, floor, tests) or hopeless(look, floor))
    change = change_of(seen)
    if not (change.exceeds(floor) and change.p_value * tests < ALPHA):
        return "silent", len(seen)
    return ("slower" if change.ratio > 1 else "faster"), len(seen)


def alarms(comparisons: int, ratio: float, seed: int, noise: Noise = STEADY, tests: int = 1) -> tuple[int, float]:
    """In how many comparisons the head is called slower, and the median number of pairs until that was decided."""
    generator = np.random.default_rng(seed)
    said = [compare_in_a_job(generator, ratio, noise, tests) for _ in range(comparisons)]
    return Counter(word for word, _ in said)["slower"], median(count for _, count in said)


def alarms_of_separate_jobs(comparisons: int, seed: int) -> int:
    """How often a head that is as fast as the base is 5 % slower by its mean, where each has a job of its own."""
    generator = np.random.default_rng(seed)
    jobs = generator.normal(0, JOB_NOISE, (2, comparisons, 1))
    base, head = np.exp(jobs + generator.normal(0, ROUND_NOISE, (2, comparisons, RUN_ROUNDS))).mean(axis=2)
    return int((head > 1.05 * base).sum())


def history(generator: np.random.Generator, quiet: int, later: int = 0, ratio: float = 1.0) -> np.ndarray:
    """Medians of runs, each a job of its own; after the quiet ones the level is `ratio` of what it was."""
    count = quiet + later
    jobs = generator.normal(0, JOB_NOISE, (count, 1))
    rounds = np.exp(jobs + generator.normal(0, ROUND_NOISE, (count, RUN_ROUNDS)))
    return SECONDS * np.median(rounds, axis=1) * np.repeat([1.0, ratio], [quiet, later])


def first_alarms(histories: int, runs: int, seed: int) -> list[int]:
    """After how many runs the first change point is shown, of the histories where nothing changes and yet one is."""
    generator, found = np.random.default_rng(seed), []
    with patch.object(statistics, "mann_whitney", _remembered(statistics.mann_whitney)):
        for _ in track(range(histories), "quiet histories", console=Console(stderr=True), transient=True):
            values = history(generator, runs)
            found += [length for length in range(1, runs + 1) if change_points(values[:length])][:1]
    return found


def _remembered(test: Callable[[Sequence[float], Sequence[float]], float]) -> Callable[..., float]:
    """The same test, which looks up what it was asked before: most levels of a history that grows are as they were."""
    known = lru_cache(maxsize=100_000)(test)
    return lambda before, after: known(tuple(before), tuple(after))


def changes_found(histories: int, ratio: float, later: int, seed: int) -> int:
    """In how many histories of 100 quiet runs a change is shown, within 5 runs of its place, `later` runs after it."""
    generator = np.random.default_rng(seed)
    shown = [change_points(history(generator, 100, later, ratio)) for _ in range(histories)]
    return sum(any(abs(point - 100) <= 5 for point in points) for points in shown)


def _table(*heads: str) -> None:
    print(f"\n| {' | '.join(heads)} |\n{'|---:' * len(heads)}|", flush=True)


def _row(*values: object) -> None:
    print(f"| {' | '.join(map(str, values))} |", flush=True)


def share(count: int, of: int) -> str:
    """A share in per cent, with its interval."""
    low, high = wilson(count, of)
    return f"{100 * count / of:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def main() -> None:
    """Print the tables, in Markdown."""
    _table(
        "a process varies by",
        "a pair varies by",
        "head over base",
        "tests",
        "comparisons",
        "called slower",
        "share (95 % interval)",
        "pairs, median",
    )
    rows = [(STEADY, ratio, 1, 2000 if ratio == 1 else 500) for ratio in (1.0, 1.03, 1.05, 1.1)]
    for noise in (Noise(0.03), Noise(0.03, 0.12)):
        rows += [(noise, ratio, 1, 1000 if ratio == 1 else 500) for ratio in (1.0, 1.05, 1.1)]
    rows += [(noise, 1.1, SUITE_TESTS, 500) for noise in (STEADY, Noise(0.03), Noise(0.03, 0.12))]
    rows += [(Noise(0.15), ratio, 1, 1000 if ratio == 1 else 500) for ratio in (1.0, 1.1, 2.0)]
    for seed, (noise, ratio, tests, comparisons) in enumerate(rows, 1):
        found, pairs = alarms(comparisons, ratio, seed, noise, tests)
        seen = share(found, comparisons)
        _row(f"{noise.process:.0%}", f"{noise.pair:.0%}", f"{ratio:.2f}", tests, comparisons, found, seen, f"{pairs:g}")

    _table("comparisons of two jobs where nothing changed", "called 5 % slower", "share (95 % interval)")
    found = alarms_of_separate_jobs(100_000, 11)
    _row(100_000, found, share(found, 100_000))

    _table("change", "runs after it", "histories", "shown in its place", "share (95 % interval)")
    for seed, (ratio, later) in enumerate([(1.05, 10), (1.05, 20), (1.1, 5), (1.1, 10), (1.1, 20)], 21):
        found = changes_found(500, ratio, later, seed)
        _row(f"{ratio - 1:+.0%}", later, 500, found, share(found, 500))

    _table("runs, looked at after each", "quiet histories", "with an alarm by then", "share (95 % interval)")
    first = first_alarms(200, 200, 31)
    for runs in (50, 100, 200):
        found = sum(alarm <= runs for alarm in first)
        _row(runs, 200, found, share(found, 200))


if __name__ == "__main__":
    main()
