"""The GPUs of this machine as the driver tells them, and what can be read of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inflor_bench.measure.power.nvml import explain, load
from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.nvml_power import NvmlPowerMeter
from inflor_bench.measure.power.protocol import MeterError
from inflor_bench.measure.unavailable import Unavailable


@dataclass(frozen=True)
class Gpu:
    """One GPU. `persistence` and `sliced` (MIG) are None where they are not told.

    `energy` and `power` say why the counter and the polled power cannot be read; None where they can.
    """

    name: str
    uuid: str
    persistence: bool | None
    sliced: bool | None
    energy: str | None
    power: str | None


@dataclass(frozen=True)
class Inventory:
    """The driver's version, "unknown" where it is not told, and its GPUs in the driver's order."""

    driver: str
    gpus: tuple[Gpu, ...]


def inventory() -> Inventory | Unavailable:
    """Ask the driver what there is, or tell why it cannot be asked."""
    try:
        nvml = load()
    except MeterError as error:
        return Unavailable(error.reason)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Unavailable(explain(nvml, error).reason)
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        driver = _or_none(nvml, nvml.nvmlSystemGetDriverVersion) or "unknown"
        return Inventory(driver, tuple(_describe(nvml, handle) for handle in handles))
    except nvml.NVMLError as error:
        return Unavailable(explain(nvml, error).reason)
    finally:
        _or_none(nvml, nvml.nvmlShutdown)


def _describe(nvml: Any, handle: Any) -> Gpu:
    uuid = nvml.nvmlDeviceGetUUID(handle)
    persistence = _or_none(nvml, nvml.nvmlDeviceGetPersistenceMode, handle)
    mode = _or_none(nvml, nvml.nvmlDeviceGetMigMode, handle)
    energy, power = NvmlEnergyMeter(uuid).probe(), NvmlPowerMeter(uuid).probe()
    return Gpu(
        name=_or_none(nvml, nvml.nvmlDeviceGetName, handle) or "a GPU without a name",
        uuid=uuid,
        persistence=None if persistence is None else bool(persistence),
        sliced=None if mode is None else mode[0] == nvml.NVML_DEVICE_MIG_ENABLE,
        energy=energy.reason if energy else None,
        power=power.reason if power else None,
    )


def _or_none(nvml: Any, function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except nvml.NVMLError:
        return None
