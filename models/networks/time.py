"""How a network sees time: [T*N, ...], time outermost, so that every stateless layer runs once over all steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def over_time(x: Tensor, timesteps: int, stem: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply the stem and return [T*N, ...].

    An image [N, C, H, W] is the same at every step, so the stem runs once and its result is repeated; events
    [T, N, C, H, W] go through it frame by frame.

    Raises:
        ValueError: x is neither, or its T is not the network's.
    """
    if x.ndim == 4:
        once = stem(x)
        if timesteps == 1:
            return once
        if once.requires_grad:
            return once.expand(timesteps, *once.shape).flatten(0, 1)
        return torch.cat([once] * timesteps)  # stays channels last, which an expanded tensor does not
    if x.ndim == 5 and x.shape[0] == timesteps:
        return stem(x.flatten(0, 1))
    raise ValueError(
        f"a network of {timesteps} time steps takes [N, C, H, W] or [{timesteps}, N, C, H, W], not {list(x.shape)}"
    )


def mean_over_time(logits: Tensor, timesteps: int) -> Tensor:
    """Mean of the logits [T*N, classes] over time, [N, classes]."""
    return logits.unflatten(0, (timesteps, -1)).mean(0)
