"""The batched matrix product that a sum of an elementwise product is.

A factor that is constant along what is summed is a scale, and a buffer or constant of 0 and 1 alone is a mask: they
weigh nothing, and the product stays elementwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from inflor_bench.measure.synops.formulas import Contraction
from inflor_bench.measure.synops.weights import Origin, Weights, nothing_yet


@dataclass(frozen=True, eq=False)
class Factor:
    """One factor of a product, expanded to its shape, and what it was made of. A choice may be of one weight alone."""

    tensor: Tensor
    origin: Origin
    choice: bool = False

    def varying(self) -> set[int]:
        """The axes along which it is not the same number by its layout."""
        smallest = 0 if self.choice else 1
        return {axis for axis, size in enumerate(self.tensor.shape) if size > smallest and self.tensor.stride(axis)}


Factors = tuple[Factor, ...]


def contraction(weights: Weights, factors: Factors, axes: list[int] | None) -> Contraction | None:
    """Return the batched matrix product that a sum over these axes is; None where it is none.

    Without axes the products are terms of a sum that is written out.
    """
    factors = tuple(replace(one, origin=None) if nothing_yet(one.origin, one.tensor) else one for one in factors)
    taking, summed = [factor for factor in factors if not _is_mask(weights, factor)], set(axes or ())
    if axes is not None:
        shared = {axis for axis in summed if sum(axis in factor.varying() for factor in taking) > 1}
        taking = [factor for factor in taking if factor.varying() & shared]
    if len(taking) < 2:
        return None
    left = [factor for factor in taking if factor.origin is None] or taking[:1]
    right = [factor for factor in taking if factor not in left] or left[1:]
    weight = right[0].tensor if right[0].origin is not None else None
    left = left if weight is not None else left[:1]
    varying = [set().union(*(factor.varying() for factor in side)) for side in (left, right)]
    product, batch_and_rows = _matrices(_multiplied(left), _multiplied(right), varying, summed)
    return replace(product, weight=weight, rows=(left[0].tensor, batch_and_rows))


def _is_mask(weights: Weights, factor: Factor) -> bool:
    if factor.origin is None or weights.has_parameter(factor.origin):
        return False
    return bool(((factor.tensor == 0) | (factor.tensor == 1)).all())


def _multiplied(factors: Sequence[Factor]) -> Tensor:
    product = factors[0].tensor
    for factor in factors[1:]:
        product = product * factor.tensor
    return product


def _matrices(
    left: Tensor, right: Tensor, varying: list[set[int]], summed: set[int]
) -> tuple[Contraction, tuple[int, ...]]:
    """Arrange two factors of one shape, by the axes along which each varies, as left [B, n, k] and right [B, k, m].

    Returns their product, and the axes that became B and n.
    """
    by_left, by_right = varying
    axes = range(left.ndim)
    inner = [axis for axis in axes if axis in by_left & by_right & summed]
    batch = [axis for axis in axes if axis in by_left & by_right - summed]
    columns = [axis for axis in axes if axis in by_right - by_left]
    rows = [axis for axis in axes if axis not in {*inner, *batch, *columns}]
    sizes = [math.prod(left.shape[axis] for axis in group) for group in (batch, rows, inner, columns)]
    first = _only(left, [*batch, *rows, *inner]).reshape(sizes[0], sizes[1], sizes[2])
    second = _only(right, [*batch, *inner, *columns]).reshape(sizes[0], sizes[2], sizes[3])
    return Contraction("weighted_sum", first, second), (*batch, *rows)


def _only(tensor: Tensor, axes: list[int]) -> Tensor:
    """These axes of a tensor, in this order, and of the others the first element."""
    index = tuple(slice(None) if axis in axes else 0 for axis in range(tensor.ndim))
    left = sorted(axes)
    return tensor[index].permute([left.index(axis) for axis in axes])
