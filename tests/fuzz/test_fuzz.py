"""Damaged files of every kind that is read: each is read or refused by one sentence, in bounded time and memory.

The slow tests try more than 50,000 of them: `python -m pytest tests/fuzz -m slow`. One of them again, by its number:
`python -m tests.fuzz.worker DIRECTORY 0 TARGET:NUMBER:NUMBER+1`, which leaves the file in DIRECTORY/TARGET/in.
"""

import json
import signal
from pathlib import Path

import pytest

from tests.command import python
from tests.fuzz.targets import TARGETS, content

pytestmark = pytest.mark.long

SEED = 0


def read_damaged(directory: Path, *parts: str) -> dict:
    """What the reading process found of TARGET:FIRST:LAST..., by target."""
    variables = {"INFLOR_BENCH_EAGER": "1", "INFLOR_BENCH_CACHE": str(directory / "cache")}
    done = python("-m", "tests.fuzz.worker", directory, SEED, *parts, check=None, **variables)
    reading = directory / "reading"
    last = reading.read_text() if reading.exists() else "no file"
    assert done.returncode == 0, f"ended by {done.returncode} while it read {last}: {done.stderr[-2000:]}"
    return json.loads((directory / "answer").read_text())


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.slow) for name in TARGETS])
def test_every_damaged_file_is_read_or_refused_by_a_sentence(target, tmp_path):
    if not TARGETS[target].can_be_read():
        pytest.skip(f"{TARGETS[target].package} is not installed")
    inputs = TARGETS[target].inputs
    answer = read_damaged(tmp_path, f"{target}:0:{inputs}")[target]
    print(f"{target}: {inputs} inputs, {answer['read']} read, {answer['refused']} refused")
    assert answer["finds"] == []
    assert answer["read"] + answer["refused"] == inputs
    assert answer["refused"] > 0 or target in ("history", "kept", "summary"), "damage that nobody notices tests nothing"


def test_a_few_of_every_kind(tmp_path):
    readable = [name for name, target in TARGETS.items() if target.can_be_read()]
    answers = read_damaged(tmp_path, *(f"{target}:1000000:1000020" for target in readable))
    assert {name: answer["finds"] for name, answer in answers.items()} == {name: [] for name in readable}


def test_there_are_enough():
    assert sum(target.inputs for target in TARGETS.values()) >= 50_000


def test_the_same_number_gives_the_same_damage(tmp_path):
    seeds = TARGETS["accepted"].seeds(tmp_path)
    made = [content("accepted", seeds, SEED, number) for number in range(50)]
    assert made == [content("accepted", seeds, SEED, number) for number in range(50)]
    assert len(set(made)) > 45


BAD = (
    "raise KeyError('x')",
    "raise imagenet.ModelInputError('damaged')",
    "bytearray(2**40)",
    "open(path.parents[3] / 'outside', 'w')",
    "import os; os.system('true')",
    "signal.setitimer(signal.ITIMER_REAL, 0.2); [None for _ in iter(int, 1)]",
)


@pytest.mark.slow
def test_the_watch_sees_a_reader_that_does_what_none_may_do(tmp_path):
    """A traceback, no sentence, endless memory, a file outside, a command; and a hang, which ends the process."""
    program = (
        "import signal, sys\n"
        "from dataclasses import replace\n"
        "from tests.fuzz import targets, worker\n"
        "from inflor_bench.models.datasets import imagenet\n"
        f"bad = {BAD!r}\n"
        "def read(path, out, number):\n"
        "    if path.read_bytes() != targets._ACCEPTED:\n"
        "        exec(bad[number])\n"
        "worker.TARGETS['accepted'] = targets.TARGETS['accepted'] = replace(targets.TARGETS['accepted'], read=read)\n"
        "worker.main()\n"
    )
    directory = tmp_path / "inside"
    directory.mkdir()
    python("-c", program, directory, 0, f"accepted:0:{len(BAD) - 1}")
    finds = json.loads((directory / "answer").read_text())["accepted"]["finds"]
    assert [number for number, _ in finds] == list(range(len(BAD) - 1)), finds
    assert not (tmp_path / "outside").exists()

    python("-c", program, directory, 0, f"accepted:{len(BAD) - 1}:{len(BAD)}", check=-signal.SIGALRM)
    assert (directory / "reading").read_text() == f"accepted:{len(BAD) - 1}"
