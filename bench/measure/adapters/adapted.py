"""What an adapter says of a spiking neuron, and how a membrane is computed step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

Layout = Literal["step", "sequence", "rows"]
State = TypeVar("State")


@dataclass(frozen=True)
class Dynamics:
    """How the membrane u before the reset, [T, N, ...], follows from the input current [T, N, ...] from rest on.

    `fires(u)` gives the spikes as booleans: what a neuron really gave is held against it, so that an equation that is
    not that of the installed version is noticed. `after_reset` and `rectify` are those of a `SpikingNeuron`.
    """

    membrane: Callable[[Tensor], Tensor]
    fires: Callable[[Tensor], Tensor] | None = None
    after_reset: Callable[[Tensor, Tensor], Tensor] | None = None
    rectify: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Adapted:
    """A spiking neuron of some library.

    Attributes:
        layout: what one call takes and gives: "step" [N, ...], "sequence" [T, N, ...], "rows" [T*N, ...].
        reset: "hard", "soft" or "none"; None where it is not known.
        leaks, adds: multiplies and adds of one update; None where it is not known what an update costs.
        threshold, decay: for the record; None where they differ between the neurons or are not known.
        timesteps: T, where the neuron itself says it.
        dynamics: None where the membrane cannot be had; `unknown` then says why.
    """

    layout: Layout
    reset: str | None
    leaks: int | None
    adds: int | None
    threshold: float | None
    decay: float | None
    dynamics: Dynamics | None
    unknown: str = ""
    mpr: bool = False
    timesteps: int | None = None


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor among a call's arguments or results: a current, or the spikes before the states."""
    if isinstance(values, Tensor):
        return values
    return next((value for value in values if isinstance(value, Tensor)), None) if isinstance(values, tuple) else None


def number(value: Any) -> float | None:
    """A constant as a number; None for a tensor of several."""
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 else None
    return None if value is None else float(value)


def by_steps(
    start: Callable[[Tensor], State], step: Callable[[Tensor, State], tuple[Tensor, State]]
) -> Callable[[Tensor], Tensor]:
    """Make the membrane [T, N, ...] from `start(current [N, ...]) -> state` and `step(current, state) -> u, state`."""

    def membrane(current: Tensor) -> Tensor:
        state = start(current[0])
        membranes = []
        for x in current:
            u, state = step(x, state)
            membranes.append(u)
        return torch.stack(membranes)

    return membrane
