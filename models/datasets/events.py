"""Frames of events: counts of events, by polarity and pixel, in equal windows of time."""

from __future__ import annotations

from torch import Tensor

from inflor_bench.errors import ModelInputError


def to_frames(counts: Tensor, timesteps: int, name: str) -> Tensor:
    """Add up counts [N, K, 2, H, W] of K short steps to frames [N, T, 2, H, W] of K / T steps each.

    Raises:
        ModelInputError: T does not divide K.
    """
    steps = counts.shape[1]
    if steps % timesteps:
        possible = ", ".join(f"T{number}" for number in range(1, steps + 1) if steps % number == 0)
        raise ModelInputError(
            f"The {steps} steps of {name!r} cannot be divided into T{timesteps}: choose one of {possible}."
        )
    return counts.unflatten(1, (timesteps, -1)).sum(2, dtype=counts.dtype)
