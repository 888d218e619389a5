"""The Pareto front: what no other point beats in both accuracy and energy."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the non-dominated (cost, value) pairs, cheapest first: less cost is better, more value is better.

    A point is dominated by one that is at least as good in both and better in one; equal points are all kept.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    kept: list[int] = []
    for index in order:
        cost, value = points[index]
        if not kept or value > points[kept[-1]][1] or points[kept[-1]] == (cost, value):
            kept.append(index)
    return kept
