"""Random numbers without a state: each is drawn from a seed that its position gives, such as (seed, epoch, step)."""

from __future__ import annotations

import hashlib

import torch


def position_seed(*position: int) -> int:
    """A seed that only this position has."""
    digest = hashlib.sha256(repr(position).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def generator_at(*position: int) -> torch.Generator:
    """A CPU generator that always draws the same at this position, whatever was drawn before."""
    return torch.Generator().manual_seed(position_seed(*position))
