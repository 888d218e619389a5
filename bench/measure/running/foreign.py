"""Code that is not ours: what it raises becomes one sentence that says what was done, what was raised, and where."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.formulas.registry import FormulaError

_OURS = str(Path(__file__).parents[2])
_LONGEST = 300


@contextmanager
def foreign_code(doing: str, remedy: str) -> Iterator[None]:
    """Run code of the user's or of a library of the user's.

    Raises:
        MeasureInputError: "`doing` raised ...: `remedy`", for whatever it raises but Ctrl-C. Ours pass through.
    """
    try:
        yield
    except (MeasureInputError, FormulaError):
        raise
    except (Exception, SystemExit) as error:
        raise MeasureInputError(f"{doing} raised {describe(error)}: {remedy}.") from None


def describe(error: BaseException) -> str:
    """The exception's type, its message on one line, and the file and line of the user's that it came from."""
    message = " ".join(str(error).split())
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]} ..."
    place = _place(error)
    return f"{type(error).__name__}{f': {message}' if message else ''}{f' ({place})' if place else ''}"


def _place(error: BaseException) -> str | None:
    """File and line of the innermost call that is neither ours nor an installed package's."""
    if isinstance(error, SyntaxError) and error.filename:
        return None  # its message has them
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        installed = "site-packages" in frame.filename or "dist-packages" in frame.filename
        if not installed and not frame.filename.startswith((_OURS, "<")) and "importlib" not in frame.filename:
            return f"{Path(frame.filename).name}, line {frame.lineno}"
    return None
