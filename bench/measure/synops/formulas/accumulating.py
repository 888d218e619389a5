"""Operators that put values at places, and add them up there where they are asked to: a sum that may hold weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, ops

from inflor_bench.measure.synops.formulas.products import Product
from inflor_bench.measure.synops.formulas.registry import NotCoveredError, register_formula

aten = ops.aten


@register_formula(aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index_put, aten.put, aten.put_)
def put(output: Tensor, x: Tensor, places: Any, values: Tensor, accumulate: bool = False, *_: Any) -> list[Product]:
    """Put values at places.

    Raises:
        NotCoveredError: they are added to what is there.
    """
    if accumulate:
        raise NotCoveredError("it adds up what it puts")
    return []


@register_formula(aten.scatter.reduce, aten.scatter_.reduce)
def scatter(output: Tensor, x: Tensor, dim: int, places: Tensor, values: Tensor, *, reduce: str) -> list[Product]:
    """Scatter values.

    Raises:
        NotCoveredError: they are added to what is there.
    """
    if reduce == "add":
        raise NotCoveredError("it adds up what it scatters")
    return []


@register_formula(aten.bincount)
def bincount(output: Tensor, x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> list[Product]:
    """Count how often each whole number is there.

    Raises:
        NotCoveredError: weights are added up instead.
    """
    if weights is not None:
        raise NotCoveredError("it adds up weights")
    return []
