"""Reads damaged files, one after the other, in a process that may neither hang, nor grow, nor write where it likes.

    python -m tests.fuzz.worker DIRECTORY SEED TARGET:FIRST:LAST...

A file on which the reader hangs ends the process by SIGALRM, whatever code it is in; the number of the file that is
being read stands in DIRECTORY/reading. What was found is printed as JSON in the end, or at once where there is much.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

import torch

from inflor_bench.errors import InputError
from inflor_bench.text import one_line
from tests.fuzz.targets import TARGETS, content

HANG_SECONDS = 60  # far more than any file takes, so that a busy machine finds nothing
MEMORY = 1500 * 2**20  # of addresses, above what is mapped before the first file is read


class Outside(BaseException):
    """A file was to be written outside, or something to be run. No handler of `Exception` hides it."""


class Guard:
    """Watches all that Python opens, removes, runs and connects to: nothing may change outside of one directory."""

    def __init__(self, inside: Path) -> None:
        self.inside, self.on = os.path.realpath(inside), False
        self.runs: str | None = None  # the command that may be run
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (
                flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) if isinstance(flags, int) else "w" in mode
            )
            if writes and not isinstance(path, int):
                self._check(event, path)
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.utime", "shutil.rmtree"):
            self._check(event, arguments[0])
        elif event in ("os.rename", "os.link", "os.symlink"):
            self._check(event, arguments[1])
        elif event == "subprocess.Popen" and self.runs is not None and arguments[0] == self.runs:
            return  # what it writes, the target looks at
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "socket.connect"):
            self._report(f"{event} {arguments!r:.200}")

    def _check(self, event: str, path: object) -> None:
        place = os.path.realpath(os.fsdecode(path))
        if place != self.inside and not place.startswith(self.inside + os.sep) and place != os.devnull:
            self._report(f"{event} {place:.200}")

    def _report(self, what: str) -> None:
        self.on = False
        raise Outside(what)


def is_input_error(error: BaseException) -> bool:
    """Whether the command line would print this error as a sentence, with exit code 2."""
    return isinstance(error, InputError)


def complaint(error: BaseException) -> str | None:
    """What is wrong with how a file was refused, None if nothing."""
    if not is_input_error(error):
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:200]}"
    text = one_line(str(error))
    return None if re.search(r"\w+ .*\w+.*\.$", text) else f"no sentence: {text!r}"


def limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def main() -> None:
    directory, seed = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    guard = Guard(directory)
    answers = {}
    for part in sys.argv[3:]:
        name, first, last = part.split(":")
        answers[name] = {"read": 0, "refused": 0, "finds": []}
    limited = False
    for part in sys.argv[3:]:
        name, first, last = part.split(":")
        answer, target = answers[name], TARGETS[name]
        place, out = directory / name / "in", directory / name / "out"
        for made in (place, out, directory / name / "seeds"):
            made.mkdir(parents=True, exist_ok=True)
        seeds = target.seeds(directory / name / "seeds")
        (place / target.name).write_bytes(seeds[0])
        target.read(place / target.name, out, 0)  # the good file is read, and all imports are done
        if not limited:
            limit_memory()
            limited = True
        os.chdir(out)
        guard.runs = target.runs
        for number in range(int(first), int(last)):
            damaged = content(name, seeds, seed, number)
            (place / target.name).write_bytes(damaged)
            (directory / "reading").write_text(f"{name}:{number}")
            signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
            guard.on = True
            try:
                target.read(place / target.name, out, number)
                answer["read"] += 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a panic of Rust code is no Exception either
                wrong = complaint(error)
                answer["refused"] += 1
                if wrong:
                    answer["finds"].append([number, wrong])
            finally:
                guard.on = False
                signal.setitimer(signal.ITIMER_REAL, 0)
    (directory / "answer").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
