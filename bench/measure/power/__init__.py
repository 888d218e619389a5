"""Measured power and energy. Importing this loads neither a driver library nor torch.

`measure_power(call, meters_for(device), batch_size=n)` gives a `PowerMeasurement`, or `Unavailable` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inflor_bench.measure.power.measurement import measure_power
from inflor_bench.measure.power.null import NullMeter
from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.nvml_power import NvmlPowerMeter
from inflor_bench.measure.power.profile import FULL, QUICK, Profile
from inflor_bench.measure.power.protocol import Meter
from inflor_bench.measure.power.rapl import RaplMeter
from inflor_bench.measure.power.result import PowerMeasurement, device_lost

if TYPE_CHECKING:
    import torch

__all__ = ["FULL", "QUICK", "PowerMeasurement", "Profile", "device_lost", "measure_power", "meters_for"]


def meters_for(device: torch.device) -> list[Meter]:
    """Return the meters that apply to a device, the best first. A GPU is told by its UUID, never by its index."""
    if device.type == "cpu":
        return [RaplMeter()]
    if device.type == "cuda":
        import torch

        uuid = str(torch.cuda.get_device_properties(device).uuid)
        return [NvmlEnergyMeter(uuid), NvmlPowerMeter(uuid)]
    return [NullMeter(f"no_meter: no power meter is known for {device.type} devices.")]
