"""The exponent that a power law was made with is the one that is found, and what grows too fast is flagged."""

import numpy as np
import pytest

from tests.costs.fit import growth

WORK = [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_exponent_of_an_exact_power_law(exponent):
    found = growth(WORK, [[3e-4 * work**exponent] * 3 for work in WORK])
    assert [found.exponent, found.low, found.high, found.last] == pytest.approx([exponent] * 4)
    assert found.faster_than_work == (exponent > 1)


def test_fixed_costs_do_not_hide_a_square_at_the_large_end():
    found = growth(WORK, [[20 + work**2] for work in WORK])
    assert not found.faster_than_work
    assert found.faster_at_the_end


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        found = growth(WORK, [[work * float(np.exp(random.normal(0, 0.1)))] for work in WORK])
        held += found.low <= 1.0 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_too_few_points_and_no_cost_are_refused():
    for work, costs in ((WORK[:2], [[1.0], [2.0]]), (WORK[:3], [[1.0], [0.0], [2.0]])):
        with pytest.raises(ValueError, match="above 0"):
            growth(work, costs)
