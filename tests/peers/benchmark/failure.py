"""Why a contestant has no figure."""

from __future__ import annotations


class ContestantError(Exception):
    """A contestant failed; the message is the reason, in one line."""


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong."""
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, ModuleNotFoundError):
        return f"not installed ({first})"
    if isinstance(error, ImportError):
        return f"cannot be imported ({first})"
    if isinstance(error, RuntimeError) and first:
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
