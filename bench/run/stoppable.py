"""Measures cells in a process of its own, stopped where a cell takes too long. The others go on in a new one.

Only a process can be stopped whatever it does, also within a library's C code. What it has measured comes through a
pipe, cell by cell; when this process ends, the other one does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import pytest

from inflor_bench.models.training.interruption import Interruption
from inflor_bench.process import how_it_ended
from inflor_bench.run.in_process import Message, Send, Work, measure_cells
from inflor_bench.run.suite import PlannedCell

# How long a training may take to write down where it is, before its process is killed, s.
GRACE_SECONDS = 30.0
# How soon Ctrl-C is seen, s.
POLL_SECONDS = 0.5


def measure_stoppable(work: Work, seconds: float, send: Send) -> int:
    """Measure cells, each in at most so many seconds, and return pytest's exit code.

    A cell that takes longer, or whose process ends, is sent as failed, with the reason.
    """
    left: Sequence[PlannedCell] = work.planned
    codes = [int(pytest.ExitCode.OK)]
    while left:
        with _Process(replace(work, planned=tuple(left))) as process:
            code, reason = process.follow(seconds, send)
        codes.append(code)
        if reason is None:
            break
        # A process that ended before it had begun a cell would never get to the first one.
        at = next((index for index, entry in enumerate(left) if entry.cell.name == process.begun), 0)
        if not process.landed:
            codes.append(send_lost(work, left[at], reason, send))
        left = left[at + 1 :]
    interrupted = int(pytest.ExitCode.INTERRUPTED)
    return interrupted if interrupted in codes else max(codes)


def send_lost(work: Work, entry: PlannedCell, reason: str, send: Send) -> int:
    """Send a cell as failed, for that reason, and return pytest's exit code."""
    lost = replace(work, planned=(entry,), lost={entry.cell.name: reason}, watch=False)
    return measure_cells(lost, send, models=())


def too_long(seconds: float) -> str:
    """Why a cell was stopped."""
    return f"it took longer than --timeout {seconds:g} (s) and was stopped: give it more time"


class _Process:
    """A process that measures; it is ended when this is left.

    `begun` is the cell that it began last, and `landed` says whether that one is measured.
    """

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._messages, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(work, theirs), name="inflor-bench cells")
        self._process.start()
        theirs.close()
        self.begun: str | None = None
        self.landed = False
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal(signal.SIGKILL)
        self._process.join()
        self._messages.close()

    def follow(self, seconds: float, send: Send) -> tuple[int, str | None]:
        """Pass messages on until the process is done. Returns pytest's exit code, and why the process ended too early.

        Ctrl-C, or the SIGTERM of a scheduler, is passed on between two messages; a second one acts at once.
        """
        deadline: float | None = None
        remaining = seconds
        with Interruption() as interruption:
            while True:
                if interruption.requested and not self._interrupted:
                    self._interrupted, deadline = True, time.monotonic() + GRACE_SECONDS
                    self._signal(signal.SIGINT)
                left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
                try:
                    if not self._messages.poll(min(POLL_SECONDS, max(0.0, left))):
                        if left <= 0:
                            return self._stop(seconds, send)
                        continue
                    kind, value = self._messages.recv()
                except (EOFError, OSError):
                    return self._ended()
                if kind == "end":
                    return value, None
                self._pass_on((kind, value), send)
                if self._interrupted:
                    continue
                if kind == "begin":
                    remaining = seconds
                elif kind == "hold" and deadline is not None:
                    remaining = deadline - time.monotonic()
                # What follows on a cell, the beginning of the next or the end, has a cell's time as well.
                deadline = None if kind == "hold" else time.monotonic() + (seconds if self.landed else remaining)

    def _pass_on(self, message: Message, send: Send) -> None:
        kind, value = message
        if kind == "begin":
            self.begun, self.landed = value, False
        send(message)
        self.landed |= kind == "cell"

    def _stop(self, seconds: float, send: Send) -> tuple[int, str | None]:
        if self._interrupted:
            return int(pytest.ExitCode.INTERRUPTED), None
        self._signal(signal.SIGTERM)  # a training writes down where it is
        with suppress(EOFError, OSError):
            until = time.monotonic() + GRACE_SECONDS
            while not self.landed and self._messages.poll(max(0.0, until - time.monotonic())):
                kind, value = self._messages.recv()
                if kind == "cell":  # it was just done
                    self._pass_on((kind, value), send)
        return 1, too_long(seconds)

    def _ended(self) -> tuple[int, str | None]:
        self._process.join()
        code = self._process.exitcode or 0
        if self._interrupted or code == -signal.SIGINT:
            return int(pytest.ExitCode.INTERRUPTED), None
        hint = ", as the system does where memory runs out" if code == -signal.SIGKILL else ""
        return 1, f"its process was ended {how_it_ended(code)}{hint}"

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to those that it has started, such as compilers."""
        if self._process.pid is not None and self._process.exitcode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
                return
            with suppress(ProcessLookupError):  # it has no group of its own yet
                os.kill(self._process.pid, number)


def _serve(work: Work, messages: Connection) -> None:
    """Measure in the new process."""
    os.setpgid(0, 0)  # Ctrl-C is passed on by the parent, once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        code = measure_cells(work, messages.send)
    except KeyboardInterrupt:
        code = int(pytest.ExitCode.INTERRUPTED)
    messages.send(("end", code))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)
