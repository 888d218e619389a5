"""Where what can be made again is kept: trained cells, what was read of runs, native libraries."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """INFLOR_BENCH_CACHE, else the user's cache directory."""
    if os.environ.get("INFLOR_BENCH_CACHE"):
        return Path(os.environ["INFLOR_BENCH_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inflor-bench"
