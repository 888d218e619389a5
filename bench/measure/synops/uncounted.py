"""What may hold synaptic operations and was not counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inflor_bench.measure.synops.result import UncountedOperator
from inflor_bench.measure.synops.synaptic import Running
from inflor_bench.measure.synops.weights import Weights

UNRECEIVED = "no operator received its weight"


class Uncounted:
    """The operators that no formula covers, by the module they ran in."""

    def __init__(self, weights: Weights, running: Running) -> None:
        self._weights, self._running = weights, running
        self._calls: dict[tuple[str, str], int] = {}

    def add(self, operator: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """List a call of an operator that is running, unless it works on weights alone."""
        if self._weights.origin_of_all((*args, *kwargs.values())) is not None:
            return
        self._running.note()
        key = (self._running.where(), operator)
        self._calls[key] = self._calls.get(key, 0) + 1

    def found(self, ran: Mapping[str, int], left_out: Mapping[str, str]) -> list[UncountedOperator]:
        """Return them all.

        Args:
            ran: how often each module ran; one that ran with a weight that no operator received is listed, too.
            left_out: where products with a buffer were left out, by its name, as it was taken for a constant.
        """
        found = [UncountedOperator(name, operator, calls) for (name, operator), calls in self._calls.items()]
        for name in dict.fromkeys(name for names in self._weights.unseen.values() for name in sorted(names)):
            if name in ran:
                found.append(UncountedOperator(name, UNRECEIVED, ran[name]))
        for name in sorted(self._weights.state & left_out.keys()):
            reason = f"products with the buffer {name!r}, taken for a constant before the run wrote into it"
            found.append(UncountedOperator(left_out[name], reason, 1))
        return found
