"""Real time: a load runs in the caller's thread while a thread of its own watches the meters.

The load stays in the caller's thread because inference mode, autocast and the current GPU belong to a thread.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """How far the load has come, for whoever watches it."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def completed(self) -> int:
        """Number of iterations that are complete by now."""
        ...

    def iterations_at(self, moment: float) -> float:
        """Iterations done by a moment, with the share of the one that was running. Known once the load has ended."""
        ...


class Timeline(Protocol):
    """Where time passes. Tests have one of their own."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def run(self, call: Callable[[], object] | None, watch: Callable[[Progress], T]) -> T:
        """Repeat `call` until `watch` returns, and return what it returned. None for an idle device."""
        ...


class LoadEndedError(Exception):
    """Tells the watcher that the load failed; the caller sees the load's own error."""


class _RealProgress:
    def __init__(self, now: Callable[[], float]) -> None:
        self.start = now()
        self.completions: list[float] = []
        self.ended = threading.Event()

    def wait(self, seconds: float) -> None:
        if self.ended.wait(seconds):
            raise LoadEndedError

    def completed(self) -> int:
        return len(self.completions)

    def iterations_at(self, moment: float) -> float:
        done = bisect_right(self.completions, moment)
        if done == len(self.completions):
            return float(done)
        began = self.completions[done - 1] if done else self.start
        return done + (moment - began) / (self.completions[done] - began)


class RealTime:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds of the performance counter."""
        return time.perf_counter()

    def run(self, call: Callable[[], object] | None, watch: Callable[[Progress], T]) -> T:
        """Repeat `call` in this thread, watched from another, until the watcher returns."""
        progress = _RealProgress(self.now)
        if call is None:
            return watch(progress)
        results: list[T] = []
        errors: list[BaseException] = []
        finished = threading.Event()

        def watcher() -> None:
            try:
                results.append(watch(progress))
            except LoadEndedError:
                pass
            except BaseException as error:
                errors.append(error)
            finally:
                finished.set()

        thread = threading.Thread(target=watcher, name="power meter", daemon=True)
        thread.start()
        try:
            while not finished.is_set():
                call()
                progress.completions.append(self.now())
        finally:
            progress.ended.set()
            thread.join()
        if errors:
            raise errors[0]
        return results[0]
