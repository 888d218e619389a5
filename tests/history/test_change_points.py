"""Change points: where the level moved, and nothing where it did not, also when a history grows run by run."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflor_bench.history import change_points as module
from inflor_bench.history.change_points import SHORTEST, _best_split, change_points


def series(*levels: tuple[int, float], noise: float = 0.03, seed: int = 0) -> np.ndarray:
    """Runs at each level in turn, (how many, level), with noise of the given share."""
    values = np.concatenate([np.full(count, level, dtype=float) for count, level in levels])
    return values * np.exp(np.random.default_rng(seed).normal(0, noise, len(values)))


def energy(x: np.ndarray, y: np.ndarray) -> float:
    """The energy statistic as its definition has it: means over all pairs."""
    across, within = (np.mean([abs(a - b) for a, b in itertools.product(one, two)]) for one, two in ((x, y), (x, x)))
    return len(x) * len(y) / (len(x) + len(y)) * (2 * across - within - np.mean([abs(a - b) for a in y for b in y]))


@given(st.integers(0, 10_000), st.integers(2 * SHORTEST, 30))
def test_the_split_is_where_the_statistic_by_its_definition_is_largest(seed, size):
    part = np.random.default_rng(seed).normal(0, 1, size)
    statistics = {split: energy(part[:split], part[split:]) for split in range(SHORTEST, size - SHORTEST + 1)}
    split = _best_split(part)
    assert statistics[split] == pytest.approx(max(statistics.values()))


def split_by_all_distances_at_once(part: np.ndarray) -> int:
    """The same statistic from the whole matrix of distances."""
    size = len(part)
    distance = np.abs(part[:, None] - part)
    block = np.concatenate([[0.0], np.cumsum(2 * np.tril(distance).sum(axis=1))])
    rows = np.concatenate([[0.0], np.cumsum(distance.sum(axis=1))])
    n = np.arange(SHORTEST, size - SHORTEST + 1)
    m = size - n
    across = rows[n] - block[n]
    statistic = n * m / size * (2 * across / (n * m) - block[n] / n**2 - (block[-1] - block[n] - 2 * across) / m**2)
    return int(n[statistic.argmax()])


@given(st.integers(0, 10_000), st.integers(2 * SHORTEST, 300), st.integers(1, 5_000), st.booleans())
def test_distances_that_are_not_all_in_memory_give_the_same_split(seed, size, at_once, whole):
    part = np.random.default_rng(seed).normal(0, 1, size)
    part = np.round(part) if whole else part  # ties, where the last bit decides
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DISTANCES_AT_ONCE", at_once)
        assert part.min() == part.max() or _best_split(part) == split_by_all_distances_at_once(part)


def test_memory_does_not_grow_by_the_square_of_the_runs():
    peaks = []
    for size in (2_000, 8_000):
        part = np.random.default_rng(0).normal(0, 1, size)
        tracemalloc.start()
        _best_split(part)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 16 * 2**20, "all distances of 8,000 runs are 488 MiB"


@pytest.mark.parametrize("change", [1.1, 1 / 1.1])
def test_a_step_is_found_where_it_is_in_either_direction(change):
    (found,) = change_points(series((60, 2.0), (40, 2.0 * change)))
    assert abs(found - 60) <= 1


def test_several_steps_are_found_also_where_the_last_level_is_the_first():
    found = change_points(series((60, 1.0), (50, 1.2), (40, 1.0), (50, 0.9)))
    assert [abs(a - b) <= 2 for a, b in zip(found, (60, 110, 150), strict=True)] == [True] * 3


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_the_unit_makes_no_difference(scale):
    values = series((40, 1.0), (40, 1.2))
    assert change_points(values * scale) == change_points(values)


def test_exact_counts_that_move_once_give_that_run():
    assert change_points([1_000_000] * 20 + [1_000_001] * 15) == [20]


def test_values_of_zero_are_values():
    assert change_points([0.0] * 20 + [0.5] * 15) == [20]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 50, [0.0] * 50])
def test_there_is_none_in_a_short_or_constant_series(values):
    assert change_points(values) == []


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        change_points([1.0, float("nan")])


def test_once_seen_a_change_stays_where_it_is_while_the_history_grows():
    values = series((50, 1.0), (60, 1.1))
    found = [change_points(values[:length]) for length in range(10, len(values) + 1)]
    first = next(index for index, points in enumerate(found) if points)
    assert first + 10 <= 65  # it was seen within 15 runs
    places = {point for points in found[first:] for point in points}
    assert all(len(points) == 1 for points in found[first:])
    assert max(places) - min(places) <= 2
    assert all(abs(place - 50) <= 4 for place in places)
