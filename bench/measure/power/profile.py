"""How long power is looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Windows over the load: how many, how long at least (s and iterations), and how long the idle device is watched.

    `lead_seconds` pass before the first window, so that averaging sensors have settled; a random delay of up to
    `delay_seconds` precedes each. `name` stands in the result, and is flagged where it is not the full protocol.
    """

    name: str
    trials: int
    seconds: float
    iterations: int
    idle_seconds: float
    lead_seconds: float = 2.0
    delay_seconds: float = 1.0


FULL = Profile("full", trials=5, seconds=5.0, iterations=32, idle_seconds=5.0)
QUICK = Profile("quick", trials=1, seconds=2.0, iterations=8, idle_seconds=2.0)
