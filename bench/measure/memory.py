"""Peak memory while one batch runs: what CUDA allocated, or the resident set of this process on a host.

Linux keeps the highest resident set as VmHWM and starts it anew when "5" is written to clear_refs (proc(5)). Where
either cannot be had, the peak is unavailable: a peak since the start of the process would be one of loading data.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from inflor_bench.measure.unavailable import Unavailable

PROC = Path("/proc/self")
# The kernel counts pages per CPU and adds them up now and then: a fresh peak may stand this far above the resident set.
RESET_SLACK_BYTES = 4 << 20


@dataclass(frozen=True)
class Memory:
    """Peak memory in bytes: in all, above what stood before, and what the parameters alone take."""

    kind: Literal["host_peak_rss", "cuda_peak_allocated"]
    batch_size: int
    peak_bytes: int
    above_baseline_bytes: int
    parameter_bytes: int


def parameter_bytes(module: nn.Module) -> int:
    """Bytes of all parameters; one that is shared counts once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def peak_memory(
    call: Callable[[], object], module: nn.Module, *, batch_size: int, device: torch.device, proc: Path = PROC
) -> Memory | Unavailable:
    """Run `call`, one batch of `batch_size` samples through `module` on `device`, and read the peak.

    Run it once before: what the first call allocates for good is not what a batch needs. `proc` is for tests.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device)
        return Memory("cuda_peak_allocated", batch_size, peak, peak - before, parameter_bytes(module))
    if device.type != "cpu":
        return Unavailable(f"unknown_device: peak memory is not measured on {device.type}.")
    _return_freed_memory()
    before_or_not = _reset_peak(proc)
    if isinstance(before_or_not, Unavailable):
        return before_or_not
    call()
    peak = _status_bytes(proc)["VmHWM"]
    return Memory("host_peak_rss", batch_size, peak, max(0, peak - before_or_not), parameter_bytes(module))


def _return_freed_memory() -> None:
    """Ask the C library to return freed memory to the system, else a batch fits into what another one left behind."""
    trim = getattr(ctypes.pythonapi, "malloc_trim", None)  # in all that is loaded; CDLL(None) is refused by Windows
    if trim is not None:
        trim(0)


def _reset_peak(proc: Path) -> int | Unavailable:
    """Start the peak anew and return the resident set, bytes."""
    try:
        (proc / "clear_refs").write_text("5")
        status = _status_bytes(proc)
    except OSError as error:
        return Unavailable(f"peak_rss_not_readable: {error.filename}: {error.strerror}; Linux with /proc is needed.")
    if not {"VmHWM", "VmRSS"} <= status.keys():
        return Unavailable(f"peak_rss_not_readable: {proc / 'status'} has no VmHWM and VmRSS.")
    if status["VmHWM"] > status["VmRSS"] + RESET_SLACK_BYTES:
        return Unavailable("peak_rss_not_resettable: this kernel ignores a write to clear_refs.")
    return status["VmRSS"]


def _status_bytes(proc: Path) -> dict[str, int]:
    """Memory entries of /proc/self/status, in bytes."""
    lines = (proc / "status").read_text().splitlines()
    parts = [line.split() for line in lines]
    return {part[0].rstrip(":"): int(part[1]) * 1024 for part in parts if len(part) == 3 and part[2] == "kB"}
