"""The meter that measures nothing, and says why."""

from __future__ import annotations

from typing import NoReturn

from inflor_bench.measure.power.protocol import Clock, MeterError
from inflor_bench.measure.unavailable import Unavailable


class NullMeter:
    """Stands where no meter applies: power was not asked for, or the device has none."""

    name = "null"

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self.arguments = (reason,)

    def probe(self) -> Unavailable:
        """Return the reason."""
        return Unavailable(self._reason)

    def open(self, clock: Clock) -> NoReturn:
        """Raise the reason as `MeterError`."""
        raise MeterError(self._reason)
