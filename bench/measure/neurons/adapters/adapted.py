"""What an adapter says of a spiking neuron, and how a membrane is computed step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

Layout = Literal["step", "sequence", "samples", "rows", "sample_rows"]
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
        layout: what one call takes and gives: "step" [N, ...], "sequence" [T, N, ...], "samples" [N, T, ...], "rows"
            [T*N, ...], "sample_rows" [N*T, ...].
        reset: "hard", "soft" or "none"; None where it is not known.
        leaks, adds: multiplies and adds of one update; None where it is not known what an update costs.
        threshold, decay: for the record; None where they differ between the neurons or are not known.
        timesteps: T, where the neuron itself says it.
        dynamics: None where the membrane cannot be had; `unknown` then says why.
        recognised: by what it is known to be a spiking neuron; None where it says so itself.
        level: what it gives where it fires, of either sign, where nobody registered it; others give 1.
        membrane: the attribute that holds u, [N, ...] as its spikes, after a call; `dynamics` then takes that for the
            current.
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
    recognised: str | None = None
    level: float | None = None
    membrane: str | None = None


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor among a call's arguments or results: a current, or the spikes before the states."""
    if isinstance(values, Tensor):
        return values
    return next((value for value in values if isinstance(value, Tensor)), None) if isinstance(values, tuple) else None


def behaviour(neuron: nn.Module, library: str) -> type:
    """The class whose equation a neuron follows: the first of its library, or that defines more than how it is made."""
    return next(
        base
        for base in type(neuron).__mro__
        if base.__module__.partition(".")[0] == library
        or any(callable(v) or isinstance(v, property) for name, v in vars(base).items() if not name.startswith("__"))
    )


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
