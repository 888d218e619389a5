"""The gate on simulated jobs: how often it cries wolf, and how often it finds what is there."""

import numpy as np
import pytest

from bench.track.gate import ALPHA, FLOORS, MOST_PAIRS, Pairs, change_of, decided, noise_floor

ROUND_NOISE, JOB_NOISE = 0.05, 0.03


def alarms(comparisons: int, ratio: float, seed: int) -> int:
    """How many comparisons of a head that takes `ratio` of the base's time end with a verdict that it is slower.

    Each is one job: what varies from job to job is the same for all its processes, rounds vary on their own.
    """
    generator, found = np.random.default_rng(seed), 0
    for _ in range(comparisons):
        level = 0.004 * np.exp(generator.normal(0, JOB_NOISE))

        def processes(count, factor, level=level):
            return tuple(map(tuple, level * factor * np.exp(generator.normal(0, ROUND_NOISE, (count, 10)))))

        floor = noise_floor(Pairs(processes(5, 1.0), processes(5, 1.0)), FLOORS["latency"])
        base, head = processes(MOST_PAIRS, 1.0), processes(MOST_PAIRS, ratio)
        pairs = next(
            seen
            for seen in (Pairs(base[:count], head[:count]) for count in range(1, MOST_PAIRS + 1))
            if decided(seen, floor, 1)
        )
        change = change_of(pairs)
        found += change.ratio > 1 and change.exceeds(floor) and change.p_value < ALPHA
    return found


@pytest.mark.slow
def test_of_a_thousand_comparisons_where_nothing_changed_at_most_five_are_alarms():
    assert alarms(1000, 1.0, seed=1) <= 5


@pytest.mark.slow
def test_nine_of_ten_slowdowns_of_5_percent_are_found():
    assert alarms(300, 1.05, seed=2) >= 270
