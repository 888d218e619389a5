"""What could not be measured, and why. It stands where a value would stand; it is never 0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unavailable:
    """A measurement that cannot be had here. `reason` is one clear sentence, led by a stable code and a colon."""

    reason: str
