"""Elementwise products that are followed to their sums, and what an operator writes into."""

from __future__ import annotations

from typing import Any

from torch._ops import OpOverload

from inflor_bench.measure.synops.counting import Counting
from inflor_bench.measure.synops.elementwise import Sums
from inflor_bench.measure.synops.formulas.registry import NotCoveredError
from inflor_bench.measure.synops.operators import Operator
from inflor_bench.measure.synops.synaptic import Synaptic
from inflor_bench.measure.synops.uncounted import Uncounted
from inflor_bench.measure.synops.weights import Weights, written_by


class Following:
    """Counts the sums of elementwise products."""

    def __init__(
        self, sums: Sums, weights: Weights, counting: Counting, products: Synaptic, uncounted: Uncounted
    ) -> None:
        self._sums, self._weights, self._counting = sums, weights, counting
        self._products, self._uncounted = products, uncounted

    def write(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator that writes into some of its arguments."""
        self._counting.forget()
        targets = written_by(func, args, kwargs)
        product = self._sums.before_writing(func, args, targets)
        output = func(*args, **kwargs)
        self._weights.written(func, args, kwargs, targets)
        for term in self._sums.written(func, args, targets, product):
            self._products.count_sum(term, None, output)
        return output

    def follow(
        self, operator: Operator, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> bool:
        """Follow elementwise products; return whether the operator was their sum, which is counted then."""
        try:
            found = self._sums.summed(func, args, kwargs)
        except NotCoveredError as reason:
            self._uncounted.add(f"{operator.name} ({reason})", args, kwargs)
            return True
        counted = [] if found is None else [self._products.count_sum(term, found[1], output) for term in found[0]]
        if any(counted):
            return True
        if not operator.mutable:
            for term in self._sums.follow(func, args, kwargs, output):
                self._products.count_sum(term, None, output)
        return False
