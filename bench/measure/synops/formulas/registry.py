"""Which formula an operator has."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch._ops import OpOverload, OpOverloadPacket

from inflor_bench.measure.synops.formulas.products import Product


class FormulaError(RuntimeError):
    """A formula failed on an operator. The measurement stops: a count that misses an operator would be wrong."""


class NotCoveredError(Exception):
    """Raised by a formula for a call that it does not cover: the operator is then listed as uncounted."""


Formula = Callable[..., Iterable[Product]]

_formulas: dict[OpOverload | OpOverloadPacket, Formula] = {}


def register_formula(*operators: OpOverload | OpOverloadPacket) -> Callable[[Formula], Formula]:
    """Make the decorated function the formula of operators, such as torch.ops.aten.mm or one overload of it.

    It is called as formula(output, *args, **kwargs) with what the operator returned and was given.
    """

    def register(formula: Formula) -> Formula:
        for operator in operators:
            _formulas[operator] = formula
        return formula

    return register


def formula_of(operator: OpOverload) -> Formula | None:
    """Return the formula of an operator: that of the overload before that of all its overloads."""
    return _formulas.get(operator) or _formulas.get(operator.overloadpacket)
