"""Every statistic against another way to get it."""

import math
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflor_bench.verdict.statistics import (
    PairedChange,
    benjamini_hochberg,
    mann_whitney,
    mcnemar,
    paired_interval,
    ratio_of_medians,
    signed_rank,
    two_proportions,
    unpaired_interval,
    wilson,
)


def predictions(both: int, gained: int, lost: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    base = [True] * both + [False] * gained + [True] * lost + [False] * neither
    head = [True] * both + [True] * gained + [False] * lost + [False] * neither
    order = np.random.default_rng(0).permutation(len(base))
    return np.array(base)[order], np.array(head)[order]


@given(st.integers(0, 30), st.integers(0, 60), st.integers(0, 60), st.integers(0, 30))
def test_mcnemar_is_the_exact_binomial(both, gained, lost, neither):
    if both + gained + lost + neither == 0:
        return
    change = mcnemar(*predictions(both, gained, lost, neither))
    n, k = gained + lost, min(gained, lost)
    tail = Fraction(sum(math.comb(n, i) for i in range(k + 1)), 2**n)
    assert (change.n, change.gained, change.lost) == (both + n + neither, gained, lost)
    assert change.p_value == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-9)
    assert change.difference == pytest.approx((gained - lost) / change.n)


def test_mcnemar_finds_what_the_reference_says():
    # n = 10,000, 2 % disagreement, a drop of 0.5 points: 75 gained, 125 lost.
    assert mcnemar(*predictions(9000, 75, 125, 800)).p_value < 0.001
    assert two_proportions((9125, 10_000), (9075, 10_000)) > 0.2


@pytest.mark.parametrize("rows", [([], []), ([True], [True, False])])
def test_mcnemar_needs_pairs(rows):
    with pytest.raises(ValueError, match="same samples"):
        mcnemar(*(np.array(row, dtype=bool) for row in rows))


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (1, 10), (9, 10), (10, 10), (912, 1000), (1, 1)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_where_the_score_test_turns(correct, n, confidence):
    low, high = wilson(correct, n, confidence)
    from scipy.stats import binomtest, norm

    z = norm.ppf((1 + confidence) / 2)
    for bound in (low, high):
        if 0 < bound < 1:  # the score statistic at the bound is exactly z
            assert abs(correct / n - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(z, rel=1e-9)
    theirs = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert low <= correct / n <= high


@pytest.mark.parametrize(("correct", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_needs_a_proportion(correct, n):
    with pytest.raises(ValueError, match="proportion"):
        wilson(correct, n)


def test_unpaired_interval_is_newcombes_example():
    # Newcombe 1998, table II, example (a): 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    assert unpaired_interval((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_unpaired_interval_agrees_with_statsmodels(n_base, n_head, data):
    from statsmodels.stats.proportion import confint_proportions_2indep

    base, head = data.draw(st.integers(0, n_base)), data.draw(st.integers(0, n_head))
    ours = unpaired_interval((base, n_base), (head, n_head))
    theirs = confint_proportions_2indep(head, n_head, base, n_base, method="newcomb", compare="diff")
    assert ours == pytest.approx(theirs, abs=1e-9)


def hypergeometric_two_sided(a: int, n: int, b: int, m: int) -> Fraction:
    total = a + b

    def weight(x: int) -> int:
        return math.comb(n, x) * math.comb(m, total - x)

    weights = [weight(x) for x in range(max(0, total - m), min(n, total) + 1)]
    return Fraction(sum(value for value in weights if value <= weight(a)), sum(weights))


@given(st.integers(1, 15), st.integers(1, 15), st.data())
def test_two_proportions_is_fishers_exact_test(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    assert two_proportions((a, n), (b, m)) == pytest.approx(float(hypergeometric_two_sided(a, n, b, m)), rel=1e-6)


def test_paired_interval_covers_what_it_promises():
    generator = np.random.default_rng(1)
    for gain, loss in [(0.02, 0.02), (0.01, 0.04), (0.0, 0.01)]:
        covered = 0
        draws = generator.multinomial(500, [gain, loss, 1 - gain - loss], size=2000)
        for gained, lost, _ in draws:
            low, high = paired_interval(PairedChange(500, int(gained), int(lost), 1.0))
            covered += low <= gain - loss <= high
        assert covered / 2000 > 0.93


@given(st.lists(st.floats(0, 1), max_size=12))
def test_benjamini_hochberg_is_the_step_up_procedure(p_values):
    adjusted = benjamini_hochberg(p_values)
    m = len(p_values)
    for alpha in (0.01, 0.05, 0.2):
        ordered = sorted(p_values)
        passing = [rank for rank, p in enumerate(ordered, 1) if p * m <= alpha * rank + 1e-15]
        threshold = ordered[passing[-1] - 1] if passing else -1.0
        for p, q in zip(p_values, adjusted, strict=True):
            if abs(q - alpha) > 1e-12:
                assert (q <= alpha) == (p <= threshold)


def test_mann_whitney_counts_permutations():
    base, head = [1.0, 2.0, 4.0], [3.0, 5.0, 6.0, 7.0]

    def statistic(left, right):
        return sum(a > b for a in left for b in right)

    seen = statistic(base, head)
    values = base + head
    all_of_them = [statistic(order[:3], order[3:]) for order in permutations(values)]
    tail = sum(value <= seen for value in all_of_them) / len(all_of_them)
    assert mann_whitney(base, head) == pytest.approx(2 * tail)
    with pytest.raises(ValueError, match="two samples"):
        mann_whitney([], head)


@pytest.mark.parametrize("differences", [[0.1, -0.2, 0.3, 0.5, 0.7], [1.0, 2.0, 3.0], [-4.0, 0.0, 1.0, 2.5, 0.0, 3.0]])
def test_signed_rank_counts_signs(differences):
    moved = sorted((value for value in differences if value), key=abs)
    seen = sum(rank for rank, value in enumerate(moved, 1) if value > 0)
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in product((0, 1), repeat=len(moved))]
    tail = min(sum(value <= seen for value in sums), sum(value >= seen for value in sums)) / len(sums)
    assert signed_rank(differences) == pytest.approx(min(1.0, 2 * tail))


def test_signed_rank_where_nothing_moved_or_nothing_is():
    assert signed_rank([0.0, 0.0]) == 1.0
    assert signed_rank([0.1] * 20) < 1e-3  # ties
    with pytest.raises(ValueError, match="at least one pair"):
        signed_rank([])


def test_ratio_of_medians_covers_the_truth_and_repeats():
    generator = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        base = generator.lognormal(0, 0.05, 60)
        head = 1.1 * generator.lognormal(0, 0.05, 60)
        ratio, (low, high) = ratio_of_medians(base, head, resamples=400, seed=seed)
        assert ratio == np.median(head) / np.median(base)
        assert low <= ratio <= high
        covered += low <= 1.1 <= high
    assert 0.89 <= covered / 200 <= 1.0
    assert ratio_of_medians(base, head) == ratio_of_medians(base, head)
    assert ratio_of_medians(base, head, seed=1) != ratio_of_medians(base, head)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_ratio_of_medians_is_the_bootstrap(size):
    generator = np.random.default_rng(3)
    base, head = generator.lognormal(0, 0.3, (2, size))
    _, (low, high) = ratio_of_medians(base, head, resamples=100_000)
    medians = [np.median(generator.choice(values, (20_000, size)), axis=1) for values in (base, head)]
    expected = np.quantile(medians[1] / medians[0], [0.025, 0.975])
    assert (low, high) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("base", "head"), [([], [1.0]), ([1.0], []), ([0.0], [1.0])])
def test_a_ratio_needs_a_positive_base(base, head):
    with pytest.raises(ValueError, match="ratio of medians"):
        ratio_of_medians(base, head)
