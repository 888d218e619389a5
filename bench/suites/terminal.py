"""The one console that everything live shares: two of them would write over each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@functools.cache
def terminal() -> Console:
    """Standard error as a console."""
    return Console(stderr=True, soft_wrap=True)


@contextmanager
def waited_for(device: object) -> Iterator[None]:
    """Say, on a terminal or in a log, that another measurement on the device is waited for."""
    said = f"waiting until another measurement on {device} is done"
    if not terminal().is_terminal:
        terminal().print(said, highlight=False)
    with terminal().status(said):
        yield
