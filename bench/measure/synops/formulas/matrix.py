"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.products import Contraction, Count, Linear, Product, Projection
from inflor_bench.measure.synops.formulas.registry import register_formula

aten = torch.ops.aten


@register_formula(aten.linear)
def linear(output: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> list[Product]:
    """x [..., In], weight [Out, In], as it arrives whole, under inference mode."""
    return [Projection("linear", x, weight, Linear(), bias is not None)]


@register_formula(aten.mm, aten.bmm, aten.mv, aten.dot, aten.vdot)
def product(output: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """left [B, n, k], [n, k] or [k] times right [B, k, m], [k, m] or [k]."""
    return [Contraction("matmul", _batched(left, -2), _batched(right, -1))]


def _batched(operand: Tensor, axis: int) -> Tensor:
    """A matrix or a vector as a batch of one matrix; a vector gets its other axis of one element at `axis`."""
    matrices = operand.unsqueeze(axis) if operand.ndim == 1 else operand
    return matrices if matrices.ndim == 3 else matrices[None]


@register_formula(aten.addmm, aten.addmm_, aten._addmm_activation, aten.addmv, aten.addmv_)
def addmm(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias, not synaptic, plus left [n, k] times right [k, m] or [k]."""
    return [Contraction("matmul", left[None], _batched(right, -1), bias=True)]


@register_formula(aten.baddbmm, aten.baddbmm_, aten.addbmm, aten.addbmm_)
def baddbmm(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias plus left [B, n, k] times right [B, k, m], for addbmm summed over B."""
    return [Contraction("matmul", left, right)]


@register_formula(aten.addr, aten.addr_)
def addr(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias plus the outer product of left [n] and right [m]."""
    return [Contraction("matmul", left[None, :, None], right[None, None])]


@register_formula(aten._trilinear)
def trilinear(
    output: Tensor,
    first: Tensor,
    second: Tensor,
    third: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> list[Product]:
    """Bilinear layers: sums of products (first, second, third); each without a zero in it is one operation."""
    operands = []
    for operand, expanded in ((first, expand1), (second, expand2), (third, expand3)):
        for axis in sorted(expanded):
            operand = operand.unsqueeze(axis)
        operands.append(operand)
    full = torch.broadcast_shapes(*(operand.shape for operand in operands))
    terms: list[Any] = []
    for operand in operands:
        kept = [axis for axis in range(len(full)) if operand.shape[axis] == full[axis]]
        squeezed = [axis for axis in range(len(full)) if axis not in kept]
        terms += [operand.bool().to(torch.float64).squeeze(squeezed), kept]
    effective = int(torch.einsum(*terms, []).item())
    dense = math.prod(full)
    return [Count("bilinear", effective, dense, dense, (first, third), weight=second)]
