"""The spiking neuron as a module over `models.functional`, and the activations that a cell's `neuron` names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models import functional
from inflor_bench.models.functional import Reset

NEURONS = ("relu", "hard", "soft", "hard-mpr", "soft-mpr", "quant", "soft-if", "soft-if-mpr")

# Activations of networks that have no time: ReLU, and the fair twin, whose T says how many levels they have.
WITHOUT_TIME = ("relu", "quant")

# Prototypes on Fashion-MNIST (T=2, one seed) did better with 0.25 than with the 1.0 of the released rectifier layer.
DEFAULT_DECAY = 0.25
DEFAULT_CONSTANTS = {"decay": DEFAULT_DECAY, "threshold": 0.5, "reset_by": 1.0}


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons over `timesteps` steps: current [T*N, ...] in, spikes [T*N, ...] out.

    Time is the outer part of the first axis, so that stateless layers see [T*N, ...] once. No state is kept between
    calls, but for a sequence that comes in pieces (`models.pieces`): where `carried` holds a membrane, a call goes on
    from it and leaves its own there. What measuring tools need is offered here: `timesteps`, `decay`, `threshold`,
    `reset`, `reset_by`, `mpr`, `membrane`, `rectify` and `after_reset`.
    """

    def __init__(
        self,
        timesteps: int,
        *,
        reset: Reset,
        mpr: bool = False,
        decay: float = DEFAULT_DECAY,
        threshold: float = 0.5,
        reset_by: float = 1.0,
    ) -> None:
        super().__init__()
        self.timesteps, self.reset, self.mpr = timesteps, reset, mpr
        self.decay, self.threshold, self.reset_by = decay, threshold, reset_by
        self.carried: Tensor | None = None

    def _over_time(self, current: Tensor) -> Tensor:
        if current.shape[0] % self.timesteps:
            raise ValueError(f"{current.shape[0]} rows are not a multiple of the {self.timesteps} time steps")
        return current.unflatten(0, (self.timesteps, -1))

    def forward(self, current: Tensor) -> Tensor:
        """Spikes [T*N, ...] of the current [T*N, ...]."""
        over_time = self._over_time(current)
        if self.carried is None:
            return functional.lif(over_time, mpr=self.mpr, **self._constants()).flatten(0, 1)
        spikes, self.carried = functional.lif_piece(over_time, self.carried, mpr=self.mpr, **self._constants())
        return spikes.flatten(0, 1)

    def _constants(self) -> functional.Constants:
        return {"decay": self.decay, "reset": self.reset, "threshold": self.threshold, "reset_by": self.reset_by}

    def membrane(self, current: Tensor) -> Tensor:
        """Membrane u before the reset, [T*N, ...], of the current [T*N, ...]."""
        membranes = functional.lif_membrane(
            self._over_time(current), self.decay, self.reset, self.threshold, self.reset_by
        )
        return torch.cat(membranes)

    def rectify(self, u: Tensor) -> Tensor:
        """What the MPR makes of the membrane, phi(u), whether this neuron uses it or not."""
        return functional.mpr(u)

    def after_reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        """Membrane v that is carried on from u and its spikes."""
        return functional.after_reset(u, spikes, self.reset, self.reset_by)

    def extra_repr(self) -> str:
        """Show the constants in the module's picture."""
        return (
            f"timesteps={self.timesteps}, reset={self.reset!r}, mpr={self.mpr}, decay={self.decay}, "
            f"threshold={self.threshold}, reset_by={self.reset_by}"
        )


class Quantiser(nn.Module):
    """The fair twin's activation: x in, the nearest of the `levels` + 1 values 0, 1/levels, ... 1 out.

    `activation_bits` is how many bits such a value takes.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    @property
    def activation_bits(self) -> int:
        """ceil(log2(levels + 1))."""
        return self.levels.bit_length()

    def forward(self, x: Tensor) -> Tensor:
        """The quantised x, of its shape."""
        return functional.quantise(x, self.levels)

    def extra_repr(self) -> str:
        """Show the number of levels in the module's picture."""
        return f"levels={self.levels}"


def activation_factory(
    neuron: str, timesteps: int, *, decay: float = DEFAULT_DECAY, threshold: float = 0.5, reset_by: float = 1.0
) -> Callable[[], nn.Module]:
    """Return what makes one activation layer: ReLU for the ANN twin ("relu"), else a `LIF` of the named reset.

    The fair twin ("quant") has a `Quantiser` of as many levels as there are time steps otherwise.

    Raises:
        ModelInputError: the neuron is unknown, or a ReLU network was asked for more than one time step.
    """
    if neuron not in NEURONS:
        raise ModelInputError(f"Unknown neuron {neuron!r}: choose one of {', '.join(NEURONS)}.")
    if timesteps < 1:
        raise ModelInputError(f"timesteps is {timesteps}: give at least 1.")
    if neuron == "relu":
        if timesteps != 1:
            raise ModelInputError(f"The ANN twin (relu) has no time: give timesteps 1, not {timesteps}.")
        return nn.ReLU
    if neuron == "quant":
        return lambda: Quantiser(timesteps)
    reset: Reset = "hard" if neuron.startswith("hard") else "soft"
    rectified = neuron.endswith("-mpr")
    return lambda: LIF(timesteps, reset=reset, mpr=rectified, decay=decay, threshold=threshold, reset_by=reset_by)
