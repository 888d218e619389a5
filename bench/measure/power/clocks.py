"""Clocks of the CPU, as Linux tells them."""

from __future__ import annotations

import re
import statistics
from pathlib import Path


def cpu_clock_mhz(root: Path = Path("/")) -> float | None:
    """Mean clock of all CPUs, MHz; None where nothing tells it. `root` is for tests."""
    clocks = []
    for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"):
        try:
            clocks.append(int(path.read_text()) / 1e3)
        except (OSError, ValueError):
            continue
    if not clocks:
        try:
            text = (root / "proc/cpuinfo").read_text("utf-8", "replace")
        except OSError:
            return None
        clocks = [float(found) for found in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)\s*$", text, re.MULTILINE)]
    return statistics.fmean(clocks) if clocks else None
