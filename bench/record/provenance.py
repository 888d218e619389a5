"""Where a record comes from: the commit, the machine, the versions."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path

from inflor_bench.record.origin import Machine

_PACKAGES = ("inflor-bench", "torch", "torchvision", "numpy", "scipy", "pytest", "pytest-benchmark", "pydantic")


def machine(threads: int, *, shared: str | None = None) -> Machine:
    """Return this machine as far as time and power depend on it, with the hash of that.

    `shared` says what else of ours runs on it meanwhile, or may: such times are compared with each other only.
    """
    preimage = {
        "cpu": _cpu_brand(),
        "cpu_flags": _cpu_flags(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "gpu": _gpu(),
        "os": _os_image(),
        "torch": _version("torch") or "none",
        "python": platform.python_version(),
        "threads": str(threads),
    }
    if shared:
        preimage["shared"] = shared
    text = json.dumps(preimage, sort_keys=True)
    return Machine(fingerprint=hashlib.sha256(text.encode("utf-8")).hexdigest()[:12], preimage=preimage)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results can depend on, where they are installed."""
    found = {name: version for name in _PACKAGES if (version := _version(name))}
    return {"python": platform.python_version(), **found}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpuinfo(key: str) -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else None


def _cpu_brand() -> str:
    if brand := _cpuinfo("model name"):
        return brand
    parts = [_cpuinfo("CPU implementer"), _cpuinfo("CPU part")]  # Arm cores name themselves by numbers
    if all(parts):
        return " ".join(["Arm", *(part for part in parts if part)])
    return platform.processor() or platform.machine() or "unknown"


def _cpu_flags() -> str:
    flags = _cpuinfo("flags") or _cpuinfo("Features")
    if flags is None:
        return "unknown"
    return hashlib.sha256(" ".join(sorted(set(flags.split()))).encode("ascii", "replace")).hexdigest()[:12]


def _gpu() -> str:
    """Return the names of all GPUs and the driver's version; "none" where no driver can be read.

    "unknown" where another module than that of nvidia-ml-py bears its name.
    """
    try:
        import pynvml

        no_driver = pynvml.NVMLError
    except Exception:  # a module of the user's, which may raise anything
        return "unknown"
    try:
        pynvml.nvmlInit()
        try:
            names = [
                pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index))
                for index in range(pynvml.nvmlDeviceGetCount())
            ]
            return f"{', '.join(names)}; driver {pynvml.nvmlSystemGetDriverVersion()}" if names else "none"
        finally:
            pynvml.nvmlShutdown()
    except no_driver:
        return "none"
    except (AttributeError, TypeError):  # an older one lacks functions, and gives bytes
        return "unknown"


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
