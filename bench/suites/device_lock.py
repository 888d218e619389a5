"""One measurement of latency and power a device at a time, among all processes of a user on a machine.

The lock is an flock, which the kernel takes away from a process that is killed.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch


@contextmanager
def device_lock(
    device: torch.device, cache: Path, waiting: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Hold the device; `waiting` is entered while another process does. Where no file can be made, nothing is held."""
    try:
        path = cache / "devices" / f"{socket.gethostname()}-{_name(device)}.lock"  # the cache may be of many machines
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _take(descriptor, waiting)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, waiting: Callable[[], AbstractContextManager[None]]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with waiting():
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        pass


def _name(device: torch.device) -> str:
    """The CPU, or a GPU by what it is called on every machine and in every process."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else device.type
