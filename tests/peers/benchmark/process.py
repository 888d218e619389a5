"""A contestant's process, as its parent sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import inflor_bench
from tests.peers.benchmark.failure import ContestantError

ANSWER_SECONDS = 600.0


class Worker:
    """Runs tests.peers.benchmark.worker until `close`.

    Args:
        threads: threads that torch may use in it.
        answer_seconds: how long an answer may take.
    """

    def __init__(self, threads: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._threads, self._answer_seconds = threads, answer_seconds

        path = os.pathsep.join(
            filter(None, (str(Path(inflor_bench.__file__).parents[1]), os.environ.get("PYTHONPATH")))
        )
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.peers.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def ask(self, do: str, **request: Any) -> Any:
        """Send one request and return the value of its answer.

        Raises:
            ContestantError: the contestant failed, its process ended, or no answer came in time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if do in ("prepare", "cases"):
            request["threads"] = self._threads
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(self._answer_seconds, stop)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if late.is_set():
            raise ContestantError(f"no answer within {self._answer_seconds:g} s")
        if not line:
            raise ContestantError(self._ending())
        answer = json.loads(line)
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer["value"]

    def _ending(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        last = self._log.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"its process ended with exit code {code}" + (f" ({last})" if last else "")

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None


class Workers:
    """One process a contestant, started when it is first asked for and anew where it has ended."""

    def __init__(self, threads: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._threads, self._answer_seconds = threads, answer_seconds
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.close()

    def ask(self, contestant: str, do: str, **request: Any) -> Any:
        """Ask a contestant's process; see `Worker.ask`."""
        worker = self._workers.get(contestant)
        if worker is None or worker.ended:
            if worker is not None:
                worker.close()
            worker = self._workers[contestant] = Worker(self._threads, self._answer_seconds)
        return worker.ask(do, **request)
