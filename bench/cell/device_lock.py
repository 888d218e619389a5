"""One measurement of time and power a device at a time, among all processes of a user on a machine.

The kernel takes the lock away from a process that is killed. It lies where every process of the user looks, whatever
its caches and temporary files are.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from inflor_bench import lock
from inflor_bench.errors import TrackInputError

PLACE = Path("/tmp")  # not TMPDIR, of which every job may have its own
# A measurement of one cell or pair takes minutes.
PATIENCE_SECONDS = 1800.0


class DeviceBusyError(Exception):
    """Another measurement kept the device for longer than anybody waits; the sentence says so."""


@contextmanager
def device_lock(device: torch.device, waiting: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Hold the device; `waiting` is entered while another process does. Without locks nothing is held.

    Raises:
        DeviceBusyError: another process held it for `PATIENCE_SECONDS`.
    """
    descriptor = _take(device, waiting)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def no_lock() -> str | None:
    """Why devices cannot be locked on this machine, so that two measurements may run at once; None if they can."""
    try:
        os.close(_locked(f"process-{os.getpid()}", 0.0))
        _path(f"process-{os.getpid()}").unlink()
    except TrackInputError as error:
        return str(error).removesuffix(".")
    except OSError as error:
        return f"{_directory()} cannot be used for locks: {error.strerror}"
    return None


def _take(device: torch.device, waiting: Callable[[], AbstractContextManager[None]]) -> int | None:
    try:
        try:
            return _locked(_name(device), 0.0)
        except BlockingIOError:
            with waiting():
                return _locked(_name(device), PATIENCE_SECONDS)
    except BlockingIOError:
        minutes = PATIENCE_SECONDS / 60
        raise DeviceBusyError(f"another measurement on {device} was not done within {minutes:g} minutes") from None
    except (OSError, TrackInputError):  # `no_lock` tells
        return None


def _locked(name: str, seconds: float) -> int:
    """The lock of a name. The place is everybody's, so what somebody else has put there is refused."""
    if lock.NO_LOCKS is not None:  # nor users
        raise TrackInputError(lock.NO_LOCKS)
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to somebody else")
    return lock.take_lock(_path(name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, seconds=seconds)


def _directory() -> Path:
    return PLACE / f"inflor-bench-{os.getuid()}"


def _path(name: str) -> Path:
    return _directory() / f"{socket.gethostname()}-{name}.lock"  # several machines may share the place


def _name(device: torch.device) -> str:
    """The CPU, or a GPU by what it is called on every machine and in every process."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else device.type
