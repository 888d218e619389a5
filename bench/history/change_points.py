"""Change points of a long series: at which runs did a metric move to another level?

Candidates are found by splitting where the energy statistic (Matteson and James, JASA 2014) is largest, down to short
segments; then neighbours that a rank-sum test cannot tell apart are merged, the most alike first. Nothing is drawn at
random, so the same values always give the same answer. `ALPHA` is far below 0.05 because every position of a series is
tried and the series is looked at again with every new run.

This is for pages that show a trend. A gate has base and head measured in one job, and does not use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ALPHA = 1e-4
SHORTEST = 5
_DISTANCES_AT_ONCE = 2**18


def change_points(values: Sequence[float]) -> list[int]:
    """Return the indices, ascending, at which a new level begins: 12 says that values[12] is the first of it.

    Args:
        values: One finite value a run, oldest first; leave out runs without a value. Their logarithms are compared
            (5 % up is as far as 5 % down), or, where a value is not positive, the values themselves.

    Returns:
        No index for a quiet series, or for one of fewer than `2 * SHORTEST` values. Every level holds at least
        `SHORTEST` values, so a change shows once that many runs have seen it; in a young history `ALPHA` asks for more.

    Raises:
        ValueError: A value is not finite.
    """
    import numpy as np

    series = np.asarray(values, dtype=float)
    if not np.isfinite(series).all():
        raise ValueError("change points need finite values; leave out runs without one")
    if (series > 0).all():
        series = np.log(series)
    edges = [0, *_splits(series), len(series)]
    p_values = [_p_value(series, *edges[index - 1 : index + 2]) for index in range(1, len(edges) - 1)]
    while p_values and max(p_values) >= ALPHA:
        weakest = p_values.index(max(p_values))
        del p_values[weakest], edges[weakest + 1]
        for index in {weakest - 1, weakest} & set(range(len(p_values))):
            p_values[index] = _p_value(series, *edges[index : index + 3])
    return edges[1:-1]


def _splits(series: np.ndarray) -> list[int]:
    """Return where the energy statistic splits a series, and then its parts, until they are too short."""
    found, parts = [], [(0, len(series))]
    while parts:
        start, stop = parts.pop()
        split = _best_split(series[start:stop])
        if split is not None:
            found.append(start + split)
            parts += [(start, start + split), (start + split, stop)]
    return sorted(found)


def _best_split(part: np.ndarray) -> int | None:
    """Return the split with the largest energy statistic; None where the part is too short or constant.

    The statistic of x and y, n and m values, is n m / (n + m) * (2 E|x - y| - E|x - x'| - E|y - y'|).
    """
    import numpy as np

    size = len(part)
    if size < 2 * SHORTEST or part.min() == part.max():
        return None
    # block[k] is the sum of all distances within the first k values, rows[k] that of these to all values.
    # Of the distances between all pairs only some rows are in memory.
    before, to_all = np.empty(size), np.empty(size)
    at_once = max(1, _DISTANCES_AT_ONCE // size)
    for first in range(0, size, at_once):
        distance = np.abs(part[first : first + at_once, None] - part)
        chosen = slice(first, first + len(distance))
        before[chosen] = np.tril(distance, first).sum(axis=1)
        to_all[chosen] = distance.sum(axis=1)
    block = np.concatenate([[0.0], np.cumsum(2 * before)])
    rows = np.concatenate([[0.0], np.cumsum(to_all)])
    n = np.arange(SHORTEST, size - SHORTEST + 1)
    m = size - n
    across = rows[n] - block[n]
    after = block[-1] - block[n] - 2 * across
    statistic = n * m / size * (2 * across / (n * m) - block[n] / n**2 - after / m**2)
    return int(n[statistic.argmax()])


def _p_value(series: np.ndarray, start: int, split: int, stop: int) -> float:
    """Return the rank-sum p-value of two neighbouring segments; 1 where all values are the same."""
    from inflor_bench.verdict.statistics import mann_whitney

    before, after = series[start:split].tolist(), series[split:stop].tolist()
    return 1.0 if len({*before, *after}) == 1 else mann_whitney(before, after)
