"""What one look at the machine found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One line. `verdict` is "yes" where it can be measured or is in order, "no" where not, "mind" where it disturbs.

    `remedy` says what to change; empty where nothing can be.
    """

    name: str
    verdict: Literal["yes", "no", "mind"]
    text: str
    remedy: str = ""


def careful(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """The checks that `look` makes; where it raises anything, one that says so, so that the others are still shown."""
    try:
        return list(look())
    except Exception as error:
        return [Check(name, "no", f"this could not be found out: {type(error).__name__}: {error}")]


def by_reason(name: str, reason: str) -> Check:
    """What cannot be measured, from a meter's reason: a code, a colon, what is wrong, and after a semicolon what to do.

    A reason without a remedy of its own stands alone.
    """
    text, _, remedy = reason.partition("; ")
    return Check(name, "no", text.removesuffix("."), remedy)
