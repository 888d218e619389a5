"""Power of the GPU, polled and added up: for GPUs without an energy counter, and to check one.

The instant reading (field 186) comes first, then the average (185), then nvmlDeviceGetPowerUsage, which on Ampere and
newer (GA100 excepted) is an average over 1 s: with either the load must have run for 2 s before a window opens.
Each sample holds for the time since the one before it.
"""

from __future__ import annotations

from collections.abc import Callable

from inflor_bench.measure.power.nvml import GPU_SCOPE, RELATIVE_UNCERTAINTY, NvmlDevice
from inflor_bench.measure.power.protocol import Clock, Conditions, Meter, MeterError


class NvmlPowerMeter(Meter):
    """Polled power of the GPU with this UUID."""

    name = "nvml_power"

    def open(self, clock: Clock) -> NvmlPowerReader:
        """Open the readings."""
        return NvmlPowerReader(self.arguments[0], clock)


class NvmlPowerReader:
    """Joules since opening: the integral of what was polled."""

    ticks = False
    relative_uncertainty = RELATIVE_UNCERTAINTY

    def __init__(self, uuid: str, clock: Clock) -> None:
        self._gpu = NvmlDevice(uuid)
        self.device = self._gpu.uuid
        self._clock = clock
        self._joules = 0.0
        try:
            reading, self._milliwatts = self._choose()
        except MeterError:
            self.close()
            raise
        module = (GPU_SCOPE,) if self._gpu.in_module else ()
        self.flags = (f"power_reading: {reading}", *module)
        self._time = clock()

    def _choose(self) -> tuple[str, Callable[[], int]]:
        """Return the name and the function of the first reading that this GPU offers.

        A GPU that runs draws power: where a driver says 0, it offers the reading by name alone.
        """
        nvml, gpu = self._gpu.nvml, self._gpu
        readings: list[tuple[str, Callable[[], int]]] = [
            ("instant", lambda: gpu.field(nvml.NVML_FI_DEV_POWER_INSTANT)),
            ("average", lambda: gpu.field(nvml.NVML_FI_DEV_POWER_AVERAGE)),
            ("usage", lambda: gpu.read(nvml.nvmlDeviceGetPowerUsage)),
        ]
        for reading, function in readings:
            try:
                if function() > 0:
                    return reading, function
            except MeterError as error:
                if not error.reason.startswith("not_supported") or reading == "usage":
                    raise
        raise MeterError("meter_reads_zero: the driver says that the GPU draws no power at all.")

    def read(self) -> float:
        """Take a sample and return joules since opening."""
        watts = self._milliwatts() / 1e3
        now = self._clock()
        self._joules += watts * (now - self._time)
        self._time = now
        return self._joules

    def conditions(self) -> Conditions:
        """Return what the GPU says about itself."""
        return self._gpu.conditions()

    def close(self) -> None:
        """Shut NVML down."""
        self._gpu.close()
