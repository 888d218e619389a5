"""Convolutions of one to three dimensions, transposed or not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.products import Convolution, Product, Projection
from inflor_bench.measure.synops.formulas.registry import register_formula

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
    """x [N, C, *spatial] or [C, *spatial]; the bias is not synaptic."""
    dimensions = weight.ndim - 2
    if x.ndim == dimensions + 1:
        x, output = x[None], output[None]
    geometry = _geometry(
        tuple(stride), tuple(padding), tuple(dilation), transposed, tuple(output_padding), groups, output.shape[2:]
    )
    return [Projection(_KINDS[transposed][dimensions], x, weight, geometry, bias is not None)]


_KINDS = {
    False: {dimensions: f"conv{dimensions}d" for dimensions in (1, 2, 3)},
    True: {dimensions: f"conv_transpose{dimensions}d" for dimensions in (1, 2, 3)},
}


@functools.lru_cache(maxsize=1024)
def _geometry(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    transposed: bool,
    output_padding: tuple[int, ...],
    groups: int,
    output: tuple[int, ...],
) -> Convolution:
    dimensions = len(output)
    return Convolution(
        stride=_each(stride, dimensions),
        padding=_each(padding, dimensions),
        dilation=_each(dilation, dimensions),
        transposed=transposed,
        output_padding=_each(output_padding, dimensions),
        groups=groups,
        output=tuple(output),
    )


@register_formula(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)
def forward_convolution(
    output: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Iterable[Product]:
    """As it arrives whole, under inference mode. With padding "same" it is taken apart."""
    return convolution(output, x, weight, bias, stride, padding, dilation, False, (0,), groups)


@register_formula(aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d)
def transposed_convolution(
    output: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> Iterable[Product]:
    """As it arrives whole, under inference mode."""
    return convolution(output, x, weight, bias, stride, padding, dilation, True, output_padding, groups)
