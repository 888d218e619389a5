"""The GPU's own energy counter (nvmlDeviceGetTotalEnergyConsumption, mJ, Volta and newer).

It moves in ticks of 20 to 100 ms and is exact on each: the best there is, if windows open and close on a tick.
"""

from __future__ import annotations

from inflor_bench.measure.power.nvml import GPU_SCOPE, RELATIVE_UNCERTAINTY, NvmlDevice
from inflor_bench.measure.power.protocol import Clock, Conditions, Meter, MeterError


class NvmlEnergyMeter(Meter):
    """The energy counter of the GPU with this UUID."""

    name = "nvml_energy"

    def open(self, clock: Clock) -> NvmlEnergyReader:
        """Open the counter."""
        return NvmlEnergyReader(*self.arguments)


class NvmlEnergyReader:
    """Joules since the driver was loaded."""

    ticks = True
    relative_uncertainty = RELATIVE_UNCERTAINTY

    def __init__(self, uuid: str) -> None:
        self._gpu = NvmlDevice(uuid)
        self.device = self._gpu.uuid
        self._last = 0
        try:
            self.read()
        except MeterError:
            self.close()
            raise
        self.flags = (GPU_SCOPE,) if self._gpu.in_module else ()

    def read(self) -> float:
        """Joules since the driver was loaded."""
        millijoules = self._gpu.read(self._gpu.nvml.nvmlDeviceGetTotalEnergyConsumption)
        if millijoules < self._last:
            raise MeterError(
                f"counter_backwards: the energy counter fell from {self._last} to {millijoules} mJ; "
                "the driver was reloaded, or its counter is not to be trusted."
            )
        self._last = millijoules
        return millijoules / 1e3

    def conditions(self) -> Conditions:
        """Return what the GPU says about itself."""
        return self._gpu.conditions()

    def close(self) -> None:
        """Shut NVML down."""
        self._gpu.close()
