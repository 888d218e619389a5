"""Where what can be made again is kept: trained cells, fetched data, what was read of runs, native libraries."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def cache_directory() -> Path:
    """INFLOR_BENCH_CACHE, else the user's cache directory.

    A user without a home gets a directory that this process, and those that it starts, have for themselves.
    """
    if os.environ.get("INFLOR_BENCH_CACHE"):
        return Path(os.environ["INFLOR_BENCH_CACHE"])
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "inflor-bench"
    except RuntimeError:  # a number that passwd does not know, and no HOME
        own = tempfile.mkdtemp(prefix="inflor-bench-")
        os.environ["INFLOR_BENCH_CACHE"] = own
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return Path(own)
