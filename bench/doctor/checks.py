"""What can be found out at once: meters, clocks, load, tools. Imports no torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from inflor_bench.doctor.check import Check, by_reason, careful
from inflor_bench.measure.power.clocks import cpu_clock_mhz
from inflor_bench.measure.power.inventory import Gpu, inventory
from inflor_bench.measure.power.rapl import RaplMeter
from inflor_bench.measure.unavailable import Unavailable

BUSY = 0.25  # load per CPU above which rounds meet other programs
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def quick_checks(root: Path = Path("/")) -> Iterator[Check]:
    """Look at everything that is quick to look at. `root` is for tests."""
    yield from careful("GPU energy", lambda: gpu_checks())
    yield from careful("CPU energy", lambda: [_rapl(root)])
    yield Check("CPU time", "yes", "CPU-seconds per inference, under that name; --tdp adds an estimate of J")
    yield from careful("CPU clock", lambda: [_governor(root)])
    yield from careful("CPU load", lambda: [_load(root)])
    yield from careful("compiler", lambda: [_compiler()])
    yield from careful("chromium", lambda: [_chromium()])


def gpu_checks() -> Iterator[Check]:
    """The driver and its GPUs."""
    found = inventory()
    if isinstance(found, Unavailable):
        yield by_reason("GPU energy", found.reason)
        return
    if not found.gpus:
        yield Check("GPU energy", "no", f"driver {found.driver} knows no GPU", "give this machine, or container, a GPU")
    for gpu in found.gpus:
        yield _energy(gpu, found.driver)
        if gpu.persistence is False:
            yield Check(
                "GPU driver",
                "mind",
                f"{gpu.name}: persistence mode is off, so the first run after a pause waits for the driver",
                "an administrator runs `nvidia-smi -pm 1`",
            )


def _energy(gpu: Gpu, driver: str) -> Check:
    name = f"{gpu.name} ({gpu.uuid}), driver {driver}"
    if gpu.sliced:
        return Check(
            "GPU energy",
            "no",
            f"{name}: it is sliced (MIG), and the power of a slice cannot be told apart",
            "measure on a GPU without MIG; an administrator turns it off with `nvidia-smi -mig 0`",
        )
    if gpu.energy is None:
        check = "" if gpu.power else ", checked by polled power"
        return Check("GPU energy", "yes", f"{name}: by the energy counter{check}")
    if gpu.power is None:
        return Check("GPU energy", "yes", f"{name}: by polled power; the counter: {gpu.energy}")
    return by_reason("GPU energy", f"{name}: {gpu.power}")


def _rapl(root: Path) -> Check:
    absent = RaplMeter(root / "sys/class/powercap").probe()
    if absent is None:
        return Check("CPU energy", "yes", "by RAPL: packages and memory, of everything that runs on this machine")
    return by_reason("CPU energy", absent.reason)


def _governor(root: Path) -> Check:
    clock = cpu_clock_mhz(root)
    now = "" if clock is None else f", {clock:.0f} MHz now"
    try:
        governor = (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return Check("CPU clock", "yes", f"no governor is told, as in a virtual machine{now}")
    if governor == "performance":
        return Check("CPU clock", "yes", f"governor {governor}{now}")
    return Check(
        "CPU clock",
        "mind",
        f"governor {governor}{now}: clocks follow the load, and so do times",
        "an administrator runs `cpupower frequency-set -g performance`",
    )


def _load(root: Path) -> Check:
    load, cpus = float((root / "proc/loadavg").read_text().split()[0]), os.cpu_count() or 1
    text = f"{load:.1f} on {cpus} CPUs over the last minute"
    if load <= BUSY * cpus:
        return Check("CPU load", "yes", text)
    return Check("CPU load", "mind", f"{text}: other programs will stand in the rounds", "stop them, or wait")


def _compiler() -> Check:
    asked = os.environ.get("CXX") or "g++"
    found = shutil.which(asked) or shutil.which("clang++")
    if os.environ.get("INFLOR_BENCH_EAGER"):
        return Check("compiler", "mind", "INFLOR_BENCH_EAGER is set, so neurons run eagerly", "unset it")
    if found is None:
        return Check("compiler", "mind", f"no {asked}, so neurons run eagerly, slower", "apt-get install g++")
    return Check("compiler", "yes", f"{found}: neurons are compiled")


def _chromium() -> Check:
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        return Check(
            "chromium", "mind", "none; the tests need one, measuring and reports do not", "apt-get install chromium"
        )
    return Check("chromium", "yes", f"{found}, for the tests")
