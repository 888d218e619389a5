"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.measure.formulas.products import Contraction, Product
from bench.measure.formulas.registry import register_formula

aten = torch.ops.aten


@register_formula(aten.mm)
def mm(output: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """left [n, k] times right [k, m]."""
    return [Contraction("matmul", left[None], right[None])]


@register_formula(aten.addmm, aten.addmm_)
def addmm(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias, not synaptic, plus left [n, k] times right [k, m]."""
    return [Contraction("matmul", left[None], right[None])]


@register_formula(aten.bmm)
def bmm(output: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """left [B, n, k] times right [B, k, m]."""
    return [Contraction("matmul", left, right)]


@register_formula(aten.baddbmm, aten.baddbmm_, aten.addbmm, aten.addbmm_)
def baddbmm(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias plus left [B, n, k] times right [B, k, m], for addbmm summed over B."""
    return [Contraction("matmul", left, right)]


@register_formula(aten.mv)
def mv(output: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """left [n, k] times right [k]."""
    return [Contraction("matmul", left[None], right[None, :, None])]


@register_formula(aten.addmv, aten.addmv_)
def addmv(output: Tensor, bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """A bias plus left [n, k] times right [k]."""
    return [Contraction("matmul", left[None], right[None, :, None])]


@register_formula(aten.dot, aten.vdot)
def dot(output: Tensor, left: Tensor, right: Tensor, **_: Any) -> list[Product]:
    """left [k] times right [k]."""
    return [Contraction("matmul", left[None, None], right[None, :, None])]
