"""The lock of a process: an flock, which the kernel takes away however the process ends. Windows has none."""

from __future__ import annotations

import os
import time
from pathlib import Path

from inflor_bench.errors import TrackInputError

try:
    import fcntl
except ImportError:
    NO_LOCKS: str | None = (
        "Runs and histories cannot be locked on this system, so nothing would keep two processes from one file: "
        "use Linux, macOS or the Windows Subsystem for Linux."
    )
else:
    NO_LOCKS = None

POLL_SECONDS = 0.02


def take_lock(path: Path, flags: int, mode: int = 0o666, *, seconds: float) -> int:
    """Open a file or directory and lock it, until the descriptor that is returned, and all copies of it, are closed.

    Raises:
        TrackInputError: This system has no such lock.
        BlockingIOError: Another process held it for all of the seconds that it may be waited for.
        OSError: It cannot be opened, or its file system has no such lock.
    """
    if NO_LOCKS is not None:
        raise TrackInputError(NO_LOCKS)
    descriptor = os.open(path, flags, mode)
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise
