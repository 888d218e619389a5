"""Conditions under which a pass may be timed besides the usual: cold caches, and replayed as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from inflor_bench.measure.unavailable import Unavailable

CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
CAPTURE_WARM_UP = 3


def evict_caches(device: torch.device, caches: Path = CPU_CACHES) -> tuple[Callable[[], None], int] | Unavailable:
    """Return what drives everything out of the last-level cache, by writing twice its size, and the bytes it writes.

    `caches` is for tests.
    """
    if device.type == "cuda":
        size = int(torch.cuda.get_device_properties(device).L2_cache_size)
    elif device.type == "cpu":
        size = _last_level_bytes(caches)
    else:
        return Unavailable(f"unknown_device: the caches of {device.type} devices are not known.")
    if size <= 0:
        return Unavailable(f"cache_size_unknown: the size of the last-level cache of {device.type} is not told.")
    buffer = torch.empty(2 * size, dtype=torch.uint8, device=device)

    def evict() -> None:
        buffer.add_(1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return evict, buffer.numel()


def _last_level_bytes(caches: Path) -> int:
    """Size of the largest cache of the first CPU, bytes; 0 where Linux does not tell."""
    sizes = [0]
    for path in caches.glob("index*/size"):
        try:
            text = path.read_text().strip()
            sizes.append(int(text.rstrip("KM")) * {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1))
        except (OSError, ValueError):
            continue
    return max(sizes)


def cuda_graph(call: Callable[[], object], device: torch.device) -> Callable[[], None] | Unavailable:
    """Capture a call, which always reads the same inputs, as a CUDA graph, and return what replays it.

    The call is not synchronised, nor is what is returned.
    """
    if device.type != "cuda":
        return Unavailable(f"no_cuda: a CUDA graph needs an NVIDIA GPU; this runs on {device.type}.")
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(CAPTURE_WARM_UP):
                call()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                call()
        except RuntimeError as error:
            return Unavailable(f"capture_failed: this forward pass cannot become a CUDA graph: {_first_line(error)}")
    return lambda: _replay(graph, device)


def _replay(graph: torch.cuda.CUDAGraph, device: torch.device) -> None:
    with torch.cuda.device(device):
        graph.replay()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
