"""The meter that measures nothing, and says why."""

from __future__ import annotations

from typing import NoReturn

from inflor_bench.measure.power.protocol import Clock, Meter, MeterError


class NullMeter(Meter):
    """Stands where no meter applies: power was not asked for, or the device has none."""

    name = "null"

    def open(self, clock: Clock) -> NoReturn:
        """Raise the reason as `MeterError`."""
        raise MeterError(*self.arguments)
