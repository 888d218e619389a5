"""Where the time steps and the samples of a run are, and how a site's operations are shared out to them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

from torch import Tensor
from torch._ops import OpOverload

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.layout import Axis, Layouts
from inflor_bench.measure.synops.sites import Site

TimeAxis = Literal["inside", "leading", "flattened", "calls"]


class Rows:
    """Shares the operations of every row of a site's calls out to samples and time steps, where the layout says whose.

    `wanted` says whether anybody asked for time steps or samples; without it nothing is followed or kept.
    """

    def __init__(self, timesteps: int | None, time_axis: TimeAxis, *, per_sample: bool) -> None:
        if timesteps is not None and timesteps < 1:
            raise MeasureInputError(f"timesteps is {timesteps}: give at least 1.")
        if time_axis not in get_args(TimeAxis):
            raise MeasureInputError(f"time_axis is {time_axis!r}: give one of {', '.join(get_args(TimeAxis))}.")
        if timesteps is None and time_axis != "inside":
            raise MeasureInputError(f"time_axis {time_axis!r} needs the number of time steps: give timesteps.")
        self.timesteps, self.time_axis, self.per_sample = timesteps, time_axis, per_sample
        self.wanted = timesteps is not None or per_sample
        self.layouts = Layouts(timesteps or 1, makes_steps=time_axis != "calls")
        self._samples = 0
        self._calls = 0
        self._batch: int | None = None

    def begin(self, args: tuple[Any, ...]) -> None:
        """A forward pass of the root begins: learn N from its first positional tensor."""
        if not self.wanted:
            return
        first = next((value for value in args if isinstance(value, Tensor) and value.ndim), None)
        steps = self.timesteps or 1
        if first is None:
            self._batch = None
            return
        samples, *rest = first.shape
        front: list[Axis] = [(("N", samples),)]
        if self.time_axis == "leading":
            samples = rest[0]
            front = [(("T", steps),), (("N", samples),)]
        elif self.time_axis == "flattened":
            samples //= steps
            front = [(("T", steps), ("N", samples))]
        self._batch = samples
        self.layouts.set(first, [*front, *[()] * (first.ndim - len(front))])

    def follow(self, operator: OpOverload, args: Any, kwargs: dict[str, Any], output: Any, module: str) -> None:
        """Note where samples and steps are in what an operator gave."""
        self.layouts.follow(operator, args, kwargs, output, module)

    def keep(self, site: Site, rows: Tensor, given: Tensor, axes: Iterable[int]) -> None:
        """Keep a call's operations by row. The rows run along these axes of a tensor, first the outer ones."""
        layout = self.layouts.of(given)
        if layout is None and self._batch == 1 and self.timesteps in (None, 1):
            layout = [((None, size),) for size in given.shape]
        if layout is None or isinstance(layout, str):
            site.unattributed = layout or "it is not known where samples are in its input"
            return
        parts = [part for axis in axes for part in layout[axis]]
        sizes = {kind: size for kind, size in parts if kind is not None}
        if math.prod(size for _, size in parts) != rows.numel() or sizes.get("N", 1) != self._batch:
            site.unattributed = "samples are not among the rows of its input"
        elif "T" not in sizes and any(kind == "T" for axis in layout for kind, _ in axis):
            site.unattributed = "time steps are not among the rows of its input"
        else:
            shared = rows.view([size for _, size in parts]) if parts else rows.view(1)
            places = [place for place, (kind, _) in enumerate(parts) if kind is None]
            shared = shared.sum(places) if places else shared
            kinds = [kind for kind, _ in parts if kind is not None]
            shared = shared.t() if kinds == ["N", "T"] else shared
            site.rows.append(shared.reshape(sizes.get("T", 1), -1) if "T" in sizes else shared.reshape(-1))

    def end(self, sites: Iterable[Site]) -> None:
        """A forward pass of the root ends: add up what its calls gave.

        Raises:
            MeasureInputError: the root was called without a positional tensor.
        """
        steps, samples = self.timesteps or 1, self._batch
        step = self._calls % steps
        self._calls += 1
        if not self.wanted:
            return
        if samples is None:
            raise MeasureInputError("timesteps and per_sample need a tensor as the module's first positional argument.")
        for site in sites:
            site.fold(samples, self._samples, steps, step if self.time_axis == "calls" else None)
        self.layouts.forget()
        if self.time_axis != "calls" or step == steps - 1:
            self._samples += samples
