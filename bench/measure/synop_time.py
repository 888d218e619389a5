"""Where the time steps and the samples of a run are, and how a site's operations are shared out to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from bench.measure.errors import MeasureInputError
from bench.measure.synop_sites import Site

TimeAxis = Literal["inside", "leading", "flattened", "calls"]


class Rows:
    """Keeps the operations of every row of a site's calls, and folds them at the end of each forward pass of the root.

    `wanted` says whether anybody asked for time steps or samples; without it nothing is kept.
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
        self._samples = 0
        self._calls = 0
        self._batch: int | None = None

    def begin(self, args: tuple[Any, ...]) -> None:
        """A forward pass of the root begins: learn N from its first positional tensor."""
        first = next((value for value in args if isinstance(value, Tensor) and value.ndim), None)
        if first is None:
            self._batch = None
        elif self.time_axis == "leading":
            self._batch = first.shape[1]
        else:
            self._batch = first.shape[0] // (self.timesteps or 1) if self.time_axis == "flattened" else first.shape[0]

    def keep(self, site: Site, rows: Tensor, given: torch.Size) -> None:
        """Keep a call's operations by the first axis that the layer was given, until the forward pass ends."""
        first = given[0]
        if self.time_axis != "calls" and len(given) > 2 and tuple(given[:2]) == (self.timesteps, self._batch):
            first *= given[1]  # [T, N, ...]: a linear layer takes any number of leading axes
        whole = rows.numel() % max(1, first) == 0
        site.rows.append(rows.view(first, -1).sum(1) if whole and first else rows)

    def end(self, sites: Iterable[Site]) -> None:
        """A forward pass of the root ends: share the rows out to samples and time steps.

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
        if self.time_axis != "calls" or step == steps - 1:
            self._samples += samples
