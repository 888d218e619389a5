"""How a cost grows: the exponent of a power law, by least squares over logarithms, with its 95 % interval (Student)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# Caches and allocators make a little more than linear of what is linear; only what is clearly above is a finding.
TOLERATED = 1.15
# Of one doubling, which two points alone make: a quarter more than double.
TOLERATED_LAST = 1.35


@dataclass(frozen=True)
class Growth:
    """cost ~ work ** exponent. `low` and `high` are the interval; `last` is the exponent of the last doubling alone."""

    exponent: float
    low: float
    high: float
    last: float

    @property
    def faster_than_work(self) -> bool:
        """Whether the cost grows faster than the work, over the whole range."""
        return self.low > TOLERATED

    @property
    def faster_at_the_end(self) -> bool:
        """Whether it does so where it is largest, and fixed costs do not hide it."""
        return self.last > TOLERATED_LAST

    @property
    def flagged(self) -> bool:
        """Whether it does so in either sense."""
        return self.faster_than_work or self.faster_at_the_end


def growth(work: Sequence[float], costs: Sequence[Sequence[float]]) -> Growth:
    """Fit costs, several a point, against the work of each point. The least of a point counts: what disturbs only adds.

    Raises:
        ValueError: fewer than three points, or a cost or work that is not above 0.
    """
    if len(work) < 3 or any(value <= 0 for value in [*work, *(cost for point in costs for cost in point)]):
        raise ValueError("a growth needs three points, and work and costs above 0")
    least = [min(point) for point in costs]
    x, y = np.log(np.asarray(work, dtype=float)), np.log(least)
    line = stats.linregress(x, y)
    reach = float(stats.t.ppf(0.975, len(work) - 2)) * float(line.stderr)
    last = math.log(least[-1] / least[-2]) / math.log(work[-1] / work[-2])
    return Growth(float(line.slope), float(line.slope) - reach, float(line.slope) + reach, last)
