"""Where things are printed: what is live on standard error, results on standard output. Both may also be a log."""

from __future__ import annotations

import codecs
import functools
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from inflor_bench.text import one_line

# What typography becomes in an encoding that lacks it; other characters become "?".
_PLAINER = {"µ": "u", "–": "-", "…": "...", "×": "x", "°": "deg"}
_NO_END = 100_000


@functools.cache
def terminal() -> Console:
    """Standard error as a console: the one that everything live shares, as two of them would write over each other."""
    return Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)


def say(sentence: str) -> None:
    """Print a sentence on standard error, as one line: what it names may come from files that anybody wrote."""
    terminal().print(one_line(sentence))


def be_silent() -> None:
    """Print nothing from now on but the traceback of a defect."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    terminal().quiet = True


@contextmanager
def waited_for(device: object) -> Iterator[None]:
    """Say, on a terminal or in a log, that another measurement on the device is waited for."""
    said = f"waiting until another measurement on {device} is done"
    if not terminal().is_terminal:
        terminal().print(said)
    with terminal().status(said):
        yield


def standard_output() -> Console:
    """Standard output as a console that takes text as it is. In a file or a log no line is wrapped, however long.

    The variable COLUMNS counts on a terminal alone: GNU readline sets it for all that a program with a prompt starts.
    """
    width = None if sys.stdout.isatty() else _NO_END
    return Console(width=width, markup=False, highlight=False, emoji=False)


def write_in_any_encoding() -> None:
    """Let standard output and error write what their encoding lacks in plainer characters, instead of failing."""
    codecs.register_error("plainer", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plainer")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAINER.get(char, "?") for char in error.object[error.start : error.end]), error.end
