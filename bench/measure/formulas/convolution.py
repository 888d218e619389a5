"""Convolutions of one to three dimensions, transposed or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bench.measure.formulas.products import Convolution, Product, Projection
from bench.measure.formulas.registry import register_formula

aten = torch.ops.aten


def _each(values: Sequence[int], dimensions: int) -> tuple[int, ...]:
    """One value an axis: a single value stands for all."""
    return tuple(values) * dimensions if len(values) == 1 else tuple(values)


@register_formula(aten.convolution, aten._convolution, aten.convolution_overrideable)
def convolution(
    output: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_: Any,
    **__: Any,
) -> list[Product]:
    """x [N, C, *spatial]; the bias is not synaptic."""
    dimensions = x.ndim - 2
    geometry = Convolution(
        stride=_each(stride, dimensions),
        padding=_each(padding, dimensions),
        dilation=_each(dilation, dimensions),
        transposed=transposed,
        output_padding=_each(output_padding, dimensions),
        groups=groups,
        output=tuple(output.shape[2:]),
    )
    return [Projection(f"conv{'_transpose' if transposed else ''}{dimensions}d", x, weight, geometry)]
