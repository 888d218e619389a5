"""The contestants' processes, as their parent sees them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Self

import inflor_bench
from inflor_bench.process import EndedError, LateError, Process
from tests.peers.benchmark.failure import ContestantError

ANSWER_SECONDS = 600.0


class Workers:
    """One process a contestant, running tests.peers.benchmark.worker: started when it is first asked, anew if it ended.

    Args:
        threads: threads that torch may use in it.
        answer_seconds: how long an answer may take.
    """

    def __init__(self, threads: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._threads, self._answer_seconds = threads, answer_seconds
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.close()

    def _process(self, contestant: str) -> Process:
        there = self._processes.get(contestant)
        if there is not None and there.popen.poll() is None:
            return there
        if there is not None:
            there.close()
        places = (str(Path(inflor_bench.__file__).parents[1]), os.environ.get("PYTHONPATH"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        environment["OMP_NUM_THREADS"] = str(self._threads)
        command = [sys.executable, "-W", "ignore", "-m", "tests.peers.benchmark.worker"]
        self._processes[contestant] = Process(command, env=environment)
        return self._processes[contestant]

    def ask(self, contestant: str, do: str, **request: Any) -> Any:
        """Send a contestant's process one request and return the value of its answer.

        Raises:
            ContestantError: the contestant failed, its process ended, or no answer came in time.
        """
        process = self._process(contestant)
        if do in ("prepare", "cases", "energies"):
            request["threads"] = self._threads
        process.send({"do": do, **request})
        try:
            answer = process.receive(self._answer_seconds)
        except LateError:
            process.close()
            raise ContestantError(f"no answer within {self._answer_seconds:g} s") from None
        except EndedError as error:
            last = f" ({error.last})" if error.last else ""
            raise ContestantError(f"its process ended with exit code {error.code}{last}") from None
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer["value"]
