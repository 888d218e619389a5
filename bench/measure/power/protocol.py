"""What a meter is. Adding one is adding a file with a `Meter` that opens a `Reader`.

Every meter counts joules: one that reads watts adds them up itself. So whatever measures needs to know one kind only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from inflor_bench.measure.unavailable import Unavailable

Clock = Callable[[], float]


class MeterError(Exception):
    """A meter cannot be read. `device_lost` says that earlier readings stand, but that nothing more may run there."""

    def __init__(self, reason: str, *, device_lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.device_lost = device_lost


@dataclass(frozen=True)
class Conditions:
    """What the device said about itself at one moment; None where it does not tell.

    `event_reasons` is a bit mask of why the clocks are what they are; temperature in degrees Celsius, clock in MHz,
    limit in W.
    """

    event_reasons: int | None = None
    temperature: float | None = None
    clock: float | None = None
    power_limit: float | None = None


class Reader(Protocol):
    """An open meter."""

    @property
    def device(self) -> str:
        """What is measured: a GPU's UUID, or "cpu"."""
        ...

    @property
    def ticks(self) -> bool:
        """Whether the count stands still between updates, so that a window must open and close on one."""
        ...

    @property
    def relative_uncertainty(self) -> float | None:
        """What the instrument itself may be off by, as a share; None where nothing is known."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader of the figures should know."""
        ...

    def read(self) -> float:
        """Joules since some fixed moment.

        Raises:
            MeterError: the count cannot be read any more, or ran backwards.
        """
        ...

    def conditions(self) -> Conditions:
        """Return what the device says about itself. Never raises."""
        ...

    def close(self) -> None:
        """Give back what `open` took."""
        ...


class Meter(ABC):
    """A way to measure energy. With `arguments` its class makes this meter again in another process.

    `name` is that of the method, as it stands in records.
    """

    name: ClassVar[str]

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments

    @abstractmethod
    def open(self, clock: Clock) -> Reader:
        """Open the meter; `clock` gives seconds.

        Raises:
            MeterError: as `probe` would have told.
        """

    def probe(self) -> Unavailable | None:
        """Tell why this meter cannot be read here, or None where it can. Leaves nothing open."""
        try:
            self.open(lambda: 0.0).close()
        except MeterError as error:
            return Unavailable(error.reason)
        return None
