"""The paper's equations as pure functions. This is the one place where they stand.

Guo et al., "Reducing Information Loss for Spiking Neural Networks", ECCV 2022 (arXiv 2307.04356). One neuron, t = 1..T:

    u[t] = decay * v[t-1] + c[t]            membrane, v[0] = 0, c the synaptic input after normalisation
    o[t] = 1 if phi(u[t]) > threshold       fire; phi is the identity or the MPR, the threshold 0.5, the spike 1
    v[t] = u[t] * (1 - o[t])                hard reset
    v[t] = u[t] - reset_by * o[t]           soft reset

The rectified value decides the firing and shapes the gradient; what is carried on is u, not phi(u). `models.fused`
computes them for all time steps in one pass.
"""

from __future__ import annotations

import math
from typing import Literal, TypedDict

import torch
from torch import Tensor

Reset = Literal["hard", "soft"]


class Constants(TypedDict):
    """The constants of a neuron, by the names of `lif`'s arguments."""

    decay: float
    reset: Reset
    threshold: float
    reset_by: float


def membrane(v: Tensor, current: Tensor, decay: float) -> Tensor:
    """Charge: u[t] = decay * v[t-1] + c[t]."""
    return decay * v + current


def fire(u: Tensor, threshold: float) -> Tensor:
    """Spikes, 1 where u > threshold, else 0, in the dtype of u.

    The MPR is increasing and fixes 1/2, so phi(u) > 1/2 exactly where u > 1/2: it never changes a spike and need not be
    computed.
    """
    # Compared in place: a tensor of bool, and its conversion, take four times as long.
    return u.clone().gt_(threshold)


def after_reset(u: Tensor, spikes: Tensor, reset: Reset, reset_by: float) -> Tensor:
    """Membrane that is carried on. Hard: back to 0 whatever the magnitude. Soft: u - reset_by where it fired.

    `reset_by` 1.0 subtracts the spike's amplitude, as in the released code; the textbook soft reset (RMP neuron, Han et
    al. 2020) subtracts the firing threshold instead, `reset_by=threshold`.
    """
    if reset == "hard":
        return u * (1 - spikes)
    return u - reset_by * spikes


def mpr(u: Tensor) -> Tensor:
    """Membrane potential rectifier phi, element by element (Guo et al., ECCV 2022).

    u^(1/3) above 1; tanh(3 (u - 1/2)) / (2 tanh(3/2)) + 1/2 on [0, 1]; 1 - (1 - u)^(1/3) below 0.
    """
    # Two terms for three pieces: outside [0, 1] the first is 0 or 1, and the roots of both sides are one root, whose
    # x^(1/3) - 1 is written as expm1(log(x) / 3) because a power takes three times as long.
    inside = torch.tanh(3 * (u.clamp(0, 1) - 0.5)) / (2 * math.tanh(1.5)) + 0.5
    beyond = torch.expm1(torch.maximum(u, 1 - u).clamp(min=1).log() / 3)
    return inside + torch.copysign(beyond, u)


def surrogate(u: Tensor, mpr: bool) -> Tensor:
    """Surrogate gradient d o / d u: rectangular, d o / d phi = 1 where 0 <= phi(u) <= 1, else 0, times d phi / d u.

    phi maps [0, 1] onto itself, so the window is 0 <= u <= 1 with and without MPR, and with it the value is
    (3/2) sech^2(3 (u - 1/2)) / tanh(3/2).
    """
    window = ((u >= 0) & (u <= 1)).to(u.dtype)
    if not mpr:
        return window
    hyperbolic = torch.tanh(3 * (u - 0.5))
    return window * ((1.5 / math.tanh(1.5)) * (1 - hyperbolic * hyperbolic))


def widened(x: Tensor) -> Tensor:
    """Return x in float32 where it is of 16 bits, in which kernels would round a membrane as each likes."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def lif_membrane(
    current: Tensor, decay: float, reset: Reset, threshold: float, reset_by: float, v: Tensor | None = None
) -> list[Tensor]:
    """The membranes u[1..T] before the reset, each of current's shape without T. `current` is [T, ...].

    `v` is the membrane that is carried into the first step, None for the v[0] = 0 of the paper. Membranes of a 16-bit
    current are float32.
    """
    steps = widened(current).unbind(0)
    membranes = [steps[0] if v is None else membrane(v, steps[0], decay)]
    for step in steps[1:]:
        u = membranes[-1]
        membranes.append(membrane(after_reset(u, fire(u, threshold), reset, reset_by), step, decay))
    return membranes


def quantise(x: Tensor, levels: int) -> Tensor:
    """q_T(x) = clip(ceil(T x - 1/2), 0, T) / T: the T + 1 firing rates that T = `levels` time steps can say.

    The gradient goes straight through, d q / d x = 1 where 0 <= x <= 1, else 0: the window of `surrogate`. A neuron
    with decay 1, the soft reset by 1 and the firing level 1/2 fires T q_T(c) times in T steps of a constant current c;
    the hard reset, a leak, or a current that changes from step to step has no such closed form.
    """
    fixed = x.detach()
    level = (levels * widened(fixed) - 0.5).ceil().clamp(0, levels) / levels
    return level.to(x.dtype) + surrogate(fixed, mpr=False) * (x - fixed)  # adds 0, with that gradient


def lif_piece(
    current: Tensor,
    v: Tensor,
    *,
    decay: float,
    reset: Reset,
    mpr: bool = False,
    threshold: float = 0.5,
    reset_by: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """As `lif` for some steps of many: spikes [S, ...] of the current [S, ...], and the membrane that is carried out.

    `v`, of the current's shape without S, is the membrane that is carried into the first step; the one that is returned
    goes into the next piece; a single 0 is that of the start. Gradients go through both. There are at most
    `STEPS_AT_ONCE` steps.
    """
    from inflor_bench.models.fused import _CarriedLIF

    v = v.to(widened(current[:0]).dtype).expand(current.shape[1:])
    constants = {"decay": decay, "reset": reset, "threshold": threshold, "reset_by": reset_by}
    spikes, carried = _CarriedLIF.apply(current.flatten(1).contiguous(), v.flatten().contiguous(), mpr, constants)
    return spikes.view(current.shape), carried.view(v.shape)


def lif(
    current: Tensor,
    *,
    decay: float,
    reset: Reset,
    mpr: bool = False,
    threshold: float = 0.5,
    reset_by: float = 1.0,
) -> Tensor:
    """Leaky integrate-and-fire over all time steps: spikes [T, N, ...] of the input current [T, N, ...].

    Args:
        current: synaptic input after normalisation, [T, N, ...], floating point.
        decay: share of the membrane that is carried from step to step; 1.0 integrates and fires without a leak.
        reset: "hard" or "soft".
        mpr: rectify the membrane before firing; changes the gradient alone (see `fire`).
        threshold: firing level; the comparison is strict.
        reset_by: what the soft reset subtracts (see `after_reset`).

    Raises:
        ValueError: an unknown reset, or a rectifier with another firing level than the 1/2 that it fixes.
    """
    from inflor_bench.models.fused import STEPS_AT_ONCE, _FusedLIF, _PiecewiseLIF

    if reset not in ("hard", "soft"):
        raise ValueError(f"reset must be 'hard' or 'soft', not {reset!r}")
    if mpr and threshold != 0.5:
        raise ValueError(f"the membrane potential rectifier is defined for the firing level 0.5, not {threshold}")
    constants = {"decay": decay, "reset": reset, "threshold": threshold, "reset_by": reset_by}
    # Elementwise over a flat view in memory order: the layout (also channels-last) of the current is kept.
    strides = current.stride()
    order = sorted(range(1, current.ndim), key=lambda axis: (-strides[axis], axis))
    ordered = current.permute(0, *order)
    flat = ordered.reshape(current.shape[0], -1)
    function = _FusedLIF if len(flat) <= STEPS_AT_ONCE else _PiecewiseLIF
    spikes = function.apply(flat, mpr, constants).view(ordered.shape)
    return spikes.permute(0, *(1 + order.index(axis) for axis in range(1, current.ndim)))
