"""What a user says of a model that measuring cannot tell by itself. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What the user said of time, state and neurons; None or nothing where nothing was said.

    Attributes:
        axis, timesteps: where time is, and T.
        reset: "none", or a method of the model.
        output: the key, index or attribute of what is scored among what the model gives.
        neurons, not_neurons: names or classes of modules that are spiking neurons, and of modules that are none.
        membrane: the attribute in which neurons that nobody registered hold their membrane before the reset.
    """

    axis: str | None = None
    timesteps: int | None = None
    reset: str | None = None
    output: str | None = None
    neurons: Sequence[str] = ()
    not_neurons: Sequence[str] = ()
    membrane: str | None = None
