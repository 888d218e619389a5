"""Which layers a commit moved, by the records of a cell before and after it."""

from __future__ import annotations

from inflor_bench.metrics import METRICS, Metric
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent

_NAMED = 3


def moved(before: Record, after: Record, metric: Metric) -> list[str]:
    """Return a line for each quantity that has layers: the metric's own, and the spikes that are behind it.

    Of its layers those that moved furthest are named, furthest first, and which was the first in the network.
    """
    quantities = dict.fromkeys([*([metric] if metric.layers else []), METRICS["spikes"]])
    return [line for quantity in quantities if (line := _line(before, after, quantity))]


def _line(before: Record, after: Record, metric: Metric) -> str | None:
    sections = [getattr(record, metric.section) for record in (before, after)]
    if metric.layers is None or any(isinstance(section, Absent) for section in sections):
        return None
    old, new = map(metric.layers, sections)
    if old.keys() != new.keys():
        gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
        words = [f"{word} {', '.join(names[:_NAMED])}" for word, names in (("gone", gone), ("new", come)) if names]
        return f"{metric.label}: the layers are others ({'; '.join(words)})"
    changes = {name: new[name] - old[name] for name in new if new[name] != old[name]}
    if not changes:
        return f"{metric.label}: the same in every layer"
    furthest = sorted(changes, key=lambda name: -abs(changes[name]))[:_NAMED]
    words = [f"{name} {_change(old[name], changes[name])}" for name in furthest]
    first = next(iter(changes))
    more = f", and {len(changes) - len(furthest)} more" if len(changes) > len(furthest) else ""
    begins = f"; the first that moved is {first}" if len(changes) > 1 else ""
    return f"{metric.label}: most in {', '.join(words)}{more}{begins}"


def _change(old: int, change: int) -> str:
    return f"{change / old:+.3%} ({change:+,})" if old else f"({change:+,})"
