"""What errors say, made fit for a terminal: names and values in them come from files that anybody may have written."""

from __future__ import annotations

import unicodedata

_LONGEST = 1000


def one_line(text: str) -> str:
    """One line of bounded length, without control, formatting or surrogate characters; its middle is left out first."""
    line = " ".join(text[: 100 * _LONGEST].split())
    line = "".join(char if unicodedata.category(char)[0] != "C" else "\ufffd" for char in line)
    if len(line) <= _LONGEST:
        return line
    half = _LONGEST // 2
    return f"{line[:half]} … {line[-half:]}"
