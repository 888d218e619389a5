"""Follows elementwise products to the sums that make layers of them.

An elementwise product has no fan-in and is no synapse. Summed over an axis along which two of its factors vary, it is
what a matrix product is, spelt otherwise: a locally connected layer, attention by a mask and a sum. So is a sum of
weights that an input chose, by an index or a mask, and a sum that is written out, of products with parts of one
parameter; of two such products it may as well be a leak and a gain, and is none. A factor that is constant along what
is summed is a scale, and a buffer or constant of 0 and 1 alone is a mask: they weigh nothing, and the product stays
elementwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef

from inflor_bench.measure.synops.contraction import Factor, Factors, contraction
from inflor_bench.measure.synops.formulas import is_view
from inflor_bench.measure.synops.formulas.registry import NotCoveredError
from inflor_bench.measure.synops.weights import Origin, Weights, storage, why_uncountable

aten = torch.ops.aten

_MULTIPLYING = {aten.mul, aten.mul_}
_PLUS = {aten.add, aten.sub}
_PLUS_PRODUCT = {aten.addcmul, aten.addcmul_}
# What leaves the factors of each product as they were: copies, signs, scales, and what hides products after the fact.
_PASSING = {
    *(aten.clone, aten._to_copy, aten.contiguous, aten.to, aten.type_as, aten.neg, aten.abs, aten.div),
    *(aten.neg_, aten.abs_, aten.div_, aten.masked_fill, aten.masked_fill_, aten.dropout, aten.native_dropout),
}
_ARRANGING = {
    *(aten._unsafe_view, aten.reshape, aten.flatten, aten.unflatten, aten.view_as, aten.reshape_as, aten.expand_as),
    *(aten.index_select, aten.index, aten.flip, aten.roll, aten.repeat),
}
_JOINING = {aten.cat, aten.stack}
# Which argument chooses; of `where` both others are chosen from.
_CHOOSING = {
    **dict.fromkeys(
        (aten.index, aten._unsafe_index, aten.take, aten.embedding, aten.masked_select, aten.masked_fill), 1
    ),
    **dict.fromkeys((aten.index_select, aten.gather), 2),
    aten.where: 0,
}
_SUMMING = {aten.sum, aten.mean, aten.nansum}
# Pools sum over so many axes, the last ones, each window for itself.
_POOLING = {aten.avg_pool2d: 2, aten._adaptive_avg_pool2d: 2, aten.avg_pool3d: 3, aten._adaptive_avg_pool3d: 3}
_SUMMING_OTHERWISE = {aten.cumsum, aten.trace, aten.logcumsumexp, *_POOLING}
# Which argument is added up at places that an index names.
_ADDING = {
    **dict.fromkeys((aten.scatter_add, aten.scatter_add_, aten.index_add, aten.index_add_), 3),
    **dict.fromkeys((aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index_put), 2),
}
_FOLLOWED = {*_PLUS, *_PLUS_PRODUCT, *_MULTIPLYING, *_PASSING, *_ARRANGING, *_JOINING, *_CHOOSING}
_FOLLOWED |= {*_SUMMING, *_SUMMING_OTHERWISE, *_ADDING}


# The products that a value is the sum of.
Terms = tuple[Factors, ...]
# A term that is no product: a sum keeps one for all of them, also where an input came into them.
_PLAIN: Factors = ()
# Values of which more is not known than that there are products among them.
_MIXED: Terms = ((),)
# From so many terms on, products with parts of one parameter are a layer written out.
_WRITTEN_OUT = 3


@dataclass
class _Tracked:
    """A storage that holds sums of products, and the terms of each view of it by offset, shape and strides.

    `written_out` are the parameters whose products with it were counted, and are no terms any more.
    """

    alive: StorageWeakRef
    views: dict[Any, Terms]
    written_out: frozenset[Origin] = frozenset()


class Sums:
    """The elementwise products of a run that may still be summed."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._tracked: dict[int, _Tracked] = {}

    def forget(self, *, all_of_them: bool = False) -> None:
        """Let go of products that nobody holds any more."""
        gone = [key for key, tracked in self._tracked.items() if all_of_them or tracked.alive.expired()]
        for key in gone:
            del self._tracked[key]

    def waits_for(self, values: Iterable[Any]) -> bool:
        """Whether one of these tensors is a factor of a product, or is one."""
        self.forget()
        keys = {storage(value) for value in values if isinstance(value, Tensor)}
        terms = (term for tracked in self._tracked.values() for view in tracked.views.values() for term in view)
        factors = (factor for term in terms for factor in term)
        return not keys.isdisjoint(self._tracked) or any(storage(factor.tensor) in keys for factor in factors)

    @staticmethod
    def follows(operator: OpOverload) -> bool:
        """Whether an operator may make, pass on or sum a product."""
        return operator.overloadpacket in _FOLLOWED or is_view(operator)

    def before_writing(self, operator: OpOverload, args: Sequence[Any], targets: Sequence[Tensor]) -> Terms | None:
        """Keep the factors that an operator is about to write over; of a product or sum in place, return the terms."""
        product = None
        if operator.overloadpacket is aten.mul_ and isinstance(args[1], Tensor) and args[1].numel() > 1:
            product = self._product(args[0].shape, (args[0].clone(), args[1]), args)
        elif operator.overloadpacket in (aten.add_, aten.sub_) and self._tracked:
            product = self._added(args[0].shape, args)
        elif operator.overloadpacket is aten.addcmul_:
            product = self._added_product(args[0].shape, args)
        keys = {storage(target) for target in targets}
        for tracked in self._tracked.values():
            for place, terms in tracked.views.items():
                if any(storage(factor.tensor) in keys for term in terms for factor in term):
                    tracked.views[place] = tuple(
                        tuple(
                            replace(factor, tensor=factor.tensor.clone()) if storage(factor.tensor) in keys else factor
                            for factor in term
                        )
                        for term in terms
                    )
        return product

    def written(
        self, operator: OpOverload, args: Sequence[Any], targets: Sequence[Tensor], product: Terms | None
    ) -> Terms:
        """An operator has written into these: what stood there is no product any more, unless this made it one.

        Returns the terms of a layer that is written out.
        """
        if operator.overloadpacket in _PASSING or (operator.overloadpacket is aten.mul_ and product is None):
            return ()
        earlier = [self._tracked.pop(storage(target) or 0, None) for target in targets]
        if product is not None:
            written_out = earlier[0].written_out if earlier[0] is not None else frozenset()
            return self._track(targets[0], product, written_out)
        if operator is aten.copy_.default and (found := self._find(args[1])) is not None:
            self._track(targets[0], _expanded(found, targets[0].shape))
        return ()

    def follow(self, operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> Terms:
        """Note what an operator made of products, or that it made one. Returns the terms of a layer written out."""
        packet = operator.overloadpacket
        if packet is aten.mul:
            if (product := self._product(output.shape, args, args)) is not None:
                self._track(output, product)
        elif packet in _PLUS:
            if self._tracked and (terms := self._added(output.shape, args)) is not None:
                return self._track(output, terms, self._written_out(args))
        elif packet is aten.addcmul:
            if (terms := self._added_product(output.shape, args)) is not None:
                return self._track(output, terms, self._written_out(args[:1]))
        elif packet in _JOINING and self._tracked:
            self._join(operator, args, kwargs, output)
        elif self._tracked and args and isinstance(args[0], Tensor) and (found := self._find(args[0])) is not None:
            self._pass_on(operator, args, kwargs, output, found)
        elif packet in _CHOOSING:
            self._choose(packet, args, output)
        return ()

    def summed(
        self, operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Terms, list[int]] | None:
        """Return the products that an operator sums, and over which axes; None where it sums none.

        Raises:
            NotCoveredError: they are summed in a way that is not followed.
        """
        packet = operator.overloadpacket
        if packet in _ADDING:
            values = args[_ADDING[packet]]
            found = self._find(values) if isinstance(values, Tensor) and _adds(operator, args, kwargs) else None
            axes = list(range(values.ndim)) if found is not None else []
        elif packet in _SUMMING or packet in _SUMMING_OTHERWISE:
            found = self._find(args[0])
            given = args[1] if len(args) > 1 else kwargs.get("dim")
            given = range(-_POOLING[packet], 0) if packet in _POOLING else given
            axes = [given] if isinstance(given, int) else list(given or range(args[0].ndim))
        else:
            return None
        if found is None:
            return None
        if reason := why_uncountable(factor.tensor for term in found for factor in term):
            raise NotCoveredError(reason)
        axes = [axis % max(1, values.ndim if packet in _ADDING else args[0].ndim) for axis in axes]
        if found is _MIXED or (
            packet in _SUMMING_OTHERWISE and any(contraction(self._weights, term, axes) for term in found)
        ):
            raise NotCoveredError("it sums products in a way that is not followed")
        return found, axes

    def _product(self, shape: torch.Size, tensors: Sequence[Any], originals: Sequence[Any]) -> Terms | None:
        """An elementwise product; None where there is one factor alone, or a square."""
        factors: list[Factor] = []
        for tensor, original in zip(tensors, originals, strict=True):
            if isinstance(tensor, Tensor):
                found = self._find(original)
                if found is _MIXED:
                    return _MIXED
                whole = Factor(tensor, self._weights.origin(original))
                factors += found[0] if found is not None and len(found) == 1 and found[0] else (whole,)
        factors = [factor for factor in factors if factor.tensor.numel() > 1]
        if len(factors) < 2 or (len(factors) == 2 and _same(factors[0].tensor, factors[1].tensor)):
            return None
        return _expanded((tuple(factors),), shape)

    def _added(self, shape: torch.Size, values: Sequence[Any]) -> Terms | None:
        """The terms of a sum where there are products with parameters among them, and no other products; else None."""
        found = [self._find(value) for value in values[:2] if isinstance(value, Tensor)]
        if any(terms is _MIXED for terms in found):
            return _MIXED
        products = [term for terms in found for term in terms or () if term]
        if not (products or self._written_out(values)) or not all(map(self._parameter, products)):
            return None
        plain = any(terms is None or _PLAIN in terms for terms in found)
        return _expanded((*products, *([_PLAIN] if plain else [])), shape)

    def _added_product(self, shape: torch.Size, args: Sequence[Any]) -> Terms | None:
        """As `_added`, of a value and a product of two others in one operator."""
        before, product = self._find(args[0]), self._product(shape, args[1:3], args[1:3])
        if before is _MIXED or product is _MIXED:
            return _MIXED
        terms = (*(before or (_PLAIN,)), *(product or ()))
        return _expanded(terms, shape) if product and all(map(self._parameter, filter(None, terms))) else None

    def _parameter(self, factors: Factors) -> Origin:
        """The parameter of a product of an input with it; None where there is none."""
        origins = [factor.origin for factor in factors]
        weights = [origin for origin in origins if origin is not None and self._weights.has_parameter(origin)]
        return weights[0] if weights and None in origins else None

    def _layers(self, terms: Terms) -> frozenset[Origin]:
        """The parameters of which enough parts are in these terms to make a layer."""
        if len(terms) < _WRITTEN_OUT:
            return frozenset()
        parts: dict[Origin, set[Any]] = {}
        for term in terms:
            parameter = self._parameter(term)
            for factor in term:
                if factor.origin is not None and factor.origin == parameter:
                    parts.setdefault(parameter, set()).add((storage(factor.tensor), factor.tensor.storage_offset()))
        return frozenset(parameter for parameter, places in parts.items() if len(places) >= _WRITTEN_OUT)

    def _written_out(self, values: Sequence[Any]) -> frozenset[Origin]:
        tracked = [self._tracked.get(storage(value) or 0) for value in values if isinstance(value, Tensor)]
        return frozenset().union(*(one.written_out for one in tracked if one is not None))

    def _pass_on(
        self, operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], output: Any, terms: Terms
    ) -> None:
        """Do to the factors what an operator did to their product."""
        packet = operator.overloadpacket
        outputs = output if isinstance(output, (tuple, list)) else [output]
        if packet in _PASSING:
            self._track(outputs[0], _expanded(terms, outputs[0].shape), self._written_out(args[:1]))
        elif packet in _ARRANGING or (is_view(operator) and packet is not aten.as_strided):
            arranged = [[_arranged(operator, one.tensor, args, kwargs, outputs) for one in term] for term in terms]
            for index, tensor in enumerate(outputs):
                self._track(
                    tensor,
                    tuple(
                        tuple(replace(one, tensor=parts[index]) for one, parts in zip(term, found, strict=True))
                        for term, found in zip(terms, arranged, strict=True)
                    ),
                    self._written_out(args[:1]),
                )

    def _join(self, operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], output: Tensor) -> None:
        found = [self._find(tensor) for tensor in args[0]]
        found = [None if terms is not _MIXED and terms and _PLAIN in terms else terms for terms in found]
        if not any(terms is not None for terms in found):
            return
        known = [terms[0] for terms in found if terms is not None and len(terms) == 1]
        if len(known) < len(found) or len({tuple(one.origin is None for one in factors) for factors in known}) > 1:
            self._track(output, _MIXED)
            return
        joined = []
        for parts in zip(*known, strict=True):
            names = [part.origin for part in parts if part.origin is not None]
            tensor = operator([part.tensor for part in parts], *args[1:], **kwargs)
            joined.append(Factor(tensor, frozenset().union(*names) if names else None))
        self._track(output, (tuple(joined),))

    def _choose(self, packet: Any, args: Sequence[Any], output: Tensor) -> None:
        """Weights that an input chooses: the choice is a factor of 1, or of 0 where a mask leaves out."""
        choice = args[_CHOOSING[packet]]
        if self._weights.origin_of_all((choice,)) is not None:
            return
        chosen = [value for value in args[:3] if value is not choice and isinstance(value, Tensor)]
        weights = [value for value in chosen if self._weights.origin(value)]
        if not weights:
            return
        taken = output
        if packet is aten.where and len(weights) == 1:
            taken, choice = weights[0], choice if weights[0] is args[1] else ~choice.bool()
        elif packet is aten.masked_fill:
            taken, choice = weights[0], ~choice
        else:
            choice = _ones(packet, args, output)
        origin = frozenset().union(*(self._weights.origin(value) or () for value in weights))
        factors = (Factor(choice.expand(output.shape), None, True), Factor(taken.expand(output.shape), origin, True))
        self._track(output, (factors,))

    def _find(self, tensor: Tensor) -> Terms | None:
        if not self._tracked:
            return None
        tracked = self._tracked.get(storage(tensor) or 0)
        return None if tracked is None else tracked.views.get(_place(tensor), _MIXED)

    def _track(self, tensor: Tensor, terms: Terms, written_out: frozenset[Origin] = frozenset()) -> Terms:
        """Keep the terms of a value; return those of a layer that is written out, which are to be counted."""
        self.forget()
        key = storage(tensor)
        if key is None:
            return ()
        layers = written_out | self._layers(terms)
        complete = tuple(term for term in terms if term and self._parameter(term) in layers)
        if key not in self._tracked:
            self._tracked[key] = _Tracked(StorageWeakRef(tensor.untyped_storage()), {})
        self._tracked[key].views[_place(tensor)] = (
            tuple(term for term in terms if term not in complete) if complete else terms
        )
        self._tracked[key].written_out = layers
        return complete


def _expanded(terms: Terms, shape: torch.Size) -> Terms:
    return tuple(tuple(replace(one, tensor=one.tensor.expand(shape)) for one in factors) for factors in terms)


def _adds(operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether values are added to what is there: of putting only where it is asked for."""
    if "index_put" not in operator.overloadpacket.__name__:
        return True
    return bool(args[3] if len(args) > 3 else kwargs.get("accumulate", False))


def _place(tensor: Tensor) -> Any:
    return tensor.storage_offset(), tensor.shape, tensor.stride()


def _same(one: Tensor, other: Tensor) -> bool:
    return storage(one) == storage(other) and _place(one) == _place(other)


def _arranged(
    operator: OpOverload, factor: Tensor, args: Sequence[Any], kwargs: dict[str, Any], outputs: Sequence[Tensor]
) -> list[Tensor]:
    try:
        arranged = operator(factor, *args[1:], **kwargs)
    except RuntimeError:  # a view that the factor's own layout does not allow
        return [factor.reshape(outputs[0].shape)]
    return list(arranged) if isinstance(arranged, (tuple, list)) else [arranged]


def _ones(packet: Any, args: Sequence[Any], output: Tensor) -> Tensor:
    """1 for everything that was chosen, varying along the axes that the choice runs along."""
    start, length = 0, output.ndim
    if packet in (aten.index, aten._unsafe_index):
        given = [(place, index) for place, index in enumerate(args[1]) if index is not None]
        places = [place for place, _ in given]
        start = places[0] if places == list(range(places[0], places[0] + len(places))) else 0
        length = max(1 if index.dtype in (torch.bool, torch.uint8) else index.ndim for _, index in given)
    elif packet is aten.index_select:
        start, length = args[1] % output.ndim, 1
    elif packet is aten.embedding:
        length = output.ndim - 1
    axes = range(start, start + length)
    ones = torch.ones(output.shape, dtype=torch.bool, device=output.device)
    return ones.as_strided(ones.shape, [ones.stride(axis) if axis in axes else 0 for axis in range(ones.ndim)])
