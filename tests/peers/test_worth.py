"""The example of docs/worth.md: SpikingJelly's neurons against torch's own quantisation, by that page's commands."""

import re
import shlex
import shutil

import pytest

from tests.command import ROOT, call
from tests.test_docs import blocks

pytest.importorskip("spikingjelly")

PAGE, EXAMPLE = ROOT / "docs" / "worth.md", ROOT / "examples" / "worth"
NUMBER = re.compile(r"(?<![\w.-])[\d,]*\.?\d+(?:e-?\d+)?(?![\w.]*-)")


def test_the_commands_print_what_the_page_shows(tmp_path):
    """Numbers within 1 %: another processor rounds convolutions in another order, so that a few spikes differ."""
    (commands,), (shown,) = blocks(PAGE, "sh"), blocks(PAGE, "")
    place = shutil.copytree(EXAMPLE, tmp_path / "worth")
    for command in commands.splitlines()[1:]:
        words = [str(path) for word in shlex.split(command) for path in (place.glob(word) if "*" in word else [word])]
        assert words.pop(0) == "inflor-bench"
        done = call(place, *words, check=0, INFLOR_BENCH_CACHE=str(tmp_path / "cache"))
    words, expected = (" ".join(text.split()) for text in (done.stdout, shown))
    assert NUMBER.sub("#", words).replace(" ", "") == NUMBER.sub("#", expected).replace(" ", "")
    figures, seen = ([float(x.replace(",", "")) for x in NUMBER.findall(text)] for text in (words, expected))
    assert figures == pytest.approx(seen, rel=0.01)
