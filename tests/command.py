"""Processes that are forked from one that has imported torch and the report already, and the command line in them.

What a fresh process alone can show (what it imports, or which threads its variables give torch) asks for one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
FORKS = multiprocessing.get_context("forkserver")
# What a training, a run and its report import, sooner or later.
FORKS.set_forkserver_preload(
    [
        *("torch", "torch._dynamo", "pytest_benchmark", "pyarrow", "seaborn"),
        *(
            "inflor_bench.cli.app",
            "inflor_bench.run.run",
            "inflor_bench.train.suite",
            "inflor_bench.reports.pages.report",
        ),
    ]
)


def fork(function: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """Call a function of a module in a process of its own."""
    process = FORKS.Process(target=function, args=arguments)
    with contextlib.chdir(ROOT):  # where the first one that is started finds our packages
        process.start()
    return process


class Running:
    """A command that was started: what is asked of a `subprocess.Popen`, of a fork."""

    def __init__(self, directory: Path, words: list[str], environment: dict[str, str]) -> None:
        self._outputs = tempfile.TemporaryDirectory()
        self.args = words
        files = [str(Path(self._outputs.name, name)) for name in ("stdout", "stderr")]
        for file in files:  # the command may be killed before it opens them
            Path(file).touch()
        self._process = fork(_main, str(directory), words, environment, files)
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; return what was printed and what was complained of. May be called once."""
        self.wait(timeout)
        with self._outputs as folder:
            out, err = (Path(folder, name).read_text("utf-8") for name in ("stdout", "stderr"))
        return out, err


def start(
    directory: Path, *arguments: object, fresh: bool = False, **environment: str
) -> Running | subprocess.Popen[str]:
    """Start `inflor-bench` in a directory, with further variables; its output is read by `communicate`."""
    if fresh:
        return start_python("-m", "inflor_bench", *arguments, cwd=directory, env=environment)
    return Running(directory, [str(argument) for argument in arguments], {**os.environ, **environment})


def start_python(
    *words: object, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start a Python with further variables, where our `tests` are if no `cwd` is given."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [*prefix, sys.executable, *map(str, words)],
        text=True,
        env={**os.environ, **(env or {})},
        **{"cwd": ROOT, "preexec_fn": hear_ctrl_c, **pipes, **options},
    )


def python(
    *words: object, given: str | None = None, check: int | None = 0, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python to its end, which must have the code `check` where that is not None."""
    process = start_python(*words, env=environment, cwd=cwd or ROOT)
    out, err = process.communicate(given)
    assert check is None or process.returncode == check, out + err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def program(code: str, *arguments: object, **environment: str) -> tuple[str, str]:
    """Run a program in a fork, which must end well, and return what it printed and what it complained of."""
    running = Running(ROOT, ["-c", code, *map(str, arguments)], {**os.environ, **environment})
    out, err = running.communicate()
    assert running.returncode == 0, out + err
    return out, err


def at_once(program: str, calls: Iterable[Iterable[object]]) -> list[str]:
    """Run a program once for each list of arguments, all beginning together; return what each printed.

    It prints `ready` and reads a line before it begins.
    """
    processes = [start_python("-c", program, *words) for words in calls]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [out for out, _ in outputs]


def on_a_terminal(directory: Path, *arguments: object, shared: bool = True, **environment: str) -> tuple[int, str, str]:
    """Run `inflor-bench` on a terminal; return its code, what the terminal showed, and what was printed elsewhere.

    Standard output is the terminal, too, unless it is not `shared`.
    """
    own, other = pty.openpty()
    process = start_python(
        *("-m", "inflor_bench", *arguments),
        cwd=directory,
        env={"TERM": "xterm", **environment},
        stdin=other,
        stdout=other if shared else subprocess.PIPE,
        stderr=other,
    )
    os.close(other)
    seen, end = b"", time.monotonic() + 600
    while time.monotonic() < end and (process.poll() is None or select.select([own], [], [], 0)[0]):
        if select.select([own], [], [], 0.1)[0]:
            try:
                seen += os.read(own, 65536)
            except OSError:
                break
    out, _ = process.communicate(timeout=60)
    os.close(own)
    return process.returncode, seen.decode(), out or ""


def call(
    directory: Path, *arguments: object, check: int | None = None, fresh: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `inflor-bench` to its end."""
    return finish(start(directory, *arguments, fresh=fresh, **environment), check)


def finish(process: Running | subprocess.Popen[str], check: int | None = None) -> subprocess.CompletedProcess[str]:
    """Wait for a command, which must end with the code `check` where one is given, and never with a traceback."""
    out, err = process.communicate()
    assert process.returncode is not None
    assert check is None or process.returncode == check, out + err
    assert "Traceback" not in out + err, out + err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of standard error, but for what is said of the machine: a test beside this one, no compiler."""
    of_the_machine = "waiting until another measurement", "compiler was found"
    return [line for line in done.stderr.splitlines() if not any(words in line for words in of_the_machine)]


def wait_for(condition: Callable[[], T], seconds: float = 600) -> T:
    """Ask again and again until the answer is true, and return it."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return value


def hear_ctrl_c() -> None:
    """A test run in the background of a shell ignores Ctrl-C, and hands that down."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _main(directory: str, words: list[str], environment: dict[str, str], files: list[str]) -> None:
    for descriptor, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    hear_ctrl_c()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [directory, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    if words[0] == "-c":
        sys.argv = words[:1] + words[2:]
        exec(words[1], {"__name__": "__main__"})
        return
    sys.argv = ["inflor-bench", *words]
    from inflor_bench.cli.app import main

    main()
