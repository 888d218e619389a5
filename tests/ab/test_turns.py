"""Two real processes of small packages that stand for ours: who is asked when, and what each failure leaves."""

import sys
from itertools import groupby
from pathlib import Path

import pytest

from inflor_bench.ab.pair import time_pair
from inflor_bench.ab.processes import Settings, TimingError
from inflor_bench.ab.revisions import Revision
from inflor_bench.verdict.timed_pairs import ROUNDS

pytestmark = pytest.mark.long

PREPARE = """
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

LOG = Path({log!r})


class Neuron(nn.Module):
    timesteps, decay, threshold, reset = 1, 0.5, 0.5, "hard"

    def forward(self, x):
        with LOG.open("a") as log:
            log.write({name!r} + "\\n")
        return x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.synapse, self.neuron = nn.Linear(4, 4), Neuron()

    def forward(self, x):
        return self.neuron(self.synapse(x))


@dataclass
class Sources:
    cache: Path
    data_root: Path | None


def prepare(planned, suite, sources, command):
    print("what a package prints is no answer")
    {trouble}
    data = SimpleNamespace(normalise=lambda x: x, test=SimpleNamespace(head=lambda n: torch.zeros(n, 4)))
    return SimpleNamespace(model=Model() if {parts!r} else nn.Sequential(nn.Flatten(), Model().neuron), dataset=data)
"""
SUITE = """
from types import SimpleNamespace


def load_suite(name):
    return SimpleNamespace(measure=SimpleNamespace(batch_size=2))


def plan(suite):
    return [SimpleNamespace(cell=SimpleNamespace(name=name)) for name in ("x", "y", "z")]
"""


@pytest.fixture
def commit(tmp_path):
    """What makes a revision whose network writes its name to a log in every pass."""

    def made(name, trouble="pass", parts=True):
        root = tmp_path / name
        (root / "bench/suites").mkdir(parents=True)
        (root / "models").mkdir()
        for package in ("bench", "bench/suites", "models"):
            (root / package / "__init__.py").touch()
        (root / "bench/suites/suite.py").write_text(SUITE)
        text = PREPARE.format(log=str(tmp_path / "log"), name=name, trouble=trouble, parts=parts)
        (root / "bench/suites/prepare.py").write_text(text)
        return Revision(root, None, sys.executable)

    return made


@pytest.fixture
def settings(tmp_path):
    return Settings("default", "*", tmp_path, None)


def test_rounds_are_in_turn_and_every_layer_has_its_own(commit, settings, tmp_path):
    answers = time_pair((commit("a"), commit("b")), settings, ["x"])
    for answer in answers:
        assert len(answer["x"]["latency"]) == ROUNDS
        parts = answer["x"]["parts"]
        assert {part: list(layers) for part, layers in parts.items()} == {
            "neurons": ["neuron"],
            "synapses": ["synapse"],
        }
        assert all(len(rounds) == ROUNDS for layers in parts.values() for rounds in layers.values())
        assert min(answer["x"]["latency"]) > 0
        assert min(parts["neurons"]["neuron"]) > 0
    passes = (tmp_path / "log").read_text().split()
    # Both do their first pass at the same time. Then both warm up, and run their rounds of the whole; a pass more, and
    # the rounds of the layers. In rounds, who goes first alternates.
    assert sorted(passes[:2]) == ["a", "b"]
    asked = 2 * ("ab" + ROUNDS // 2 * "abba")
    assert [name for name, _ in groupby(passes[2:])] == [name for name, _ in groupby(asked)]


def test_both_do_the_same_number_of_passes_in_a_round_and_a_part_that_one_lacks_is_left_out(commit, settings, tmp_path):
    answers = time_pair((commit("a"), commit("b", parts=False)), settings, ["x"])
    assert [list(answer["x"]["parts"]) for answer in answers] == [["neurons"], ["neurons"]]
    passes = (tmp_path / "log").read_text().split()[2:]
    blocks = [len(list(block)) for _, block in groupby(passes)]
    calls = blocks[2]  # of the first round, after both warmed up; then each side has two rounds on end
    assert blocks[3 : 2 + ROUNDS] == [2 * calls] * (ROUNDS - 1)


def test_a_cell_that_fails_on_one_side_leaves_the_others(commit, settings):
    trouble = "if planned.cell.name == 'x': raise KeyError('x')"
    later = "def later(self, x, calls=[]): calls.append(1); return x if len(calls) < 15 else 1 / 0"
    late = f"{later}\n    if planned.cell.name == 'z': Neuron.forward = later"
    first, second = time_pair((commit("a", late), commit("b", trouble)), settings, ["x", "y", "z"])
    assert second["x"] == {"failed": "KeyError: 'x'"}
    assert len(first["y"]["latency"]) == len(second["y"]["latency"]) == ROUNDS
    assert first["z"] == {"failed": "ZeroDivisionError: division by zero"}
    assert not {"failed", "latency"} & (first["x"].keys() | second["z"].keys())


def test_a_process_that_ends_is_one_reason_and_the_other_is_ended_too(commit, settings, tmp_path):
    (tmp_path / "log").touch()
    pid = f"Path({str(tmp_path / 'pid')!r}).write_text(str(__import__('os').getpid()))"
    dies = commit("b", "import os, sys; sys.stderr.write('no memory\\n'); sys.stderr.flush(); os._exit(3)")
    with pytest.raises(TimingError, match="the work tree cannot be timed: no memory"):
        time_pair((commit("a", pid), dies), settings, ["x"])
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def test_a_process_that_hangs_is_one_reason_and_both_are_ended(commit, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("inflor_bench.ab.processes.ANSWER_SECONDS", 2.0)
    hangs = commit("a")
    (hangs.root / "bench/__init__.py").write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    with pytest.raises(TimingError, match=r"^the work tree cannot be timed: it hung in 'open' for 2 s$"):
        time_pair((hangs, commit("b")), settings, ["x"])
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def test_a_suite_that_a_commit_cannot_open_fails_every_cell_by_that_reason(commit, settings):
    old = commit("a")
    (old.root / "bench/suites/suite.py").write_text("def load_suite(name): raise ValueError('no suite')\n")
    first, _ = time_pair((old, commit("b")), settings, ["x", "y"])
    assert first == {cell: {"failed": "ValueError: no suite"} for cell in ("x", "y")}


def test_packages_that_are_not_the_commits_are_refused(commit, settings, tmp_path):
    strange = commit("a")
    (strange.root / "bench/__init__.py").write_text("__file__ = '/elsewhere/bench/__init__.py'\n")
    with pytest.raises(TimingError, match="its packages are not those of the commit but /elsewhere"):
        time_pair((strange, commit("b")), settings, ["x"])
