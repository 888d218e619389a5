"""How far a load has come, for whoever watches it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """A load that runs meanwhile."""

    def wait(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            LoadEndedError: the load has ended.
        """
        ...

    def completed(self) -> int:
        """Number of iterations that are complete by now."""
        ...


class LoadEndedError(Exception):
    """Tells the watcher that the load failed; the caller sees the load's own error."""


@dataclass
class Completions:
    """When the load began, s, and when each of its iterations ended."""

    start: float = 0.0
    moments: list[float] = field(default_factory=list)

    def iterations_at(self, moment: float) -> float:
        """Iterations done by a moment, with the share of the one that was running then."""
        done = bisect_right(self.moments, moment)
        if done == len(self.moments):
            return float(done)
        began = self.moments[done - 1] if done else self.start
        return done + (moment - began) / (self.moments[done] - began)
