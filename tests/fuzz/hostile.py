"""Values that programs trip over, to be put in the place of good ones."""

import math
import random

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 1000, 2**31, -(2**31), 2**32, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 5e-324, 1e-300, 1e300, 1.7976931348623157e308, math.nan, math.inf, -math.inf),
)
TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "nan",
        "null",
        "*",
        "[",
        "%s%n",
        "{0}",
        "{{7*7}}",
        "a\nb",
        "a\r\nb",
        "\x00",
        "\x1b[2J\x1b]0;x\x07",
    ),
    *("\u202egnp.exe", "\ud800", "\U0010ffff", "ß" * 300, "A" * 20_000, "-" * 5000, "/" * 300, "é̂" * 200),
    *("../../../outside", "/tmp/outside", "..\\..\\outside", "C:\\outside", "file:///etc/passwd", "~/outside", "."),
    *("<script>alert(1)</script>", "';drop table", "=cmd|' /C calc'!A0", "$(touch outside)", "`touch outside`", "|id"),
    *("digits/resnet8/soft/T0/s0", "digits/resnet8/soft/T9999/s999999999", "mnist/resnet8/lif/T1/s0", "soft-mpr"),
    *("measured", "unavailable", "skipped", "failed", "estimated", "derived", "user", "host_peak_rss", "deployed"),
    *("2026-11-25T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00"),
    *("0" * 40, "f" * 40, "deadbeef", "eJwDAAAAAAE=", "AAAA", "====", "c29mdA=="),
)
DEEP = "\u0001deep\u0001"  # a place that is filled with nesting once the document is text: no writer could go so deep
LONG_INTEGER = "\u0001long\u0001"


def value(rng: random.Random) -> object:
    """One hostile value of any type."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind < 7:
        return rng.choice(TEXTS)
    if kind == 7:
        return rng.choice((True, False, None, [], {}, [[]], [None], [{}], {"": {}}, {"a": "b"}))
    if kind == 8:
        return rng.choice((DEEP, LONG_INTEGER))
    return [rng.choice(NUMBERS)] * rng.choice((1, 2, 5, 1000))


def similar(rng: random.Random, good: object) -> object:
    """A hostile value of the good one's type, where there are some, which so passes more checks."""
    if isinstance(good, bool):
        return not good
    if isinstance(good, int):
        return rng.choice([number for number in NUMBERS if isinstance(number, int)])
    if isinstance(good, float):
        return rng.choice([number for number in NUMBERS if isinstance(number, float)])
    if isinstance(good, str):
        return rng.choice(TEXTS)
    return value(rng)


def filled(rng: random.Random, text: str) -> str:
    """The text with the places of nesting and of endless numbers filled."""
    depth = rng.choice((50, 500, 2000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    text = text.replace(f'"{_escaped(DEEP)}"', opening * depth + ("1" if opening != "[" else "") + closing * depth)
    return text.replace(f'"{_escaped(LONG_INTEGER)}"', "9" * rng.choice((400, 4300, 4301, 20_000)))


def _escaped(text: str) -> str:
    return text.replace("\u0001", "\\u0001")
