"""What a formula says of a call: which tensors an operator multiplies, and in which pattern.

A product is a description alone; `SynOpCounter` decides what it counts for. Three patterns are enough:

- `Projection`: an input times a weight, through a `Geometry` (linear or convolution). Each input position has a fan-out
  F, the number of (output, weight != 0) pairs that read it; effective operations are sum of nonzero(x) * F.
- `Contraction`: a batched product of two matrices. Effective: sum over b and k of nonzero(left[b, :, k]) *
  nonzero(right[b, k, :]).
- `Count`: numbers that the formula worked out itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.inputs import sum_rows

Shape = tuple[int, ...]


class Geometry(Protocol):
    """How a weight is applied to positions of an input. Hashable: a fan-out is cached by it."""

    def row_axes(self, x: Shape) -> int:
        """Return how many leading axes of the input are rows (batch, time, tokens); the rest are positions."""

    def taps(self, weight: Tensor) -> Tensor:
        """Non-zero weights by what they read, float64: the weight summed over its outputs."""

    def dense_taps(self, weight: Shape) -> Tensor:
        """Return what `taps` gives for a weight without zeros."""

    def fan_out(self, taps: Tensor, positions: Shape) -> Tensor:
        """Map of the (output, weight) pairs that read each position, float64, shaped like the positions."""

    def inside(self, positions: Shape) -> tuple[slice, ...]:
        """Return the part of the positions that is not zero padding."""

    def dense_padded(self, weight: Shape, positions: Shape) -> int:
        """Multiply-accumulates of one row with the padding taps included, as FLOP counters report them."""

    def output_shape(self, weight: Shape) -> Shape:
        """Shape of what comes out for one row, channels first."""


@dataclass(frozen=True)
class Linear:
    """Positions are the input features: x [..., In]. `weight` is [Out, In], or [In, Out] where `transposed`."""

    transposed: bool = False

    def row_axes(self, x: Shape) -> int:
        """All axes but the last."""
        return len(x) - 1

    def taps(self, weight: Tensor) -> Tensor:
        """Non-zero weights per input feature, [In]."""
        matrix = weight.t() if self.transposed else weight
        return sum_rows(matrix.bool().contiguous()).to(torch.float64)

    def dense_taps(self, weight: Shape) -> Tensor:
        """Out for every input feature, [In]."""
        outputs, inputs = reversed(weight) if self.transposed else weight
        return torch.full((inputs,), outputs, dtype=torch.float64)

    def fan_out(self, taps: Tensor, positions: Shape) -> Tensor:
        """The taps themselves."""
        return taps

    def inside(self, positions: Shape) -> tuple[slice, ...]:
        """All positions."""
        return (slice(None),)

    def dense_padded(self, weight: Shape, positions: Shape) -> int:
        """In * Out."""
        return math.prod(weight)

    def output_shape(self, weight: Shape) -> Shape:
        """Out."""
        return (weight[1] if self.transposed else weight[0],)


@dataclass(frozen=True)
class Convolution:
    """Positions are [C, *spatial]; the weight is [C_out, C / groups, *kernel], transposed [C, C_out / groups, *kernel].

    `border` is zero padding that the input already holds, (before, after) for each spatial axis.
    """

    stride: Shape
    padding: Shape
    dilation: Shape
    transposed: bool
    output_padding: Shape
    groups: int
    output: Shape
    border: tuple[tuple[int, int], ...] = ()

    def row_axes(self, x: Shape) -> int:
        """The batch."""
        return 1

    def taps(self, weight: Tensor) -> Tensor:
        """Non-zero weights per input channel and kernel tap, [C, *kernel]."""
        mask = weight.bool().contiguous()
        kernel = weight.shape[2:]
        if self.transposed:
            return mask.sum(1).to(torch.float64)
        if self.groups == 1:
            return sum_rows(mask.flatten(1)).view(weight.shape[1:]).to(torch.float64)
        grouped = mask.view(self.groups, weight.shape[0] // self.groups, weight.shape[1], *kernel)
        return grouped.sum(1).flatten(0, 1).to(torch.float64)

    def dense_taps(self, weight: Shape) -> Tensor:
        """Output channels that each tap of each input channel feeds, [C, *kernel]."""
        channels = weight[0] if self.transposed else weight[1] * self.groups
        fed = weight[1] if self.transposed else weight[0] // self.groups
        return torch.full((channels, *weight[2:]), fed, dtype=torch.float64)

    def fan_out(self, taps: Tensor, positions: Shape) -> Tensor:
        """Sum the taps that reach an output inside the borders, one spatial axis after the other: [C, *spatial]."""
        result = taps
        for axis, size in enumerate(positions[1:]):
            reach = self._reach(axis, taps.shape[1 + axis], size).to(taps.device)
            result = torch.tensordot(result, reach, dims=([1], [0]))
        return result

    def _reach(self, axis: int, kernel: int, size: int) -> Tensor:
        """Whether a tap links a position to some output on one axis, [kernel, size] of 0 and 1.

        A tap links a position to at most one output: position = output * stride - padding + tap * dilation, and for
        transposed convolutions the same with position and output exchanged.
        """
        stride, padding, dilation = self.stride[axis], self.padding[axis], self.dilation[axis]
        offset = torch.arange(kernel)[:, None] * dilation - padding
        position = torch.arange(size)[None]
        if self.transposed:
            target = position * stride + offset
            linked = (target >= 0) & (target < self.output[axis])
        else:
            target = position - offset
            linked = (target % stride == 0) & (target >= 0) & (target < self.output[axis] * stride)
        return linked.to(torch.float64)

    def inside(self, positions: Shape) -> tuple[slice, ...]:
        """All positions but the border that the input holds."""
        edges = self.border or ((0, 0),) * (len(positions) - 1)
        spatial = (slice(before, size - after) for (before, after), size in zip(edges, positions[1:], strict=True))
        return (slice(None), *spatial)

    def dense_padded(self, weight: Shape, positions: Shape) -> int:
        """Weights times the places they are applied at: outputs, for transposed convolutions inputs."""
        return math.prod(weight) * math.prod(positions[1:] if self.transposed else self.output)

    def output_shape(self, weight: Shape) -> Shape:
        """[C_out, *spatial]."""
        return (weight[1] * self.groups if self.transposed else weight[0], *self.output)


@dataclass(frozen=True)
class Projection:
    """An input times a weight. `kind` names the site's sort in the result ("linear", "conv2d", ...).

    `bias` says that the operator adds one, which is not synaptic.
    """

    kind: str
    input: Tensor
    weight: Tensor
    geometry: Geometry
    bias: bool = False


@dataclass(frozen=True)
class Contraction:
    """left [B, n, k] times right [B, k, m]. One operand with unit values is enough for accumulates.

    Where `weight` is given, it is what `right` was made of, and the class is that of `left` alone. `rows` is a tensor
    and those of its axes that became B and n, where these are not the first two of `left`.
    """

    kind: str
    left: Tensor
    right: Tensor
    bias: bool = False
    weight: Tensor | None = None
    rows: tuple[Tensor, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Count:
    """Operations that a formula counted itself; the site accumulates where every one of `inputs` is unit-valued."""

    kind: str
    effective: int
    dense: int
    dense_padded: int
    inputs: Sequence[Tensor]
    weight: Tensor | None = None


Product = Projection | Contraction | Count


def operands(product: Product) -> list[Tensor]:
    """What a product multiplies."""
    if isinstance(product, Projection):
        return [product.input, product.weight]
    if isinstance(product, Contraction):
        return [product.left, product.right]
    return [*product.inputs, *([] if product.weight is None else [product.weight])]


def with_operands(product: Product, tensors: Sequence[Tensor]) -> Product:
    """Put others in their places."""
    if isinstance(product, Projection):
        return replace(product, input=tensors[0], weight=tensors[1])
    if isinstance(product, Contraction):
        return replace(product, left=tensors[0], right=tensors[1])
    inputs, weight = tensors[: len(product.inputs)], tensors[len(product.inputs) :]
    return replace(product, inputs=inputs, weight=weight[0] if weight else None)
