"""Which products are synaptic operations: those that an input came into. What was made of weights alone is none.

Whether a buffer is a weight or state is known at the end of a forward pass; until then a product with it waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from inflor_bench.measure.neurons.protocol import SpikingNeuron
from inflor_bench.measure.synops.contraction import Factors, contraction
from inflor_bench.measure.synops.counting import Counting, Place, place_in_code
from inflor_bench.measure.synops.formulas import Contraction, Product, operands, with_operands
from inflor_bench.measure.synops.weights import Origin, Weights, nothing_yet


@dataclass
class NeuronCall:
    """A spiking neuron that is running. `synaptic` says that a possibly synaptic operator was seen inside it."""

    name: str
    neuron: SpikingNeuron
    given: Tensor | None
    suspended: bool
    synaptic: bool = False


@dataclass
class Running:
    """The modules that are running, by name, and the spiking neurons among them, innermost last.

    `operators` are those so far that were, or may have been, synaptic.
    """

    modules: list[str] = field(default_factory=list)
    neurons: list[NeuronCall] = field(default_factory=list)
    operators: int = 0

    def where(self) -> str:
        """The name of the innermost module."""
        return self.modules[-1] if self.modules else ""

    def note(self) -> None:
        """A possibly synaptic operator has run."""
        for neuron in self.neurons:
            neuron.synaptic = True
        self.operators += 1


@dataclass(frozen=True)
class _Waiting:
    """A product with a buffer of which it is not known yet whether it is state, or else a weight."""

    names: frozenset[str]
    as_state: Product
    as_weight: Product | None
    index: int
    shape: torch.Size
    module: str
    place: Place


class Synaptic:
    """Hands to `counting` the products that an input came into."""

    def __init__(self, weights: Weights, counting: Counting, running: Running) -> None:
        self.weights, self.counting, self.running = weights, counting, running
        self._waiting: list[_Waiting] = []
        # Buffers that a product was left out for, which had no other input, and the module that it is in.
        self.left_out: dict[str, str] = {}

    def decide(self) -> None:
        """A forward pass has ended: now it is known which buffers are state."""
        self.weights.end_of_forward()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            product = one.as_weight if one.names.isdisjoint(self.weights.state) else one.as_state
            if product is not None:
                self.counting.count(product, one.index, one.shape, one.module, one.place)
            else:
                self.left_out.update(dict.fromkeys(one.names, one.module))

    def consider(self, product: Product, index: int, output: Any) -> None:
        """Count a product that an input came into; what was made of weights alone is none.

        A constant that is made on the way and meets a parameter is an input that the model makes itself.
        """
        tensors = operands(product)
        origins = [self.weights.origin(tensor) for tensor in tensors]
        # In a product of matrices it is the buffer that may be either; a layer says which of its arguments is which.
        open_roles = isinstance(product, Contraction) or (product.kind == "linear" and not self.counting.linear)
        if None in origins and not (open_roles and any(map(self._either, origins))):
            self._count(product, index, output)
            return
        if any(nothing_yet(origin, tensor) for origin, tensor in zip(origins, tensors, strict=True)) or (
            frozenset() in origins and any(origin and self.weights.has_parameter(origin) for origin in origins)
        ):
            self._count(product, index, output)
            return
        if any(origin is not None and self.weights.undecided(origin) for origin in origins):
            kept = [
                tensor if origin is not None and self.weights.has_parameter(origin) else tensor.clone()
                for tensor, origin in zip(tensors, origins, strict=True)
            ]
            as_weight = None
            if None in origins:
                given = [
                    one if origin is None else tensor
                    for one, origin, tensor in zip(kept, origins, tensors, strict=True)
                ]
                as_weight = with_operands(product, given)
            self._wait(with_operands(product, kept), as_weight, index, output, origins)

    def count_sum(self, factors: Factors, axes: list[int] | None, output: Any) -> bool:
        """Count a sum of elementwise products; False where it is none that weighs anything."""
        found = contraction(self.weights, factors, axes)
        undecided = [self._either(factor.origin) for factor in factors]
        if any(undecided):
            as_state = contraction(
                self.weights,
                tuple(
                    replace(one, origin=None) if either else one for one, either in zip(factors, undecided, strict=True)
                ),
                axes,
            )
            kept = [
                None if one is None else with_operands(one, [tensor.clone() for tensor in operands(one)])
                for one in (as_state, found)
            ]
            if kept[0] is not None:
                came_in = any(factor.origin is None for factor in factors)
                self._wait(kept[0], kept[1] if came_in else None, 0, output, [factor.origin for factor in factors])
            return as_state is not None or found is not None
        if found is None:
            return False
        if any(factor.origin is None for factor in factors):
            self._count(found, 0, output)
        return True

    def _either(self, origin: Origin) -> bool:
        """Whether this may be state or a weight, which the forward pass has not shown yet."""
        return origin is not None and self.weights.undecided(origin) and not self.weights.has_parameter(origin)

    def _count(self, product: Product, index: int, output: Any) -> None:
        self.running.note()
        self.weights.came_in((output,))
        self.counting.count(product, index, _shape(output), self.running.where())

    def _wait(
        self, as_state: Product, as_weight: Product | None, index: int, output: Any, origins: list[Origin]
    ) -> None:
        self.running.note()
        names = frozenset().union(*(origin for origin in origins if origin is not None))
        self._waiting.append(
            _Waiting(names, as_state, as_weight, index, _shape(output), self.running.where(), place_in_code())
        )


def _shape(output: Any) -> torch.Size:
    first = output[0] if isinstance(output, (tuple, list)) else output
    return cast(Tensor, first).shape
