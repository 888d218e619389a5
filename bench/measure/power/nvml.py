"""The NVIDIA driver library, opened lazily through pynvml (distribution nvidia-ml-py), and what both NVML meters share.

Devices are found by UUID, never by index: CUDA and NVML number them differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from inflor_bench.measure.power.protocol import Conditions, MeterError

T = TypeVar("T")

# The sensors of A100 and H100 look at a quarter of the time (arXiv 2312.02741): an assumption about the instrument,
# stated beside the spread of the trials.
RELATIVE_UNCERTAINTY = 0.05

GPU_SCOPE = "gpu_scope: the driver also tells the power of a module of GPU and CPU; these figures are the GPU's alone"

_HINTS = {
    "LIBRARY_NOT_FOUND": "nvml_library_not_found: libnvidia-ml.so.1 was not found; install the NVIDIA driver.",
    "DRIVER_NOT_LOADED": "nvidia_driver_not_loaded: the NVIDIA kernel module is not loaded; load it or reboot.",
    "LIB_RM_VERSION_MISMATCH": "nvidia_driver_mismatch: library and kernel module of the driver differ; reboot.",
    "NO_PERMISSION": "no_permission: the driver refuses the reading; ask for access to the GPU's counters.",
    "GPU_IS_LOST": "gpu_is_lost: the GPU fell off the bus; reboot.",
    "RESET_REQUIRED": "gpu_reset_required: the GPU must be reset before it can be used.",
    "NOT_SUPPORTED": "not_supported: this GPU does not offer the reading.",
    "FUNCTION_NOT_FOUND": "not_supported: this driver does not offer the reading.",
}

# What the meters use, beside the functions that `NvmlDevice.ask` looks for.
_NEEDED = (
    *("NVMLError", "NVML_SUCCESS", *(f"NVML_ERROR_{name}" for name in (*_HINTS, "NOT_FOUND", "INVALID_ARGUMENT"))),
    *("NVML_POWER_SCOPE_GPU", "NVML_POWER_SCOPE_MODULE", "NVML_FI_DEV_POWER_INSTANT", "NVML_FI_DEV_POWER_AVERAGE"),
    *("NVML_CLOCK_SM", "NVML_TEMPERATURE_GPU", "NVML_DEVICE_MIG_ENABLE"),
    *("nvmlInit", "nvmlShutdown", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetHandleByUUID"),
    *("nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMigMode", "nvmlDeviceGetPersistenceMode"),
    *("nvmlDeviceGetFieldValues", "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"),
    "nvmlSystemGetDriverVersion",
)


def load() -> Any:
    """Import pynvml, which itself loads no driver library yet.

    Raises:
        MeterError: it is not installed, or another module of this name is found before it.
    """
    try:
        import pynvml
    except ImportError:
        raise MeterError("pynvml_not_installed: install the distribution nvidia-ml-py.") from None
    except Exception as error:
        raise MeterError(f"pynvml_not_readable: importing pynvml failed ({type(error).__name__}: {error}).") from None
    missing = next((name for name in _NEEDED if not hasattr(pynvml, name)), None)
    if missing is not None:
        raise MeterError(
            f"pynvml_is_another: {getattr(pynvml, '__file__', 'pynvml')} has no {missing}, so it is older than that of "
            "nvidia-ml-py 12.560, or another module of this name: remove it, then install nvidia-ml-py anew."
        )
    return pynvml


def explain(nvml: Any, error: Any) -> MeterError:
    """Turn an NVMLError into ours, with what to do about it. NVMLError cannot be hashed: it is told by its value."""
    for name, hint in _HINTS.items():
        if error.value == getattr(nvml, f"NVML_ERROR_{name}"):
            return MeterError(hint, device_lost=name in ("GPU_IS_LOST", "RESET_REQUIRED"))
    return MeterError(f"nvml_error: {error}")


class NvmlDevice:
    """One GPU, by the UUID that CUDA gives it, with or without NVML's prefix "GPU-".

    Raises:
        MeterError: the driver or the device cannot be had, or the device is a slice of a GPU (MIG), which has no meter.
    """

    def __init__(self, uuid: str) -> None:
        self.nvml = load()
        self.uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._call(self.nvml.nvmlInit)
        try:
            self._handle = self._find()
        except MeterError:
            self.close()
            raise

    def _find(self) -> Any:
        nvml = self.nvml
        mig = MeterError(f"mig_slice: {self.uuid} is a slice of a GPU (MIG), whose power cannot be told apart.")
        if self.uuid.startswith("MIG-"):
            raise mig
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(self.uuid)
        except nvml.NVMLError as error:
            if error.value not in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT):
                raise explain(nvml, error) from None
            if self._or_none(nvml.nvmlDeviceGetHandleByUUID, self.uuid.replace("GPU-", "MIG-")) is not None:
                raise mig from None
            raise MeterError(f"gpu_not_found: the driver knows no GPU with the UUID {self.uuid}.") from None
        mode = self._or_none(nvml.nvmlDeviceGetMigMode, handle)
        if mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE:
            raise mig
        return handle

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        try:
            return function(*args)
        except self.nvml.NVMLError as error:
            raise explain(self.nvml, error) from None

    def _or_none(self, function: Callable[..., T], *args: Any) -> T | None:
        try:
            return function(*args)
        except self.nvml.NVMLError:
            return None

    def read(self, function: Callable[..., T], *args: Any) -> T:
        """Call an NVML function on this device.

        Raises:
            MeterError: it failed.
        """
        return self._call(function, self._handle, *args)

    def field(self, field: int, scope: int | None = None) -> int:
        """Value of a field, an unsigned integer: of the GPU itself unless another scope is named.

        Raises:
            MeterError: the field is not offered.
        """
        scope = self.nvml.NVML_POWER_SCOPE_GPU if scope is None else scope
        values = self.read(self.nvml.nvmlDeviceGetFieldValues, [(field, scope)])
        if values[0].nvmlReturn != self.nvml.NVML_SUCCESS:
            raise explain(self.nvml, self.nvml.NVMLError(values[0].nvmlReturn))
        return int(values[0].value.uiVal)

    @property
    def in_module(self) -> bool:
        """Whether the GPU shares a module with a CPU (GH200), of which the driver tells the power as well."""
        try:
            self.field(self.nvml.NVML_FI_DEV_POWER_INSTANT, self.nvml.NVML_POWER_SCOPE_MODULE)
        except MeterError:
            return False
        return True

    def ask(self, names: Sequence[str], *args: Any) -> Any:
        """What the first of these functions that works says of this GPU; None where none does.

        Functions are known by name, because names come and go: with drivers, and with releases of pynvml.
        """
        for name in names:
            function = getattr(self.nvml, name, None)
            answer = None if function is None else self._or_none(function, self._handle, *args)
            if answer is not None:
                return answer
        return None

    def conditions(self) -> Conditions:
        """Return clock-event reasons, temperature, SM clock and power limit, as far as they are told."""
        limit = self.ask(["nvmlDeviceGetEnforcedPowerLimit"])
        return Conditions(
            event_reasons=self.ask(
                ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
            ),
            temperature=self.ask(
                ["nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"], self.nvml.NVML_TEMPERATURE_GPU
            ),
            clock=self.ask(["nvmlDeviceGetClockInfo"], self.nvml.NVML_CLOCK_SM),
            power_limit=None if limit is None else limit / 1e3,
        )

    def close(self) -> None:
        """Shut NVML down; other users of it in this process keep theirs."""
        self._or_none(self.nvml.nvmlShutdown)
