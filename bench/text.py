"""Text that anybody may have written, made fit to be shown: names and reasons in files, and what errors say of them."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath

_LONGEST = 1000
_BREAKS = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029 ]+")


def harmless(text: str, instead: str = "\ufffd") -> str:
    """One line; `instead` of each character that is a control, formatting, private, unassigned or half of a pair."""
    line = _BREAKS.sub(" ", text).strip()
    if line.isprintable():
        return line
    return "".join(char if unicodedata.category(char)[0] != "C" else instead for char in line)


def shortened(line: str, limit: int) -> str:
    """At most `limit` characters of a line, its beginning."""
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def plain(text: str) -> str:
    """A name, a value or a reason for a terminal or a table, of at most 300 characters."""
    return shortened(harmless(text), 300)


def one_line(text: str) -> str:
    """A sentence for a terminal. Its middle is left out first: it begins with its subject and ends with a remedy."""
    line = harmless(text[: 100 * _LONGEST])
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} … {line[-half:]}"


def file_name(path: PurePath | str) -> str:
    """A file's name as UTF-8. Bytes of it that are no UTF-8 are spelt out, so that no two names become one."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
