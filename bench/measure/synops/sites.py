"""Running totals of one site: a weight, or a place in the code, in one module."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from inflor_bench.measure.synops.formulas.inputs import Occupancy, PositionSums, integer_rows, scale_of
from inflor_bench.measure.synops.formulas.products import Geometry, Projection, Shape
from inflor_bench.measure.synops.levels import Magnitudes
from inflor_bench.measure.synops.result import SynOpSite
from inflor_bench.measure.synops.weights import why_uncountable

SpikeClass = Literal["mac", "ac"]


@dataclass(frozen=True)
class Policy:
    """What counts as an accumulate besides -1, 0 and 1.

    `scaled`: inputs that are 0, s or -s with one s over the whole run; the scale folds into the weights. `integer`:
    whole numbers, such as multi-bit spikes; k is k accumulates.
    """

    scaled: SpikeClass = "mac"
    integer: SpikeClass = "mac"


def numbers(values: Tensor) -> list[Any]:
    """Exact whole numbers of a float64 vector: ints, or int64 tensors where the device would have to be waited for."""
    if values.device.type == "cpu":
        return [int(value) for value in values.tolist()]
    return list(values.to(torch.int64).unbind())


class FanOut:
    """The fan-out of one weight at one input shape, ready for a product with counts."""

    def __init__(self, projection: Projection, taps: Tensor, positions: Shape) -> None:
        geometry, weight = projection.geometry, tuple(projection.weight.shape)
        self.fan_out = geometry.fan_out(taps, positions)
        dense = geometry.fan_out(geometry.dense_taps(weight), positions)
        self.dense = int(dense[geometry.inside(positions)].sum())
        self.dense_padded = geometry.dense_padded(weight, positions)
        self.output_shape = geometry.output_shape(weight)
        self.outputs = math.prod(self.output_shape)
        self._ordered: dict[tuple[int, ...] | None, Tensor] = {}
        self._seen: dict[tuple[int, ...] | None, PositionSums] = {}
        self._nonzero: Any = 0
        self._unit: Any = 0

    def in_order(self, order: tuple[int, ...] | None) -> Tensor:
        """[M]: the fan-out with the positions in memory order `order`."""
        if order not in self._ordered:
            self._ordered[order] = (self.fan_out if order is None else self.fan_out.permute(order)).flatten()
        return self._ordered[order]

    def see(self, order: tuple[int, ...] | None, found: Occupancy, rows: int) -> None:
        """Keep what a pass over an input of that many rows found. Only sums are kept, so that nothing waits."""
        if order not in self._seen:
            self._seen[order] = PositionSums()
        self._seen[order].add(found.counts, rows)
        self._nonzero += found.nonzero
        self._unit += found.nonzero if found.unit is None else found.unit

    def settle(self) -> tuple[int, int, int]:
        """Return the operations, non-zero and unit-valued input elements since the last time: one inner product."""
        effective = sum(
            int((self.in_order(order).to(torch.int64) * seen.total()).sum()) for order, seen in self._seen.items()
        )
        nonzero, unit = int(self._nonzero), int(self._unit)
        self._seen.clear()
        self._nonzero = self._unit = 0
        return effective, nonzero, unit


@dataclass
class Operand:
    """What all calls together said of one input of a site."""

    nonzero: Any = 0
    unit: Any = 0
    scale: float = 0.0
    scaled: bool = True
    integer: bool = True
    weighted: int = 0
    magnitudes: Magnitudes = field(default_factory=Magnitudes)

    def see(self, nonzero: Any, unit: Any) -> None:
        """Add one call: non-zero elements, and those that are 1 or -1, None where that is all of them."""
        self.nonzero += nonzero
        self.unit += nonzero if unit is None else unit

    def see_class(
        self, x: Tensor, is_unit: bool, policy: Policy, weigh: Callable[[Tensor], int], effective: int
    ) -> None:
        """Follow what the policy asks for in an input [R, M]. `weigh` maps sums [M] over its rows to operations."""
        if policy.scaled == "ac" and self.scaled:
            scale = scale_of(x)
            self.scaled = scale is not None and (not scale or self.scale in (0.0, scale))
            self.scale = scale or self.scale
        if policy.integer == "ac" and self.integer:
            rows = None if is_unit else integer_rows(x)
            self.integer = is_unit or rows is not None
            self.weighted += effective if rows is None else weigh(rows)


class Site:
    """Numbers are ints, or int64 tensors on an accelerator so that nothing waits."""

    def __init__(self, name: str, kind: str, weight: Tensor | None) -> None:
        self.name, self.kind = name, kind
        self.weight_shape = [] if weight is None else list(weight.shape)
        self.output_shape: list[int] = []
        self.calls = 0
        self.effective: Any = 0
        self.dense = self.dense_padded = self.elements = 0
        self.input_rows = self.outputs = self.output_channels = 0
        self.bias = False
        self.operands: list[Operand] = []
        self.rows: list[Tensor] = []
        self.steps: list[int] = []
        self.samples: list[int] = []
        # Why operations cannot be shared out to samples, or to time steps; None where they can.
        self.unattributed: str | None = None
        self.timeless: str | None = None
        self.source: Tensor | None = None
        self.taps: Tensor | None = None
        self._state: Any = None
        self._last: Projection | None = None
        self._fan_outs: dict[tuple[Geometry, Shape], FanOut] = {}

    def fan_out(self, projection: Projection, positions: Shape, source: Tensor | None, state: Any) -> FanOut:
        """Return the fan-out, from the cache where the weight's state, or else its zeros, are as before.

        `source` is the registered tensor that the weight is a view of and `state` changes with its content; both None
        for a weight that is made anew for every call.
        """
        if state is None or state != self._state:
            taps = projection.geometry.taps(projection.weight)
            if self.taps is None or taps.shape != self.taps.shape or not torch.equal(taps, self.taps):
                self._settle()
                self.taps = taps
                self._fan_outs.clear()
            self.source, self._state = source, state
            self._last = projection if source is not None else None
        assert self.taps is not None
        key = (projection.geometry, positions)
        if key not in self._fan_outs:
            self._fan_outs[key] = FanOut(projection, self.taps, positions)
        return self._fan_outs[key]

    def unchanged(self) -> bool:
        """Whether the weight still has the zeros that the cache was made for; True without a cache."""
        if self._last is None or self.taps is None:
            return True
        if why_uncountable((self._last.weight,)):
            return False
        return torch.equal(self._last.geometry.taps(self._last.weight), self.taps)

    def operand(self, index: int) -> Operand:
        """Return the running numbers of one input."""
        while len(self.operands) <= index:
            self.operands.append(Operand())
        return self.operands[index]

    def add(self, dense: int, dense_padded: int) -> None:
        """Add one call."""
        self.calls += 1
        self.dense += dense
        self.dense_padded += dense_padded

    def fold(self, samples: int, before: int, timesteps: int, step: int | None) -> None:
        """Add up the calls of one forward pass of the root by sample and time step, [T, N] or [N] each.

        Calls of [N] are time steps in order where there are T of them, and outside time where not.

        Args:
            samples: N of this forward pass.
            before: samples that came earlier.
            timesteps: T.
            step: the step that this whole forward pass is, None where the steps are inside it.
        """
        calls, self.rows = self.rows, []
        self.samples.extend([0] * (before + samples - len(self.samples)))
        self.steps.extend([0] * (timesteps - len(self.steps)))
        single: list[int] = []
        for rows in calls:
            by_sample = rows.sum(0) if rows.ndim == 2 else rows
            for index, count in enumerate(by_sample.tolist()):
                self.samples[before + index] += count
            if rows.ndim == 2:
                for index, count in enumerate(rows.sum(1).tolist()):
                    self.steps[index] += count
            elif step is not None or timesteps == 1:
                self.steps[step or 0] += int(by_sample.sum())
            else:
                single.append(int(by_sample.sum()))
        if len(single) == timesteps:
            for index, count in enumerate(single):
                self.steps[index] += count
        elif single:
            times = "once" if len(single) == 1 else f"{len(single)} times"
            self.timeless = f"it saw samples without time {times} in a pass of {timesteps} steps"

    def _settle(self) -> None:
        for fan_out in self._fan_outs.values():
            effective, nonzero, unit = fan_out.settle()
            self.effective += effective
            self.operand(0).see(nonzero, unit)

    def layer(self, policy: Policy, *, by_step: bool, by_sample: bool) -> SynOpSite:
        """Return the site's result."""
        self._settle()
        effective = int(self.effective)
        for operand in self.operands:
            operand.nonzero, operand.unit = int(operand.nonzero), int(operand.unit)
        is_unit = any(operand.nonzero == operand.unit for operand in self.operands)
        is_ac = is_unit or (policy.scaled == "ac" and any(operand.scaled for operand in self.operands))
        weighted = [operand.weighted for operand in self.operands if operand.integer]
        if not is_ac and policy.integer == "ac" and weighted:
            is_ac, effective = True, min(weighted)
        shares = [operand.unit / operand.nonzero for operand in self.operands if operand.nonzero]
        share = max(shares) if shares else None
        graded = [operand.magnitudes.levels(unit=operand.unit > 0) for operand in self.operands]
        return SynOpSite(
            ac=effective if is_ac else 0,
            mac=0 if is_ac else effective,
            dense=self.dense,
            dense_padded=self.dense_padded,
            name=self.name,
            kind=self.kind,
            weight_shape=self.weight_shape,
            output_shape=self.output_shape,
            calls=self.calls,
            mixed=not is_unit and share is not None and share > 0,
            unit_share=share,
            levels=None if is_unit else min((levels for levels in graded if levels), default=None),
            input_elements=self.elements,
            input_nonzero=sum(operand.nonzero for operand in self.operands),
            input_rows=self.input_rows or None,
            output_elements=self.outputs or None,
            output_channels=self.output_channels or None,
            bias=self.bias,
            per_step=list(self.steps) if by_step and not (self.unattributed or self.timeless) else None,
            per_sample=list(self.samples) if by_sample and not self.unattributed else None,
            unattributed=self.unattributed or (self.timeless if by_step else None),
        )
