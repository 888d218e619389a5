"""What the counter has to know of an operator to see what it multiplies, follows or costs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch._ops import OpOverload

from inflor_bench.measure.neurons.operations import Ledger, Rule
from inflor_bench.measure.synops.elementwise import Sums
from inflor_bench.measure.synops.formulas import Formula, formula_of, is_not_synaptic, is_view


@dataclass(frozen=True)
class Operator:
    """What is known of an operator, looked up once."""

    name: str
    formula: Formula | None
    known: bool
    composite: bool
    mutable: bool
    views: bool
    makes: bool
    pads: bool
    follows: bool
    rule: Rule | None


def look_up(func: OpOverload) -> Operator:
    """Look at its schema and at what is registered for it."""
    formula = formula_of(func)
    known = formula is None and is_not_synaptic(func)
    is_composite = func.namespace not in ("prim", "profiler") and torch._C._dispatch_has_kernel_for_dispatch_key(
        func.name(), "CompositeImplicitAutograd"
    )
    return Operator(
        name=str(func),
        formula=formula,
        known=known,
        composite=is_composite and formula is None and not known,
        mutable=func._schema.is_mutable,
        views=is_view(func),
        # What arrives whole, `to` and `reshape` say, may give a view or a copy.
        makes=not func._schema.is_mutable and (is_composite or not is_view(func)),
        pads=func is torch.ops.aten.constant_pad_nd.default,
        follows=Sums.follows(func),
        rule=Ledger.rule_of(func),
    )
