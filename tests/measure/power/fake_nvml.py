"""A driver library without a driver: C functions written in Python, which pynvml loads as it loads the real one.

Time is virtual. Power follows scripted traces whose energy is known in closed form.
"""

# The functions bear the names of the library.
# ruff: noqa: N802

from __future__ import annotations

import ctypes
import math
import subprocess
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

import pynvml

from inflor_bench.measure.power.observation import observe
from tests.needs import c_compiler

UINT, ULONGLONG, POINTER = ctypes.c_uint, ctypes.c_ulonglong, ctypes.c_void_p
AVERAGE, INSTANT = 185, 186


class World:
    """Virtual time with a load of constant pace. `progress.moments` are those for which iterations were asked."""

    def __init__(self, seconds_per_iteration: float = 0.01) -> None:
        self.time, self.pace = 100.0, seconds_per_iteration
        self.gpus: list[Gpu] = []
        self.moments: list[float] = []
        self.on_wait = lambda: None

    def now(self) -> float:
        return self.time

    def observe(self, call, meters, profile, random):
        self.call = call
        return observe(meters, profile, random, self), self.iterations_at

    def at_rest(self, watch):
        self.began = self.time
        for gpu in self.gpus:
            gpu.switch(self.time, gpu.idle)
        return watch(self)

    def under_load(self, watch):
        self.began = self.time
        for gpu in self.gpus:
            gpu.switch(self.time, gpu.load)
        self.call()
        result = watch(self)
        for gpu in self.gpus:
            gpu.switch(self.time, gpu.idle)
        return result

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.on_wait()

    def completed(self) -> int:
        return math.floor((self.time - self.began) / self.pace)

    def iterations_at(self, moment: float) -> float:
        self.moments.append(moment)
        return (moment - self.began) / self.pace

    def windows(self) -> list[tuple[float, float]]:
        """Start and end of each measured window."""
        return [(min(pair), max(pair)) for pair in zip(self.moments[::2], self.moments[1::2], strict=True)]


@dataclass(frozen=True)
class Constant:
    watts: float

    def power(self, t):
        return self.watts

    def energy(self, t):
        return self.watts * t


@dataclass(frozen=True)
class Ramp:
    """From `start` W, rising by `slope` W/s."""

    start: float
    slope: float

    def power(self, t):
        return self.start + self.slope * t

    def energy(self, t):
        return self.start * t + self.slope * t * t / 2


@dataclass(frozen=True)
class Step:
    """`before` W until `at` seconds into the load, then `after` W."""

    before: float
    after: float
    at: float

    def power(self, t):
        return self.before if t < self.at else self.after

    def energy(self, t):
        return self.before * min(t, self.at) + self.after * max(0.0, t - self.at)


@dataclass(frozen=True)
class Bursts:
    """`high` W for the first `share` of each period, `low` W for the rest."""

    low: float
    high: float
    period: float
    share: float

    def power(self, t):
        return self.high if (t / self.period) % 1 < self.share else self.low

    def energy(self, t):
        whole, part = divmod(t / self.period, 1)
        full = whole * self.share + min(part, self.share)
        return self.period * (full * self.high + (whole + part - full) * self.low)


@dataclass
class Gpu:
    uuid: str
    load: object = Constant(200.0)
    idle: object = Constant(50.0)
    tick: float = 0.1
    phase: float = 0.037
    temperature: int = 60
    clock: int = 1400
    limit_watts: int = 300
    event_reasons: int = 0
    mig: int | None = None
    fields: frozenset = frozenset({INSTANT, AVERAGE})
    silent: frozenset = frozenset()  # readings that are offered by name and give 0
    module_watts: float | None = None  # of what shares a module with the GPU
    reading_tick: float = 0.0  # the power reading stands still so long
    persistence: int | None = 1
    name: str = "NVIDIA Example"
    offset_mj: int = 5_000_000
    stuck_at: float = math.inf
    reset_at: float = math.inf
    _segments: list = field(default_factory=list)

    def switch(self, time, trace):
        self._segments.append((time, trace, self.energy(time)))

    def _segment(self, time):
        return self._segments[bisect_right([begin for begin, _, _ in self._segments], time) - 1]

    def power(self, time):
        begin, trace, _ = self._segment(time)
        return trace.power(time - begin)

    def energy(self, time):
        """True joules since the first switch."""
        if not self._segments:
            return 0.0
        begin, trace, before = self._segment(time)
        return before + trace.energy(max(0.0, time - begin)) - trace.energy(0.0)

    def counter_mj(self, time):
        time = min(time, self.stuck_at)
        ticked = math.floor((time - self.phase) / self.tick) * self.tick + self.phase
        if time >= self.reset_at:
            return int(1000 * (self.energy(ticked) - self.energy(self.reset_at)))
        return self.offset_mj + int(1000 * self.energy(ticked))

    def told_power(self, time):
        return self.power(math.floor(time / self.reading_tick) * self.reading_tick if self.reading_tick else time)

    def averaged_power(self, time):
        return self.energy(time) - self.energy(time - 1)


class Library:
    """What `CDLL("libnvidia-ml.so.1")` gives. Each call takes `call_seconds` of virtual time.

    `errors` maps a function to (calls that work, error code after them); `missing` functions are not in the library.
    """

    def __init__(self, world, gpus, *, errors=None, missing=(), call_seconds=50e-6):
        self._world, self._gpus, self._errors = world, gpus, dict(errors or {})
        self._missing, self._seconds = set(missing), call_seconds
        self.calls: dict[str, int] = {}
        self.open = 0

    def __getattr__(self, name):
        body = getattr(type(self), "_" + name, None)
        if body is None or name in self._missing:
            raise AttributeError(name)
        arguments = body.arguments

        def function(*args):
            self.calls[name] = self.calls.get(name, 0) + 1
            self._world.time += self._seconds
            working, code = self._errors.get(name, (math.inf, 0))
            if self.calls[name] > working:
                return code
            return body(self, *args) or pynvml.NVML_SUCCESS

        # Kept as an attribute: ctypes callbacks must outlive their use.
        setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(function))
        return self.__dict__[name]

    def _gpu(self, handle):
        return self._gpus[handle - 1]


def c_function(*arguments):
    def declare(body):
        body.arguments = arguments
        setattr(Library, "_" + body.__name__, body)
        return body

    return declare


def put(address, kind, value):
    kind.from_address(address).value = value


def put_text(address, text):
    ctypes.memmove(address, text.encode() + b"\0", len(text) + 1)


@c_function(UINT)
def nvmlInitWithFlags(self, flags):
    self.open += 1


@c_function()
def nvmlShutdown(self):
    self.open -= 1


@c_function(POINTER, POINTER)
def nvmlDeviceGetHandleByUUID(self, uuid, out):
    uuids = [gpu.uuid for gpu in self._gpus]
    wanted = ctypes.string_at(uuid).decode()
    if wanted not in uuids:
        return pynvml.NVML_ERROR_NOT_FOUND
    return put(out, POINTER, uuids.index(wanted) + 1)


@c_function(POINTER)
def nvmlDeviceGetCount_v2(self, out):
    return put(out, UINT, len(self._gpus))


@c_function(UINT, POINTER)
def nvmlDeviceGetHandleByIndex_v2(self, index, out):
    return put(out, POINTER, index + 1)


@c_function(POINTER, POINTER, UINT)
def nvmlDeviceGetUUID(self, handle, out, length):
    return put_text(out, self._gpu(handle).uuid)


@c_function(POINTER, POINTER, UINT)
def nvmlDeviceGetName(self, handle, out, length):
    return put_text(out, self._gpu(handle).name)


@c_function(POINTER, UINT)
def nvmlSystemGetDriverVersion(self, out, length):
    return put_text(out, "570.1")


@c_function(POINTER, POINTER)
def nvmlDeviceGetPersistenceMode(self, handle, out):
    mode = self._gpu(handle).persistence
    return pynvml.NVML_ERROR_NOT_SUPPORTED if mode is None else put(out, UINT, mode)


@c_function(POINTER, POINTER, POINTER)
def nvmlDeviceGetMigMode(self, handle, current, pending):
    mode = self._gpu(handle).mig
    if mode is None:
        return pynvml.NVML_ERROR_NOT_SUPPORTED
    put(current, UINT, mode)
    return put(pending, UINT, mode)


@c_function(POINTER, POINTER)
def nvmlDeviceGetTotalEnergyConsumption(self, handle, out):
    return put(out, ULONGLONG, self._gpu(handle).counter_mj(self._world.time))


@c_function(POINTER, POINTER)
def nvmlDeviceGetPowerUsage(self, handle, out):
    return put(out, UINT, round(1000 * self._gpu(handle).averaged_power(self._world.time)))


@c_function(POINTER, ctypes.c_int32, POINTER)
def nvmlDeviceGetFieldValues(self, handle, count, out):
    gpu = self._gpu(handle)
    for value in (pynvml.c_nvmlFieldValue_t * count).from_address(out):
        value.nvmlReturn = pynvml.NVML_SUCCESS
        beside = gpu.module_watts if value.scopeId == pynvml.NVML_POWER_SCOPE_MODULE else 0.0
        if value.fieldId not in gpu.fields or beside is None:
            value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
        elif value.fieldId in gpu.silent:
            value.value.uiVal = 0
        elif value.fieldId == INSTANT:
            value.value.uiVal = round(1000 * (gpu.told_power(self._world.time) + beside))
        else:
            value.value.uiVal = round(1000 * (gpu.averaged_power(self._world.time) + beside))


@c_function(POINTER, UINT, POINTER)
def nvmlDeviceGetTemperature(self, handle, sensor, out):
    return put(out, UINT, self._gpu(handle).temperature)


@c_function(POINTER, POINTER)
def nvmlDeviceGetTemperatureV(self, handle, out):
    pynvml.c_nvmlTemperature_v1_t.from_address(out).temperature = self._gpu(handle).temperature


@c_function(POINTER, UINT, POINTER)
def nvmlDeviceGetClockInfo(self, handle, kind, out):
    return put(out, UINT, self._gpu(handle).clock)


@c_function(POINTER, POINTER)
def nvmlDeviceGetEnforcedPowerLimit(self, handle, out):
    return put(out, UINT, 1000 * self._gpu(handle).limit_watts)


@c_function(POINTER, POINTER)
def nvmlDeviceGetCurrentClocksEventReasons(self, handle, out):
    return put(out, ULONGLONG, self._gpu(handle).event_reasons)


@c_function(POINTER, POINTER)
def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle, out):
    return put(out, ULONGLONG, self._gpu(handle).event_reasons)


@c_function(UINT)
def nvmlErrorString(self, code):
    return None


def install(monkeypatch, library):
    """Let pynvml's own loader load `library`, or fail as without a driver where it is an OSError."""

    def load(name):
        assert name == "libnvidia-ml.so.1"
        if isinstance(library, OSError):
            raise library
        return library

    monkeypatch.setattr(pynvml, "CDLL", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(pynvml, "_nvmlLib_refcount", 0)


def stub_driver(directory: Path) -> dict[str, str]:
    """A driver library in C, of one GPU of 200 W; returns the variable by which a process finds it."""
    source = Path(__file__).with_name("stub_nvml.c")
    subprocess.run([c_compiler(), "-shared", "-fPIC", "-o", directory / "libnvidia-ml.so.1", source], check=True)
    return {"LD_LIBRARY_PATH": str(directory)}
