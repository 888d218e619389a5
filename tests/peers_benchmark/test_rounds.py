"""Interleaving, pairing and what becomes of a contestant that fails, with real processes."""

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.benchmark.failure import ContestantError, reason_of
from tests.peers.benchmark.process import Workers
from tests.peers.benchmark.rounds import interleave, paired_ratio

NEURONS = {"timesteps": 2, "batch": 1, "shape": [3], "backward": False}


class Scripted:
    """Workers that answer from a script and remember the order in which they were asked."""

    def __init__(self, failing=None, at=0):
        self.asked, self.failing, self.at, self.rounds = [], failing, at, {}

    def ask(self, contestant, do, **request):
        self.asked.append((contestant, do))
        number = self.rounds.get(contestant, 0)
        if contestant == self.failing and (do == "prepare") == (self.at == 0) and number + 1 >= self.at:
            raise ContestantError("it broke")
        if do == "prepare":
            return None
        if do == "memory":
            return 1 << 20
        self.rounds[contestant] = number + 1
        return [float(number + 1)]


def contestants(*names):
    return {name: {} for name in names}


def test_rounds_are_interleaved_and_memory_comes_after_them():
    workers = Scripted()
    found = interleave(workers, "job", contestants("a", "b"), rounds=2, memory=True)
    assert workers.asked == [
        ("a", "prepare"),
        ("b", "prepare"),
        *[("a", "round"), ("b", "round")] * 2,
        ("a", "memory"),
        ("b", "memory"),
    ]
    assert found["a"].rounds == [[1.0], [2.0]]
    assert found["b"].peak_bytes == 1 << 20


@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_that_fails_has_a_reason_and_no_numbers_and_the_others_go_on(at):
    workers = Scripted("a", at)
    found = interleave(workers, "job", contestants("a", "b"), rounds=3, memory=True)
    assert (found["a"].reason, found["a"].rounds) == ("it broke", [])
    assert ("a", "memory") not in workers.asked
    assert len(found["b"].rounds) == 3


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=30))
def test_a_ratio_is_the_median_of_the_ratios_of_each_round(pairs):
    found = paired_ratio(*zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    assert found.median == statistics.median(ratios)
    assert (found.low is None) == (len(ratios) < 6)
    if found.low is not None:
        assert found.low in ratios
        assert found.low <= found.median <= found.high


def test_what_slows_both_down_cancels():
    slow = [1.0, 7.0, 2.0, 9.0]
    assert paired_ratio([2 * s for s in slow], slow).median == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'syops'"), "not installed (No module named 'syops')"),
        (ImportError("cannot import name 'x'"), "cannot be imported (cannot import name 'x')"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (RuntimeError("no memory meter"), "no memory meter"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_reason_is_one_line(error, reason):
    assert reason_of(error) == reason


@pytest.fixture(scope="module")
def workers():
    with Workers(threads=1, answer_seconds=300) as workers:
        yield workers


def test_a_real_process_answers_and_outlives_a_request_that_fails(workers):
    workers.ask("copy", "prepare", job="kernel", arguments={"contestant": "copy", **NEURONS})
    with pytest.raises(ContestantError, match="KeyError: 'no such job'"):
        workers.ask("copy", "prepare", job="no such job", arguments={})
    (seconds,) = workers.ask("copy", "round")
    assert seconds > 0
    assert workers.ask("copy", "memory") >= 0


def test_a_process_that_ends_is_a_reason_and_the_next_request_starts_another(workers):
    workers.ask("copy", "prepare", job="kernel", arguments={"contestant": "copy", **NEURONS})
    process = workers._processes["copy"].popen
    process.kill()
    process.wait()
    assert workers.ask("copy", "prepare", job="kernel", arguments={"contestant": "copy", **NEURONS}) is None
    assert workers._processes["copy"].popen.pid != process.pid


def test_an_ending_in_the_middle_of_an_answer_names_the_exit_code_and_the_last_words(tmp_path, monkeypatch):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import os, sys\nsys.stderr.write('no room left\\n')\nsys.stderr.flush()\nos._exit(3)"
    )
    hide(monkeypatch, tmp_path)
    with Workers(threads=1) as workers, pytest.raises(ContestantError, match=r"exit code 3 \(no room left\)"):
        workers.ask("any", "prepare", job="kernel", arguments={})


def test_one_that_does_not_answer_in_time_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(600)")
    hide(monkeypatch, tmp_path)
    with Workers(threads=1, answer_seconds=0.5) as workers, pytest.raises(ContestantError, match=r"within 0\.5 s"):
        workers.ask("any", "prepare", job="kernel", arguments={})


def test_what_a_package_prints_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text(
        "print(" + repr(json.dumps({"value": "printed"})) + ")\nraise ImportError('none')"
    )
    hide(monkeypatch, tmp_path)
    with Workers(threads=1) as workers, pytest.raises(ContestantError, match="cannot be imported"):
        workers.ask("any", "prepare", job="kernel", arguments={})


def hide(monkeypatch, directory):
    """Put a torch of our own before the real one on the workers' path."""
    monkeypatch.setenv("PYTHONPATH", str(directory))
