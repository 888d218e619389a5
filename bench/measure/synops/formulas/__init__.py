"""Formulas: for every operator that holds synaptic operations, one small function that says what it multiplies.

A formula takes the operator's output and its arguments and returns the products in the call (`products.py`), none where
the operator multiplies nothing. Add one of your own for an operator that the counter lists as uncounted:

    @register_formula(torch.ops.my_library.sparse_linear)
    def sparse_linear(output, x, weight):
        return [Projection("linear", x, weight, Linear())]

A formula that does not cover a call raises `NotCoveredError`, and the call is listed; any other exception stops the
measurement. For an operator that multiplies nothing, `declare_not_synaptic` says so.
"""

from __future__ import annotations

from inflor_bench.measure.synops.formulas import accumulating, attention, convolution, matrix, recurrent
from inflor_bench.measure.synops.formulas.not_synaptic import declare_not_synaptic, is_not_synaptic, is_view
from inflor_bench.measure.synops.formulas.products import (
    Contraction,
    Convolution,
    Count,
    Linear,
    Product,
    Projection,
    operands,
    with_operands,
)
from inflor_bench.measure.synops.formulas.registry import Formula, formula_of, register_formula

__all__ = [
    "Contraction",
    "Convolution",
    "Count",
    "Formula",
    "Linear",
    "Product",
    "Projection",
    "accumulating",
    "attention",
    "convolution",
    "declare_not_synaptic",
    "formula_of",
    "is_not_synaptic",
    "is_view",
    "matrix",
    "operands",
    "recurrent",
    "register_formula",
    "with_operands",
]
