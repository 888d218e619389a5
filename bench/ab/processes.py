"""What one side's own code does in processes of its own: a whole run, and the timing of some cells."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inflor_bench.ab import worker
from inflor_bench.ab.revisions import Revision
from inflor_bench.errors import SuiteInputError
from inflor_bench.process import EndedError, LateError, Process

# How long a process of a pair may take to answer: also to load data, or to compile what is compiled once.
ANSWER_SECONDS = 300.0
# How often it is looked how many cells are counted.
LOOK_SECONDS = 1.0


class TimingError(Exception):
    """A process of one side could not time anything; the sentence says why."""


class CellError(Exception):
    """A process cannot time one cell; the sentence says why."""

    def __init__(self, process: TimingProcess, reason: str) -> None:
        """Take the process and its reason."""
        super().__init__(reason)
        self.process = process


@dataclass(frozen=True)
class Settings:
    """What both sides measure: the suite as it was named, which of its cells, and where data are."""

    suite: str
    only: str
    top: Path
    data_root: Path | None

    def suite_of(self, revision: Revision) -> str:
        """Return the suite as that side has it: a shipped one by name, a file of the repository in that commit."""
        path = Path(self.suite).resolve()
        if not path.is_file():
            return self.suite
        own = revision.root / path.relative_to(self.top) if path.is_relative_to(self.top) else path
        return str(own if own.is_file() else path)


def _environment(revision: Revision) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(revision.packages), os.environ.get("PYTHONPATH"))))
    # The summary of a step is for the verdict, not for what each side says of itself.
    kept = {key: value for key, value in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
    return {**kept, "PYTHONPATH": path, "INFLOR_BENCH_CACHE": str(revision.cache)}


def count(
    revision: Revision, settings: Settings, out: Path, progress: Callable[[int], None], seconds: float = math.inf
) -> Path:
    """Count a side by its own `inflor-bench run`, and return the run file.

    A commit whose `run` has no `--untimed` times its cells besides, which takes longer.

    Args:
        revision: The side.
        settings: What is counted.
        out: Where the run file goes.
        progress: Told how many cells are done, whenever there are more.
        seconds: How long it may take.

    Raises:
        SuiteInputError: It wrote none, or took longer; the sentence has what it said.
        KeyboardInterrupt: It was stopped.
    """
    before = set(out.glob("runs/*/*.json"))
    data = ["--data-root", str(settings.data_root.resolve())] if settings.data_root else []
    asked = ["--suite", settings.suite_of(revision), "--only", settings.only, "--out", str(out), *data]
    code, said = _run(revision, [*asked, "--untimed"], out, progress, seconds)
    if code == 2 and "No such option: --untimed" in said:
        code, said = _run(revision, asked, out, progress, seconds)
    if code == 130:
        raise KeyboardInterrupt
    new = sorted(set(out.glob("runs/*/*.json")) - before)
    if not new:
        last = (said.splitlines() or [f"{sys.executable} ended with {code}"])[-1]
        raise SuiteInputError(f"{revision.title.capitalize()} cannot be measured: {last}")
    return new[-1]


def _run(
    revision: Revision, arguments: list[str], out: Path, progress: Callable[[int], None], seconds: float
) -> tuple[int, str]:
    """Return the exit code, and what it wrote as errors, else what it wrote at all."""
    left = set(out.glob("runs/*/*.cells"))  # by a run that was killed: they are not of this one
    started = time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [revision.python, "-m", revision.module, "run", *arguments],
            cwd=revision.root,
            env=_environment(revision),
            stdout=output,
            stderr=errors,
        )
        try:
            most = -1
            while True:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(min(LOOK_SECONDS, seconds))
                    break
                if time.monotonic() - started > seconds:
                    raise SuiteInputError(f"{revision.title.capitalize()} was not measured within {seconds:.0f} s.")
                done = sum(path.parent not in left for path in out.glob("runs/*/*.cells/*.json"))
                if done > most:
                    most = done
                    progress(done)
        finally:
            process.kill()
            process.wait()
        said = ""
        for stream in (errors, output):
            stream.seek(0)
            said = said or stream.read().decode("utf-8", "replace").strip()
        return code, said


class TimingProcess:
    """A process that times cells with the code of a side; see `ab.worker` for what it is asked."""

    def __init__(self, title: str, process: Process) -> None:
        """Take a process and the title of its side."""
        self._title, self._process = title, process
        self._asked = ""

    def send(self, do: str, **arguments: Any) -> None:
        """Ask for something; it works while the caller goes on."""
        self._asked = do
        self._process.send({"do": do, **arguments})

    def receive(self) -> Any:
        """Return the answer to what was asked first.

        Raises:
            CellError: It failed; the process goes on.
            TimingError: The process ended without an answer, or gave none for `ANSWER_SECONDS`.
        """
        try:
            answer = self._process.receive(ANSWER_SECONDS)
        except LateError:
            reason = f"it hung in {self._asked!r} for {ANSWER_SECONDS:g} s"
            raise TimingError(f"{self._title} cannot be timed: {reason}") from None
        except EndedError as error:
            raise TimingError(f"{self._title} cannot be timed: {error}") from None
        if "error" in answer:
            raise CellError(self, answer["error"])
        return answer["value"]

    def ask(self, do: str, **arguments: Any) -> Any:
        """Ask for something and wait for the answer."""
        self.send(do, **arguments)
        return self.receive()


@contextmanager
def timing_process(revision: Revision, settings: Settings) -> Iterator[TimingProcess]:
    """Start a process that times cells with the code of a side, and end it in any case.

    Its first answer says whether it could open the suite.
    """
    command = [revision.python, "-P", str(worker.__file__), str(revision.packages), revision.module]
    with Process(command, cwd=revision.root, env=_environment(revision)) as process:
        timing = TimingProcess(revision.title, process)
        data_root = str(settings.data_root.resolve()) if settings.data_root else None
        timing.send("open", suite=settings.suite_of(revision), cache=str(revision.cache), data_root=data_root)
        yield timing
