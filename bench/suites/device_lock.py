"""One measurement of time and power a device at a time, among all processes of a user on a machine.

The lock is an flock, which the kernel takes away from a process that is killed. It lies where every process of the user
looks, whatever its caches and temporary files are.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import torch

from bench.track import lock

PLACE = Path("/tmp")  # not TMPDIR, of which every job may have its own
# A measurement of one cell or pair takes minutes.
PATIENCE_SECONDS = 1800.0
POLL_SECONDS = 0.2
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class DeviceBusyError(Exception):
    """Another measurement kept the device for longer than anybody waits; the sentence says so."""


@contextmanager
def device_lock(device: torch.device, waiting: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Hold the device; `waiting` is entered while another process does. Where no file can be made, nothing is held.

    Raises:
        DeviceBusyError: another process held it for `PATIENCE_SECONDS`.
    """
    if lock.NO_LOCKS is not None:
        yield
        return
    try:
        path = _file(_name(device))
        try:
            descriptor = lock.take_lock(path, _FLAGS, 0o600)
        except BlockingIOError:
            with waiting():
                descriptor = _wait_for(path, device)
    except OSError:  # `no_lock` has told
        yield
        return
    try:
        yield
    finally:
        os.close(descriptor)


def no_lock() -> str | None:
    """Why devices cannot be locked on this machine, so that two measurements may run at once; None if they can."""
    if lock.NO_LOCKS is not None:
        return "this system has no locks"
    try:
        os.close(lock.take_lock(_file("any"), _FLAGS, 0o600))
    except BlockingIOError:  # another process looks
        pass
    except OSError as error:
        return f"{_directory()} cannot be used for locks: {error.strerror}"
    return None


def _directory() -> Path:
    return PLACE / f"inflor-bench-{os.getuid()}"


def _file(name: str) -> Path:
    """A file for locks. The place is everybody's, so what somebody else has put there is refused."""
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to somebody else")
    return directory / f"{socket.gethostname()}-{name}.lock"  # several machines may share the place


def _wait_for(path: Path, device: torch.device) -> int:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(BlockingIOError):
            return lock.take_lock(path, _FLAGS, 0o600)
        if time.monotonic() > until:
            minutes = PATIENCE_SECONDS / 60
            raise DeviceBusyError(f"another measurement on {device} was not done within {minutes:g} minutes")
        time.sleep(POLL_SECONDS)


def _name(device: torch.device) -> str:
    """The CPU, or a GPU by what it is called on every machine and in every process."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else device.type
