"""The paper's equations as pure functions. This is the one place where they stand.

Guo et al., "Reducing Information Loss for Spiking Neural Networks", ECCV 2022 (arXiv 2307.04356). One neuron, t = 1..T:

    u[t] = decay * v[t-1] + c[t]            membrane, v[0] = 0, c the synaptic input after normalisation
    o[t] = 1 if phi(u[t]) > threshold       fire; phi is the identity or the MPR, the threshold 0.5, the spike 1
    v[t] = u[t] * (1 - o[t])                hard reset
    v[t] = u[t] - reset_by * o[t]           soft reset

The rectified value decides the firing and shapes the gradient; what is carried on is u, not phi(u).
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from models.compilation import run_fused

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


def lif_forward(current: Tensor, decay: float, reset: Reset, threshold: float, reset_by: float) -> Tensor:
    """Spikes [T, ...] of current [T, ...], without a gradient.

    Steps are collected and stacked: writing into slices makes the compiler copy everything at each step.
    """
    fired = [fire(u, threshold) for u in lif_membrane(current, decay, reset, threshold, reset_by)]
    return torch.stack(fired).to(current.dtype)


def lif_backward(
    current: Tensor, grad_spikes: Tensor, decay: float, reset: Reset, mpr: bool, threshold: float, reset_by: float
) -> Tensor:
    """Gradient of the loss by current, [T, ...], through the reset too.

    The membrane is computed again from the current, so that nothing else needs to be kept between the passes.
    """
    membranes = lif_membrane(current, decay, reset, threshold, reset_by)
    grads, _ = _gradients(membranes, widened(grad_spikes), None, decay, reset, mpr, threshold, reset_by)
    return torch.stack(grads).to(current.dtype)


def _gradients(
    membranes: list[Tensor],
    grad_spikes: Tensor,
    grad_v: Tensor | None,
    decay: float,
    reset: Reset,
    mpr: bool,
    threshold: float,
    reset_by: float,
) -> tuple[list[Tensor], Tensor]:
    """Gradients by current, and by the membrane that was carried into the first step, derived by hand.

    From the last step back, with g_v the gradient of the carried membrane, at first that of v[T] (None for 0):
        g_o[t] = d L / d o[t] + g_v[t] * d v / d o      d v / d o = -u (hard), -reset_by (soft)
        g_u[t] = g_o[t] * surrogate(u[t]) + g_v[t] * d v / d u      d v / d u = 1 - o (hard), 1 (soft)
        d L / d c[t] = g_u[t],   g_v[t-1] = decay * g_u[t]
    """
    grads: list[Tensor] = []
    for u, grad_o in zip(reversed(membranes), reversed(grad_spikes.unbind(0)), strict=True):
        if grad_v is None:
            grad_u = grad_o * surrogate(u, mpr)
        elif reset == "hard":
            grad_u = (grad_o - grad_v * u) * surrogate(u, mpr) + grad_v * (1 - fire(u, threshold))
        else:
            grad_u = (grad_o - reset_by * grad_v) * surrogate(u, mpr) + grad_v
        grads.append(grad_u)
        grad_v = decay * grad_u
    assert grad_v is not None
    return grads[::-1], grad_v


def forward_piece(
    current: Tensor, v: Tensor, spikes: Tensor, decay: float, reset: Reset, threshold: float, reset_by: float
) -> Tensor:
    """Some steps of many, [S, ...], from the carried membrane v on: fills `spikes`, returns the membrane carried out.

    The result is written in place because a sequence that is put together from pieces would be copied once more.
    """
    membranes = lif_membrane(current, decay, reset, threshold, reset_by, v)
    fired = [fire(u, threshold) for u in membranes]
    spikes.copy_(torch.stack(fired))
    return after_reset(membranes[-1], fired[-1], reset, reset_by)


def backward_piece(
    current: Tensor,
    v: Tensor,
    grad_spikes: Tensor,
    grad_v: Tensor,
    grad_current: Tensor,
    decay: float,
    reset: Reset,
    mpr: bool,
    threshold: float,
    reset_by: float,
) -> Tensor:
    """Fill the gradient by current of some steps of many, and return that by the membrane v carried into them."""
    membranes = lif_membrane(current, decay, reset, threshold, reset_by, v)
    grads, grad_start = _gradients(membranes, widened(grad_spikes), grad_v, decay, reset, mpr, threshold, reset_by)
    grad_current.copy_(torch.stack(grads))
    return grad_start


# A kernel unrolls its steps, so the time to compile one grows with them: longer sequences go through it in pieces.
STEPS_AT_ONCE = 8


def piece_of(timesteps: int) -> int:
    """Steps of one piece of a long sequence: of 4 to 8 the most that divide T, so that one kernel serves, else 8."""
    return next((steps for steps in range(STEPS_AT_ONCE, 3, -1) if timesteps % steps == 0), STEPS_AT_ONCE)


class _FusedLIF(torch.autograd.Function):
    """One fused pass forward and one backward; saves the current alone."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, mpr: bool, constants: dict[str, Any]) -> Tensor:
        ctx.save_for_backward(current)
        ctx.mpr, ctx.constants = mpr, constants
        return run_fused(lif_forward, current.detach(), **constants)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (current,) = ctx.saved_tensors
        grad = run_fused(lif_backward, current, grad_outputs[0].contiguous(), mpr=ctx.mpr, **ctx.constants)
        return grad, None, None


class _PiecewiseLIF(torch.autograd.Function):
    """As `_FusedLIF`, a few steps at a time; also saves the membrane carried into each piece."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, mpr: bool, constants: dict[str, Any]) -> Tensor:
        steps = piece_of(len(current))
        spikes = torch.empty_like(current)
        carried = [torch.zeros_like(widened(current[:1])[0])]
        for piece, fired in zip(current.detach().split(steps), spikes.split(steps), strict=True):
            carried.append(run_fused(forward_piece, piece, carried[-1], fired, **constants))
            if not ctx.needs_input_grad[0]:
                carried = carried[-1:]
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(current, *carried[:-1])
            ctx.mpr, ctx.constants = mpr, constants
        return spikes

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        current, *carried = ctx.saved_tensors
        steps = piece_of(len(current))
        grad = torch.empty_like(current)
        pieces = [tensor.split(steps) for tensor in (current, grad_outputs[0].contiguous(), grad)]
        grad_v = torch.zeros_like(carried[0])
        for piece, grad_spikes, grad_current, v in reversed(list(zip(*pieces, carried, strict=True))):
            grad_v = run_fused(
                backward_piece, piece, v, grad_spikes, grad_v, grad_current, mpr=ctx.mpr, **ctx.constants
            )
        return grad, None, None


class _CarriedLIF(torch.autograd.Function):
    """One piece of a sequence, with the membrane carried in and out; saves the current and the former alone."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, v: Tensor, mpr: bool, constants: dict[str, Any]) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(current, v)
        ctx.mpr, ctx.constants = mpr, constants
        spikes = torch.empty_like(current)
        return spikes, run_fused(forward_piece, current.detach(), v.detach(), spikes, **constants)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        current, v = ctx.saved_tensors
        grad_spikes, grad_v = (grad.contiguous() for grad in grad_outputs)
        grad = torch.empty_like(current)
        grad_start = run_fused(backward_piece, current, v, grad_spikes, grad_v, grad, mpr=ctx.mpr, **ctx.constants)
        return grad, grad_start, None, None


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
        mpr: rectify the membrane before firing; changes the gradient alone, never a spike.
        threshold: firing level; the comparison is strict.
        reset_by: what the soft reset subtracts (see `after_reset`).

    Raises:
        ValueError: an unknown reset, or a rectifier with another firing level than the 1/2 that it fixes.
    """
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
