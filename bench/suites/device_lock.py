"""One measurement of time and power a device at a time, among all processes of a user on a machine.

The lock is an flock, which the kernel takes away from a process that is killed. It lies where every process of the user
looks, whatever its caches and temporary files are.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

PLACE = Path("/tmp")  # not TMPDIR, of which every job may have its own
# A measurement of one cell or pair takes minutes.
PATIENCE_SECONDS = 1800.0
POLL_SECONDS = 0.2


class DeviceBusyError(Exception):
    """Another measurement kept the device for longer than anybody waits; the sentence says so."""


@contextmanager
def device_lock(device: torch.device, waiting: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Hold the device; `waiting` is entered while another process does. Where no file can be made, nothing is held.

    Raises:
        DeviceBusyError: another process held it for `PATIENCE_SECONDS`.
    """
    try:
        descriptor = _opened(_name(device))
    except OSError:  # `no_lock` has told
        yield
        return
    try:
        if not _is_taken(descriptor):
            with waiting():
                _wait_for(descriptor, device)
        yield
    finally:
        os.close(descriptor)


def no_lock() -> str | None:
    """Why devices cannot be locked on this machine, so that two measurements may run at once; None if they can."""
    try:
        descriptor = _opened("any")
    except OSError as error:
        return f"{_directory()} cannot be used for locks: {error.strerror}"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return f"{_directory()} is on a file system without locks: {error.strerror}"
    finally:
        os.close(descriptor)
    return None


def _directory() -> Path:
    return PLACE / f"inflor-bench-{os.getuid()}"


def _opened(name: str) -> int:
    """A file for locks. The place is everybody's, so what somebody else has put there is refused."""
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to somebody else")
    path = directory / f"{socket.gethostname()}-{name}.lock"  # several machines may share the place
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _is_taken(descriptor: int) -> bool:
    """Whether the lock is ours now; also where there are none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # `no_lock` has told
        pass
    return True


def _wait_for(descriptor: int, device: torch.device) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not _is_taken(descriptor):
        if time.monotonic() > until:
            minutes = PATIENCE_SECONDS / 60
            raise DeviceBusyError(f"another measurement on {device} was not done within {minutes:g} minutes")
        time.sleep(POLL_SECONDS)


def _name(device: torch.device) -> str:
    """The CPU, or a GPU by what it is called on every machine and in every process."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else device.type
