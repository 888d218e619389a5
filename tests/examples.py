"""The commands of docs/examples.md, run in a copy of the examples, and what they print beside what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.command import ROOT, call

PAGE, EXAMPLES = ROOT / "docs" / "examples.md", ROOT / "examples"
_NUMBER = re.compile(r"(?<![\w.-])[\d,]*\.?\d+(?:e-?\d+)?(?![\w.]*-)")


def shown_and_seen(place: Path, commands: str, shown: str, check: int = 0) -> None:
    """Run the commands in `place`; each line that is shown must be printed by the last, with numbers within 1 %.

    Another processor rounds convolutions in another order, so that a few spikes differ. A line of dots stands for lines
    that are not shown.
    """
    for command in commands.splitlines():
        words = [str(path) for word in shlex.split(command) for path in (place.glob(word) if "*" in word else [word])]
        if words[0] == "cd":
            continue
        assert words.pop(0) == "inflor-bench"
        done = call(place, *words, INFLOR_BENCH_CACHE=str(place / "cache"), INFLOR_BENCH_EAGER="1")
    assert done.returncode == check, done.stdout + done.stderr
    printed: dict[str, list[list[float]]] = {}
    for line in done.stdout.splitlines():
        printed.setdefault(_NUMBER.sub("#", line.rstrip()), []).append(_numbers(line))
    for line in shown.splitlines():
        if line.strip() in ("", "..."):
            continue
        seen = printed.get(_NUMBER.sub("#", line.rstrip()), [])
        assert any(_numbers(line) == pytest.approx(numbers, rel=0.01) for numbers in seen), line + done.stdout


def same_figures(printed: str, expected: str) -> None:
    """The same words, with numbers within 1 %; spaces may be others."""
    words, seen = (" ".join(_NUMBER.sub("#", text).split()) for text in (printed, expected))
    assert words == seen, printed
    assert _numbers(printed) == pytest.approx(_numbers(expected), rel=0.01)


def _numbers(line: str) -> list[float]:
    return [float(number.replace(",", "")) for number in _NUMBER.findall(line)]
