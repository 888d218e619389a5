"""A process that is asked and that answers in JSON, a line each, for a limited time, and ends with all it started."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from tempfile import TemporaryFile
from typing import Any


class LateError(Exception):
    """A process did not answer in time."""


class EndedError(Exception):
    """A process ended, or closed its output, instead of answering.

    Attributes:
        code: its exit code, negative where a signal ended it; None where it goes on.
        last: the last line of what it wrote as errors, else "".
    """

    def __init__(self, code: int | None, last: str) -> None:
        super().__init__(last or ("it closed its output" if code is None else f"it ended {how_it_ended(code)}"))
        self.code, self.last = code, last


class Process(AbstractContextManager["Process"]):
    """A process in a group of its own, with pipes; a context that ends it, and what it started, when it is left.

    Args:
        command: its words.
        grace: how long it may take to end by itself when its input is closed, s.
        options: `cwd` and `env`, as of `subprocess.Popen`.
    """

    def __init__(self, command: Sequence[str], *, grace: float = 0.0, **options: Any) -> None:
        self._grace, self._said = grace, b""
        self._errors = TemporaryFile()  # noqa: SIM115
        options |= {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors, "process_group": 0}
        self.popen: subprocess.Popen[bytes] = subprocess.Popen(command, **options)
        assert self.popen.stdin
        assert self.popen.stdout
        self._in, self.out = self.popen.stdin, self.popen.stdout

    def send(self, value: Any) -> None:
        """Write a line of JSON. Nothing happens where it has ended, or is being ended: the missing answer says so."""
        with suppress(OSError, ValueError):
            self._in.write(json.dumps(value).encode() + b"\n")
            self._in.flush()

    def receive(self, seconds: float) -> Any:
        """Read a line of JSON.

        Raises:
            LateError: None came within so many seconds.
            EndedError: None will come.
        """
        until = time.monotonic() + seconds
        while b"\n" not in self._said:
            if not select.select([self.out], [], [], max(0.0, until - time.monotonic()))[0]:
                raise LateError
            more = os.read(self.out.fileno(), 1 << 16)
            if not more:
                with suppress(subprocess.TimeoutExpired):
                    self.popen.wait(max(0.0, until - time.monotonic()))
                raise EndedError(self.popen.returncode, self.last_words())
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return json.loads(line)

    def last_words(self) -> str:
        """The last line of what it has written as errors so far, else ""."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]

    def close_input(self) -> None:
        """Tell it that nothing more is asked."""
        with suppress(OSError):  # what it did not read before it ended cannot be sent any more
            self._in.close()

    def close(self) -> None:
        """End it. May be called again."""
        if self.out.closed:  # and its number may be another's
            return
        self.close_input()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(self._grace)
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.out.close()
        self._errors.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def python(*arguments: str) -> list[str]:
    """This Python, which imports nothing from the working directory."""
    return [sys.executable, "-P", *arguments]


def how_it_ended(code: int) -> str:
    """An exit code in words: "by SIGKILL", "with code 3"."""
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
