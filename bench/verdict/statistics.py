"""The statistics that comparisons rest on. numpy and scipy are imported where they are used: that takes long."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_EXACT = 20
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedChange:
    """Two sets of predictions on the same samples: newly right, newly wrong, and the exact McNemar p-value."""

    n: int
    gained: int
    lost: int
    p_value: float

    @property
    def difference(self) -> float:
        """Change of the accuracy, a share."""
        return (self.gained - self.lost) / self.n


def mcnemar(base: np.ndarray, head: np.ndarray) -> PairedChange:
    """Compare two rows of correct predictions, bool [n], on the same samples by the exact two-sided McNemar test.

    Under the hypothesis of no change every sample that changed is as likely gained as lost, so the gains are binomial
    with 1/2 (McNemar, Psychometrika 1947, in its exact form).

    Raises:
        ValueError: The rows are empty or differ in length.
    """
    if base.shape != head.shape or not base.size:
        raise ValueError("McNemar's test needs two rows of predictions on the same samples")
    gained = int((~base & head).sum())
    lost = int((base & ~head).sum())
    if gained == lost:
        return PairedChange(base.size, gained, lost, 1.0)
    from scipy.stats import binomtest

    return PairedChange(base.size, gained, lost, float(binomtest(gained, gained + lost, 0.5).pvalue))


def paired_interval(change: PairedChange) -> tuple[float, float]:
    """Return the 95 % interval of a paired difference of accuracies, a share (Agresti and Min, Stat. Med. 2005).

    It is Wald's with half a sample added to each of the four cells, which also covers where nothing changed.
    """
    n = change.n + 2
    gained, lost = change.gained + 0.5, change.lost + 0.5
    centre = (gained - lost) / n
    spread = _z(_CONFIDENCE) * math.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    return max(-1.0, centre - spread), min(1.0, centre + spread)


def wilson(correct: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson, JASA 1927).

    Raises:
        ValueError: n is not positive or `correct` is not within 0 to n.
    """
    if not 0 <= correct <= n or not n:
        raise ValueError("a proportion needs 0 <= correct <= n and n > 0")
    z = _z(confidence)
    share = correct / n
    centre = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # At 0 and n the bound is exact; rounding must not leave it outside of what was seen.
    return (0.0 if correct == 0 else (centre - spread) / scale, 1.0 if correct == n else (centre + spread) / scale)


def unpaired_interval(base: tuple[int, int], head: tuple[int, int]) -> tuple[float, float]:
    """Return the 95 % interval of head minus base for two (correct, n) (Newcombe, Stat. Med. 1998, method 10).

    It joins the two Wilson intervals.
    """
    shares = base[0] / base[1], head[0] / head[1]
    base_low, base_high = wilson(*base)
    head_low, head_high = wilson(*head)
    difference = shares[1] - shares[0]
    low = difference - math.hypot(shares[1] - head_low, base_high - shares[0])
    high = difference + math.hypot(head_high - shares[1], shares[0] - base_low)
    return low, high


def two_proportions(base: tuple[int, int], head: tuple[int, int]) -> float:
    """Return Fisher's exact two-sided p-value for two unpaired (correct, n)."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[base[0], base[1] - base[0]], [head[0], head[1] - head[0]]]).pvalue)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for the false discovery rate, in their order (Benjamini, Hochberg, JRSS B 1995)."""
    if all(value == 1.0 for value in p_values):  # nothing moved, the usual case, needs no scipy
        return list(p_values)
    from scipy.stats import false_discovery_control

    return [float(value) for value in false_discovery_control(p_values, method="bh")]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for the chance of any false alarm, in their order (Holm, Scand. J. Stat. 1979)."""
    if not len(p_values):
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p_values, method="holm")[1]]


@functools.cache
def detectable(n: int, alpha: float, power: float = 0.8) -> float:
    """Return the smallest mean, in standard deviations, that the paired t-test of n pairs finds with this power.

    The test is two-sided at the level `alpha`.

    Raises:
        ValueError: There are fewer than two pairs.
    """
    if n < 2:
        raise ValueError("the paired t-test needs at least two pairs")
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=alpha, power=power, alternative="two-sided"))


def mann_whitney(base: Sequence[float], head: Sequence[float]) -> float:
    """Return the two-sided p-value of the Mann-Whitney rank-sum test of two samples.

    It is exact for at most 20 values a side without ties: the normal approximation is ten times too large there.

    Raises:
        ValueError: One sample is empty.
    """
    if not len(base) or not len(head):
        raise ValueError("the rank-sum test needs two samples")
    from scipy.stats import mannwhitneyu

    exact = max(len(base), len(head)) <= _EXACT and len({*base, *head}) == len(base) + len(head)
    method = "exact" if exact else "auto"
    return float(mannwhitneyu(base, head, alternative="two-sided", method=method).pvalue)


def signed_rank(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test that differences of pairs lie about 0.

    Pairs that do not differ say nothing and are left out. It is exact for at most 20 differences without ties.

    Raises:
        ValueError: There is no pair.
    """
    if not len(differences):
        raise ValueError("the signed-rank test needs at least one pair")
    moved = [difference for difference in differences if difference]
    if not moved:
        return 1.0
    from scipy.stats import wilcoxon

    exact = len(moved) <= _EXACT and len({abs(difference) for difference in moved}) == len(moved)
    return float(wilcoxon(moved, alternative="two-sided", method="exact" if exact else "auto").pvalue)


def paired_t(differences: Sequence[float]) -> tuple[float, float, tuple[float, float]]:
    """Return the mean of differences of pairs, Student's two-sided p-value that it is 0, and the mean's 95 % interval.

    Differences that are all the same leave nothing to chance: the p-value is 0, or 1 where all are 0.

    Raises:
        ValueError: There are fewer than two pairs.
    """
    if len(differences) < 2:
        raise ValueError("the paired t-test needs at least two pairs")
    mean, spread = fmean(differences), stdev(differences)
    if not spread:
        return mean, float(not mean), (mean, mean)
    from scipy.stats import ttest_1samp

    test = ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(_CONFIDENCE)
    return mean, float(test.pvalue), (float(low), float(high))


def ratio_of_medians(
    base: Sequence[float], head: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return median(head) / median(base) and its 95 % percentile bootstrap interval; the seed makes it repeatable.

    Raises:
        ValueError: A sample is empty, or the median of the base is not positive.
    """
    import numpy as np

    samples = [np.sort(np.asarray(values, dtype=float)) for values in (base, head)]
    if not all(values.size for values in samples) or np.median(samples[0]) <= 0:
        raise ValueError("a ratio of medians needs two samples and a positive base")
    generator = np.random.default_rng(seed)
    old, new = (_resampled_medians(values, resamples, generator) for values in samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(new / old, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(np.median(samples[1]) / np.median(samples[0])), (float(low), float(high))


def _resampled_medians(ordered: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return bootstrap medians of a sorted sample without drawing the resamples.

    The k-th smallest of n uniform numbers has a Beta(k, n + 1 - k) distribution, and given it the next one is the least
    of n - k uniform numbers above it. Uniform numbers pick the values: this has the distribution of real resampling.
    """
    n = ordered.size
    k = (n + 1) // 2
    lower = generator.beta(k, n + 1 - k, resamples)
    picked = [lower]
    if n % 2 == 0:
        picked.append(1 - (1 - lower) * generator.random(resamples) ** (1 / (n - k)))
    values = [ordered[(position * n).astype(int).clip(0, n - 1)] for position in picked]
    return sum(values[1:], values[0]) / len(values)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
