"""Scaled dot-product attention, the same whichever backend runs.

Two products: scores = query key^T over all pairs, those that a mask or causality hides included, because they are
computed before they are hidden; and probabilities times values, where a hidden pair has probability 0 and so costs
nothing. The scale belongs to the scores and does not change the class of query or key.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.products import Contraction, Product
from inflor_bench.measure.synops.formulas.registry import NotCoveredError, register_formula

aten = torch.ops.aten


def attention(
    output: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    **_: Any,
) -> list[Product]:
    """query [..., L, E], key [..., S, E], value [..., S, Ev].

    Raises:
        NotCoveredError: there is dropout inside a fused kernel, so that the probabilities that ran are not known.
    """
    if dropout_p:
        raise NotCoveredError("fused attention with dropout does not show which probabilities were dropped")
    if enable_gqa or (query.ndim > 2 and key.shape[-3] != query.shape[-3] and key.shape[-3] > 1):
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    rows = (query, tuple(range(query.ndim - 1)))
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (query, key, value))
    scores = torch.bmm(query, key.transpose(1, 2)) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        hidden = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    if attn_mask is not None:
        mask = attn_mask.expand(*batch, *scores.shape[1:]).reshape(scores.shape)
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
    probabilities = torch.softmax(scores, -1).nan_to_num(0.0)
    return [
        Contraction("attention_scores", query, key.transpose(1, 2), rows=rows),
        Contraction("attention_values", probabilities, value, rows=rows),
    ]


@register_formula(aten._scaled_dot_product_flash_attention_for_cpu, aten._scaled_dot_product_flash_attention)
def flash(
    output: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> list[Product]:
    """FlashAttention on GPUs, and the fused kernel of CPUs, which alone takes a mask."""
    return attention(output, query, key, value, attn_mask, dropout_p, is_causal, scale)


@register_formula(aten._scaled_dot_product_efficient_attention, aten._scaled_dot_product_cudnn_attention)
def efficient(
    output: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> list[Product]:
    """The memory-efficient and the cuDNN kernel."""
    return attention(output, query, key, value, attn_bias, dropout_p, is_causal, scale)


@register_formula(aten._scaled_dot_product_fused_attention_overrideable)
def overrideable(
    output: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> list[Product]:
    """The kernel of a device outside torch."""
    return attention(output, query, key, value, attn_bias, dropout_p, is_causal, scale)
