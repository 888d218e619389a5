"""One measurement of latency and power a device at a time, among all processes of a user on a machine.

The kernel takes the lock away from a process that is killed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from bench.track.errors import TrackInputError
from bench.track.lock import take_lock


@contextmanager
def device_lock(
    device: torch.device, cache: Path, waiting: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Hold the device; `waiting` is entered while another process does. Without locks nothing is held."""
    path = cache / "devices" / f"{socket.gethostname()}-{_name(device)}.lock"  # the cache may be of many machines
    descriptor = _take(path, waiting)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _take(path: Path, waiting: Callable[[], AbstractContextManager[None]]) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return take_lock(path, os.O_RDWR | os.O_CREAT, 0o600, wait=False)
        except BlockingIOError:
            with waiting():
                return take_lock(path, os.O_RDWR | os.O_CREAT, 0o600, wait=True)
    except (OSError, TrackInputError):
        return None


def _name(device: torch.device) -> str:
    """The CPU, or a GPU by what it is called on every machine and in every process."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else device.type
