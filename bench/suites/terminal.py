"""The one console that everything live shares: two of them would write over each other."""

from __future__ import annotations

import functools

from rich.console import Console


@functools.cache
def terminal() -> Console:
    """Standard error as a console."""
    return Console(stderr=True, soft_wrap=True)
