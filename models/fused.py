"""The neuron over all time steps as one kernel forward and one backward, which see the current once.

The gradient is derived by hand; the membrane is computed again from the current on the way back, so that nothing else
is kept between the passes. A sequence of more than `STEPS_AT_ONCE` steps goes through in pieces.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inflor_bench.models.compilation import run_fused
from inflor_bench.models.functional import Reset, after_reset, fire, lif_membrane, surrogate, widened


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
