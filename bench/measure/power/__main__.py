"""The process that reads the meters: `separate` starts it, and is the other end of its pipes.

It ends at once when the pipe from there is closed, which also happens when that process is killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from random import Random
from typing import TypeVar

from inflor_bench.measure.power.observation import observe
from inflor_bench.measure.power.profile import Profile
from inflor_bench.measure.power.progress import LoadEndedError, Progress
from inflor_bench.measure.power.separate import COMPLETED, LOAD

T = TypeVar("T")


class _Elsewhere:
    """The load of the process at the other end of the pipes."""

    now = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self._read = b""

    def at_rest(self, watch: Callable[[Progress], T]) -> T:
        return watch(self)

    def under_load(self, watch: Callable[[Progress], T]) -> T:
        print(LOAD, flush=True)
        return watch(self)

    def wait(self, seconds: float) -> None:
        if select.select([0], [], [], seconds)[0]:  # nothing is said unasked: the pipe is closed
            raise LoadEndedError

    def completed(self) -> int:
        print(COMPLETED, flush=True)
        return int(self.line())

    def line(self) -> bytes:
        """The next line that the other process says."""
        while b"\n" not in self._read:
            more = os.read(0, 1 << 16)
            if not more:
                raise LoadEndedError
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line


def main() -> None:
    """Watch what is asked for, and say what was seen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which then closes the pipe
    elsewhere = _Elsewhere()
    try:
        request = json.loads(elsewhere.line())
        meters = [getattr(import_module(module), name)(*arguments) for module, name, *arguments in request["meters"]]
        found = observe(meters, Profile(**request["profile"]), Random(request["seed"]), elsewhere)
        print(json.dumps(asdict(found)), flush=True)
    except (LoadEndedError, BrokenPipeError):
        sys.exit(1)


if __name__ == "__main__":
    main()
