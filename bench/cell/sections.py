"""From what measuring returns to the sections of a record. Where there is no value there is a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record.section import Absent, Section

S = TypeVar("S", bound=Section)


def section(kind: type[S], value: Any) -> S | Absent:
    """The section that holds a measured dataclass of the same field names, or the reason why there is none."""
    if isinstance(value, Unavailable):
        return Absent(status="unavailable", reason=value.reason)
    return kind.model_validate(asdict(value))


def attempt(kind: type[S], measure: Callable[[], Any]) -> S | Absent:
    """`section` of what `measure` returns; a measurement that refuses its input is absent as failed, and says why."""
    try:
        return section(kind, measure())
    except MeasureInputError as error:
        return Absent(status="failed", reason=str(error))
