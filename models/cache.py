"""Where trained checkpoints are kept."""

from __future__ import annotations

import os
from pathlib import Path


def trained_directory() -> Path:
    """`trained` under INFLOR_BENCH_CACHE, else under the user's cache directory."""
    if os.environ.get("INFLOR_BENCH_CACHE"):
        return Path(os.environ["INFLOR_BENCH_CACHE"]) / "trained"
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inflor-bench" / "trained"
