"""Fused recurrent layers. Cells and layers that torch takes apart arrive as matrix products and need no formula."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.products import Linear, Product, Projection
from inflor_bench.measure.synops.formulas.registry import NotCoveredError, register_formula


@register_formula(torch.ops.aten.mkldnn_rnn_layer)
def mkldnn_rnn_layer(
    output: tuple[Tensor, ...],
    x: Tensor,
    weight_input: Tensor,
    weight_hidden: Tensor,
    bias_input: Tensor,
    bias_hidden: Tensor,
    hidden: Tensor,
    cell: Tensor,
    reverse: bool,
    batch_sizes: list[int],
    *_: Any,
) -> list[Product]:
    """One direction of one LSTM layer over x [T, N, In]: its output [T, N, H] is the hidden state after every step.

    Raises:
        NotCoveredError: the sequences are packed.
    """
    if batch_sizes:
        raise NotCoveredError("packed sequences are not covered")
    states = output[0]
    first = hidden.reshape(1, *states.shape[1:])
    before = torch.cat((states[1:], first)) if reverse else torch.cat((first, states[:-1]))
    return [
        Projection("linear", x, weight_input, Linear()),
        Projection("linear", before, weight_hidden, Linear()),
    ]
