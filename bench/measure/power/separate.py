"""The meters are read in a process of their own, while the load runs in the caller's thread.

A thread would take the interpreter from the load at every reading. The load stays in the caller's thread because
inference mode, autocast and the current GPU belong to a thread. Both processes read the same clock, so that their
moments can be compared. What is sent between them is text: `__main__` is the other end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from random import Random

from inflor_bench.measure.power.observation import Observation, no_meter
from inflor_bench.measure.power.profile import Profile
from inflor_bench.measure.power.progress import Completions
from inflor_bench.measure.power.protocol import Meter
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.process import Process, python

# What the watching process says besides its result, a line each.
LOAD, COMPLETED = "load", "completed"
# A process that has been told to stop does so at its next reading, unless the driver holds it.
STOP_SECONDS = 5.0
# Five windows over the slowest load that anybody measures; a process that the driver holds longer is ended.
LIMIT_SECONDS = 3600.0


class SeparateProcess:
    """Has the meters watched by another process."""

    def observe(
        self, call: Callable[[], object], meters: Sequence[Meter], profile: Profile, random: Random
    ) -> tuple[Observation | Unavailable, Callable[[float], float]]:
        """Repeat `call` while the meters are watched; gives also how many iterations were done by a moment.

        An error of `call` is passed on.
        """
        completions = Completions()
        reasons = [unavailable.reason for meter in meters if (unavailable := meter.probe())]
        if len(reasons) == len(meters):
            return no_meter(reasons), completions.iterations_at
        request = {
            "meters": [[type(meter).__module__, type(meter).__qualname__, *meter.arguments] for meter in meters],
            "profile": asdict(profile),
            "seed": random.getrandbits(64),
        }
        where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # its modules are found where ours are
        with Process(python("-m", "inflor_bench.measure.power"), env=where, grace=STOP_SECONDS) as process:
            result = _run(call, process, request, completions)
            said = process.last_words()
        return _read(result, said), completions.iterations_at


def _run(call: Callable[[], object], process: Process, request: object, completions: Completions) -> bytes | None:
    """Repeat `call` from when the other process asks for it until that ends; the line that it said last."""
    wanted, ended = threading.Event(), threading.Event()
    results: list[bytes] = []

    def answer() -> None:
        for line in process.out:
            if line.decode().strip() == LOAD:
                wanted.set()
            elif line.decode().strip() == COMPLETED:
                process.send(len(completions.moments))
            else:
                results.append(line)
        ended.set()
        wanted.set()

    thread = threading.Thread(target=answer, name="power meter", daemon=True)
    thread.start()
    limit = threading.Timer(LIMIT_SECONDS, process.popen.kill)
    limit.daemon = True
    limit.start()
    try:
        process.send(request)
        wanted.wait()
        completions.start = time.perf_counter()
        while not ended.is_set():
            call()
            completions.moments.append(time.perf_counter())
    finally:
        limit.cancel()
        limit.join()
        process.close_input()
        thread.join(STOP_SECONDS)
    return results[-1] if results else None


def _read(result: bytes | None, said: str) -> Observation | Unavailable:
    """The other process's result, or what it said instead."""
    from pydantic import TypeAdapter, ValidationError

    try:
        found: Observation | Unavailable = TypeAdapter(Observation | Unavailable).validate_json(result or b"")
    except ValidationError:
        why = said or f"killed, or not done within {LIMIT_SECONDS:g} s"
        return Unavailable(f"meter_process_failed: the process that reads the power meter ended: {why}.")
    return found
