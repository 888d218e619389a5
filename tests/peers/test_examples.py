"""The examples of docs/examples.md with other libraries, by that page's commands: what they print is what it shows."""

import shutil

import pytest

from tests.examples import EXAMPLES, PAGE, shown_and_seen
from tests.test_docs import blocks

NEEDS = {"snntorch": "snntorch", "norse": "norse", "transformer": "spikingjelly", "event": "spikingjelly"}
PAIRS = list(zip(blocks(PAGE, "sh"), blocks(PAGE, ""), strict=True))


@pytest.mark.parametrize(("commands", "shown"), [pair for pair in PAIRS if any(word in pair[0] for word in NEEDS)])
def test_the_commands_print_what_the_page_shows(tmp_path, commands, shown):
    pytest.importorskip(next(library for word, library in NEEDS.items() if word in commands))
    place = shutil.copytree(EXAMPLES, tmp_path / "examples")
    shown_and_seen(place, commands, shown)
