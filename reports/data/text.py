"""Strings of a run are untrusted: what they become before they are shown, named in a file, or put into CSV.

HTML escaping is not done here: the templates escape everything. This is about what escaping leaves over: control and
direction-override characters, endless names, names as file names, and cells that a spreadsheet would run as a formula.
"""

from __future__ import annotations

import hashlib
import re

from inflor_bench.text import harmless, shortened

_CANONICAL_CELL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*/T\d+/s\d+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def clean(text: object, limit: int = 160) -> str:
    """One line of at most `limit` characters of which nothing but letters reaches a reader.

    A terminal marks each character that was taken out, for there two names must not look alike; a page tells them apart
    by their addresses.
    """
    line = str(text)[: 4 * limit + 400].encode("utf-8", "replace").decode("utf-8")
    return shortened(harmless(line, ""), limit)


def shorten_start(text: object, limit: int) -> str:
    """Like `clean`, but keeps the end: of a layer's path the last part says most."""
    line = clean(text, 2000)
    return line if len(line) <= limit else "…" + line[len(line) - limit + 1 :]


def digest(text: str) -> str:
    """Eight hexadecimal digits that tell apart what the readable part of a name does not."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def layer_mark(name: str) -> str:
    """What ties a layer's rows and its marks in figures together."""
    return f"layer-{digest(name)}"


def slug(name: str) -> str:
    """A name for files and anchors, of [a-z0-9-]: readable for a cell, with a digest where characters were lost."""
    readable = re.sub(r"[^a-z0-9]+", "-", name[:400].lower()).strip("-")[:80].strip("-")
    if _CANONICAL_CELL.fullmatch(name) and len(name) <= 80:
        return readable
    return f"{readable or 'model'}-{digest(name)}"


def spreadsheet_safe(text: str) -> str:
    """Text for a CSV cell: what a spreadsheet would take for a formula gets a leading apostrophe; numbers stay."""
    if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(text):
        return "'" + text
    return text
