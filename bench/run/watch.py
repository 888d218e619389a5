"""`--watch`: a live line with power and clocks while a run goes on. One reading a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.live import Live
from rich.text import Text

from inflor_bench.measure.power import meters_for
from inflor_bench.measure.power.clocks import cpu_clock_mhz
from inflor_bench.measure.power.protocol import Meter, MeterError, Reader
from inflor_bench.measure.power.result import throttling


class PowerLine:
    """What the meters of a device say, as one line of text. `close` it in the end."""

    def __init__(
        self, device: torch.device, meters: Sequence[Meter], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._device, self._now = device, now
        self._reader: Reader | None = None
        self._reason = ""
        reasons = []
        for meter in meters:
            try:
                self._reader = meter.open(now)
                break
            except MeterError as error:
                reasons.append(error.reason)
        else:
            self._reason = " ".join(dict.fromkeys(reasons))
        self._last: tuple[float, float] | None = None

    def text(self) -> str:
        """Power since the last call, clock and temperature, as far as they are told. Never raises."""
        parts = [str(self._device), self._power()]
        clock, temperature, slowed = cpu_clock_mhz() if self._device.type == "cpu" else None, None, []
        if self._reader is not None:
            told = self._reader.conditions()
            clock, temperature = told.clock or clock, told.temperature
            slowed = throttling(told.event_reasons)
        if clock is not None:
            parts.append(f"{clock:.0f} MHz")
        if temperature is not None:
            parts.append(f"{temperature:.0f} °C")
        if slowed:
            parts.append(f"throttled: {', '.join(slowed)}")
        return "  ".join(parts)

    def _power(self) -> str:
        if self._reader is None:
            return f"power not measured ({self._reason.partition(':')[0]})"
        try:
            joules, moment = self._reader.read(), self._now()
        except MeterError as error:
            self.close()
            self._reason = error.reason
            return self._power()
        last, self._last = self._last, (joules, moment)
        if last is None or moment <= last[1]:
            return "power: reading"
        watts = (joules - last[0]) / (moment - last[1])
        return f"{watts:.3g} W" if watts > 0 else "power not measured (the meter stands still)"

    def close(self) -> None:
        """Give the meter back."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class WatchPlugin:
    """The pytest plugin that shows the line while benchmarks run, and takes it away at their end."""

    def __init__(self, device: torch.device, console: Console) -> None:
        self._device, self._console = device, console
        self._line: PowerLine | None = None
        self._live: Live | None = None

    def pytest_sessionstart(self) -> None:
        """Begin, if this is a terminal."""
        if not self._console.is_terminal:
            self._console.print("--watch shows its line on a terminal only.")
            return
        line = self._line = PowerLine(self._device, meters_for(self._device))
        self._live = Live(
            get_renderable=lambda: Text(line.text(), style="dim", no_wrap=True, overflow="ellipsis"),
            console=self._console,
            refresh_per_second=1,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def pytest_sessionfinish(self) -> None:
        """End, also after Ctrl-C."""
        if self._live is not None:
            self._live.stop()
        if self._line is not None:
            self._line.close()
