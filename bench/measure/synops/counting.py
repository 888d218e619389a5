"""Counts the products of one operator at a time, by site, as they are computed."""

from __future__ import annotations

import os
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.measure.synops.formulas import Contraction, Convolution, Count, Linear, Product, Projection
from inflor_bench.measure.synops.formulas.inputs import Occupancy, flatten_rows, occupancy, per_row
from inflor_bench.measure.synops.sites import Policy, Site, numbers
from inflor_bench.measure.synops.time_and_samples import Rows
from inflor_bench.measure.synops.weights import Weight, Weights

Place = tuple[tuple[int, int], ...]
_OURS = str(Path(__file__).parents[1]) + os.sep

# Inputs whose pass is remembered, because several sites often read one tensor (a shortcut; query, key and value).
_REMEMBERED = 4


class Counting:
    """The sites of a run and their numbers.

    A site is a weight, or a place in the code, in one module. `linear` says of each linear layer
    that is running, innermost last, whether it has a bias.
    """

    def __init__(self, weights: Weights, policy: Policy, rows: Rows) -> None:
        self.weights, self.policy, self.rows = weights, policy, rows
        self.sites: dict[Any, Site] = {}
        self.linear: list[bool] = []
        self._by_policy = "ac" in (policy.scaled, policy.integer)
        self._names: set[str] = set()
        self._padded: tuple[Tensor, tuple[tuple[int, int], ...]] | None = None
        self._passes: list[tuple[weakref.ref[Tensor], int, Any, Occupancy]] = []

    def forget(self) -> None:
        """A tensor is written to, or counting stops: what is remembered of inputs no longer holds."""
        self._passes.clear()
        self._padded = None

    def count(self, product: Product, index: int, shape: torch.Size, module: str, place: Place | None = None) -> None:
        """Add one product, the `index`-th of an operator that gave a tensor of `shape` in the module of that name.

        `place` is where in the code it was called, by default here and now.
        """
        weight = product.weight
        known = None if weight is None else self.weights.find(weight)
        site = self._site(module, product.kind, index, weight, known, place)
        if isinstance(product, Projection):
            self._count_projection(site, self._with_border(product), known)
        elif isinstance(product, Contraction):
            self._count_contraction(site, product)
        else:
            self._count_directly(site, product)
        site.output_shape = list(shape[1:])

    def occupancy_of(self, x: Tensor, leading: int) -> tuple[Any, Occupancy]:
        """Return the order of positions in memory, and what one pass over x finds; its first axes are rows."""
        for seen, axes, order, found in self._passes:
            if axes == leading and seen() is x:
                return order, found
        matrix, order = flatten_rows(x, leading)
        found = occupancy(matrix)
        self._passes = [(weakref.ref(x), leading, order, found), *self._passes[: _REMEMBERED - 1]]
        return order, found

    def resolve(self, product: Product) -> Product:
        """Recognise a linear layer: inside F.linear, or where one operand is more of a weight than the other."""
        if not isinstance(product, Contraction) or product.left.shape[0] != 1 or product.weight is not None:
            return product
        bias = self.linear[-1] if self.linear else product.bias
        left, right = self.weights.weighs(product.left), self.weights.weighs(product.right)
        if self.linear or (right and right >= left):
            return Projection("linear", product.left[0], product.right[0].t(), Linear(), bias)
        if left:
            return Projection("linear", product.right[0].t(), product.left[0], Linear(), bias)
        return product

    def _with_border(self, product: Projection) -> Projection:
        geometry, x = product.geometry, product.input
        if self._padded is None or not isinstance(geometry, Convolution):
            return product
        padded, edges = self._padded
        spatial = x.ndim - 2
        if (
            x.data_ptr() != padded.data_ptr()
            or x.shape[2:] != padded.shape[-spatial:]
            or any(map(any, edges[:-spatial]))
        ):
            return product
        border = ((0, 0),) * (spatial - len(edges[-spatial:])) + edges[-spatial:]
        return replace(product, geometry=replace(geometry, border=border))

    def _count_projection(self, site: Site, product: Projection, known: Weight | None) -> None:
        geometry, x = product.geometry, product.input
        leading = geometry.row_axes(tuple(x.shape))
        source = None if known is None else known.tensor
        state = self.weights.content(known, product.weight)
        fan_out = site.fan_out(product, tuple(x.shape[leading:]), source, state)
        rows = x.shape[:leading].numel()
        order, found = self.occupancy_of(x, leading)
        fan_out.see(order, found, rows)
        site.add(fan_out.dense * rows, fan_out.dense_padded * rows)
        site.elements += x.numel()
        site.input_rows += rows
        site.output_channels = fan_out.output_shape[0]
        site.outputs += fan_out.outputs * rows
        site.bias |= product.bias
        if found.unit is not None:
            site.operand(0).magnitudes.see(x)
        if not (self._by_policy or self.rows.wanted):
            return
        matrix, weights = flatten_rows(x, leading)[0], fan_out.in_order(order)
        if self._by_policy:
            site.operand(0).see_class(
                matrix,
                found.unit is None,
                self.policy,
                lambda counts: int(torch.dot(weights, counts)),
                int(torch.dot(weights, found.counts.to(torch.float64))),
            )
        if self.rows.wanted:
            self.rows.keep(site, per_row(matrix, weights), x, range(leading))

    def _count_contraction(self, site: Site, product: Contraction) -> None:
        left, right = product.left, product.right
        batch, rows, inner = left.shape
        matrices = [operand.contiguous().flatten(1) for operand in (left.permute(1, 0, 2), right.permute(2, 0, 1))]
        found = [occupancy(matrix) for matrix in matrices]
        counts = [operand.counts.to(torch.float64) for operand in found]
        (effective,) = numbers(torch.dot(counts[0], counts[1])[None])
        dense = batch * rows * inner * right.shape[2]
        site.effective += effective
        site.add(dense, dense)
        weights = [bool(self.weights.weighs(left)), product.weight is not None or bool(self.weights.weighs(right))]
        position = 0
        for index in (0, 1):
            if weights[index] and not weights[1 - index]:
                continue
            operand = site.operand(position)
            position += 1
            operand.see(found[index].nonzero, found[index].unit)
            if found[index].unit is not None:
                operand.magnitudes.see(matrices[index])
            site.elements += matrices[index].numel()
            if self._by_policy:
                other = counts[1 - index]
                operand.see_class(
                    matrices[index],
                    found[index].unit is None,
                    self.policy,
                    lambda sums, other=other: int(torch.dot(other, sums)),  # type: ignore[misc]
                    effective,
                )
        if self.rows.wanted:
            fan_out = counts[1].view(batch, inner, 1)
            by_row = torch.bmm(left.bool().to(torch.float64), fan_out).to(torch.int64)
            self.rows.keep(site, by_row.flatten(), *(product.rows or (left, (0, 1))))

    def _count_directly(self, site: Site, product: Count) -> None:
        operand = site.operand(0)
        for x in product.inputs:
            found = occupancy(x.contiguous().view(-1, 1))
            operand.see(found.nonzero, found.unit)
            if found.unit is not None:
                operand.magnitudes.see(x)
            site.elements += x.numel()
        operand.scaled = operand.integer = False
        site.effective += product.effective
        site.add(product.dense, product.dense_padded)
        site.unattributed = "its formula gives totals"

    def padding(self, args: tuple[Any, ...], output: Tensor) -> None:
        """Remember explicit zero padding: a convolution right after it must not take it for input."""
        pads = list(args[1])
        edges = tuple((pads[i], pads[i + 1]) for i in range(len(pads) - 2, -1, -2))
        value = args[2] if len(args) > 2 else 0
        if value == 0 and min(pads, default=0) >= 0:
            self._padded = (output, edges)

    def _site(
        self, module: str, kind: str, index: int, weight: Tensor | None, known: Weight | None, place: Place | None
    ) -> Site:
        key: Any
        if known is not None and weight is not None:
            key = (module, weight.data_ptr())
        else:
            key = (module, kind, index, place if place is not None else place_in_code())
        if key not in self.sites:
            shown = known.tensor if known is not None and kind == "weighted_sum" else weight
            self.sites[key] = Site(self._name(module, kind, None if known is None else known.name), kind, shown)
        return self.sites[key]

    def _name(self, module: str, kind: str, weight: str | None) -> str:
        """Name a site: the owner of its weight, else its module, for products of activations with their kind."""
        if weight is not None and (not module or weight.startswith(f"{module}.")):
            name = weight.removesuffix(".weight")
        elif kind in ("matmul", "weighted_sum", "attention_scores", "attention_values"):
            name = f"{module}.{kind}" if module else kind
        else:
            name = module or kind
        number, unique = 2, name
        while unique in self._names:
            unique, number = f"{name}#{number}", number + 1
        self._names.add(unique)
        return unique


def place_in_code() -> Place:
    """Where in the module's code an operator was called: the same in every turn of a loop. What is ours is left out."""
    place = []
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        if not frame.f_code.co_filename.startswith(_OURS):
            place.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(place)
