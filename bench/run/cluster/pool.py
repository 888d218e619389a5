"""Jobs as tasks of Ray: with their CPUs and GPUs, tried again where a worker is lost, stopped where they take too long.

A job takes as many CPUs of the cluster as it would have threads here, and has so many threads there: sums that depend
on the number of threads are then the same. OMP_NUM_THREADS, set by whoever calls, decides both.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from inflor_bench.errors import SuiteInputError
from inflor_bench.layout import package_directory
from inflor_bench.run.stoppable import too_long

try:
    import ray
    import ray.exceptions
except ImportError as error:
    raise SuiteInputError(
        f"Ray cannot be imported ({error}): install it by `pip install 'inflor-bench[sweep]'`."
    ) from None

RETRIES = 3
# Jobs that Ray knows of at a time. It looks at all of them whenever it waits, so their number bounds what that costs.
IN_FLIGHT = 256
_POLL_SECONDS = 1.0

# What a job is called with first: it tells by "begin", "hold" and "go on" when its time counts.
Note = Callable[[str], object]


class InterruptedTaskError(Exception):
    """A job was told to stop by its worker's machine; it is tried again elsewhere."""


@dataclass(frozen=True)
class Lost:
    """A job that has no result, and why."""

    reason: str


class Pool:
    """Ray, connected to while it is entered. `address` "" starts one on this machine, which ends with it.

    A job takes a GPU, and has it for itself, if `gpu` is True; None: if there is one.

    Raises:
        SuiteInputError: there is no Ray at the address, or no node that a job fits on.
    """

    def __init__(self, address: str, *, gpu: bool | None) -> None:
        self._address, self._wanted = address, gpu
        self.threads = torch.get_num_threads()

    def __enter__(self) -> Self:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        passed = {name: value for name, value in os.environ.items() if name.startswith("INFLOR_BENCH_")}
        environment: dict[str, Any] = {"env_vars": {**passed, "OMP_NUM_THREADS": str(self.threads)}}
        try:
            _check_reachable(self._address)
            with tempfile.TemporaryDirectory(prefix="inflor-bench-") as copy:
                if self._address:  # other machines get the very code that runs here
                    environment["py_modules"] = [str(package_directory(Path(copy)))]
                ray.init(
                    address=self._address or "local",
                    runtime_env=environment,
                    include_dashboard=None if self._address else False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (OSError, ValueError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SuiteInputError(
                f"Ray at {self._address or 'this machine'!r} cannot be reached ({reason}): start it by `ray start`, or "
                "leave the address out."
            ) from None
        nodes: Any = ray.nodes
        self._nodes = [node["Resources"] for node in nodes() if node["Alive"]]
        has_gpu = any(node.get("GPU", 0) >= 1 for node in self._nodes)
        self._gpu = has_gpu if self._wanted is None else self._wanted
        if not any(self._fits(node, 1) for node in self._nodes):
            ray.shutdown()
            what = f"{self.threads} CPUs{' and a GPU' if self._gpu else ''}"
            raise SuiteInputError(f"No node of Ray has the {what} that a cell takes: set OMP_NUM_THREADS lower.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()

    @property
    def shared(self) -> bool:
        """Whether two jobs may run on one node at a time."""
        return any(self._fits(node, 2) for node in self._nodes)

    def _fits(self, node: dict[str, float], jobs: int) -> bool:
        return node.get("CPU", 0) >= jobs * self.threads and (not self._gpu or node.get("GPU", 0) >= jobs)

    def run(
        self,
        function: Callable[..., Any],
        common: tuple[Any, ...],
        jobs: Sequence[tuple[str, Any]],
        timeout: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[str, Any]]:
        """Call `function(note, *common, job)` of every job and give its name and result, or `Lost`, as they come.

        It ends early once `stopped` says so, which is asked about every second.
        """
        options = {"num_cpus": self.threads, "num_gpus": int(self._gpu), "max_retries": RETRIES}
        remote: Any = ray.remote
        task = remote(**options, retry_exceptions=[InterruptedTaskError])(_call)
        clock = remote(num_cpus=0, max_restarts=-1)(_Clock).remote() if timeout is not None else None
        shared = [ray.put(value) for value in common]
        waiting = iter(jobs)
        running: dict[Any, str] = {}
        late: set[str] = set()
        while True:
            for name, job in islice(waiting, IN_FLIGHT - len(running)):
                running[task.remote(function, name, clock, *shared, job)] = name
            if not running or stopped():
                return
            done, _ = ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS)
            for reference in done:
                name = running.pop(reference)
                yield name, _result(reference, too_long(timeout) if timeout is not None and name in late else None)
            if clock is not None and timeout is not None:
                by_name = {name: reference for reference, name in running.items()}
                for name in ray.get(clock.late.remote(timeout)):
                    if name in by_name and name not in late:
                        late.add(name)
                        ray.cancel(by_name[name], force=True)  # kills the worker, whatever it does


def _check_reachable(address: str) -> None:
    """Raise OSError where nobody listens at an address host:port. Ray itself would end this process then."""
    match = re.fullmatch(r"(?:ray://)?([^/:]+):([0-9]{1,5})", address)
    if match is not None:
        socket.create_connection((match[1], int(match[2])), timeout=10).close()


def _result(reference: Any, stopped: str | None) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if error.cause is not None else error
        return Lost(str(cause) or type(cause).__name__)
    except ray.exceptions.RayError as error:
        if stopped is not None:
            return Lost(stopped)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Lost(f"Ray lost its worker {RETRIES + 1} times, the last time so: {first}")


def _call(function: Callable[..., Any], name: str, clock: Any, *arguments: Any) -> Any:
    """Run a job in a worker of Ray."""

    def note(kind: str) -> None:
        if clock is not None:
            ray.get(clock.note.remote(name, kind))  # waited for: what comes next may never let go

    return function(note, *arguments)


class _Clock:
    """Knows how long each job has been running, by one clock of the cluster; an actor of Ray."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._spent: dict[str, float] = {}

    def note(self, name: str, kind: str) -> None:
        now = time.monotonic()
        if kind == "begin":
            self._spent[name] = 0.0
        elif kind == "hold":
            self._spent[name] = self._spent.get(name, 0.0) + now - self._since.get(name, now)
        if kind in ("begin", "go on"):
            self._since[name] = now
        else:
            self._since.pop(name, None)

    def late(self, seconds: float) -> list[str]:
        now = time.monotonic()
        return [name for name, since in self._since.items() if self._spent.get(name, 0.0) + now - since > seconds]
