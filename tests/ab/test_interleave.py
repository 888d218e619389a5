"""In which order processes run, when they stop, and what is kept; the timers here are plain functions."""

import copy

import pytest

from bench.ab.interleave import SAME_PAIRS, interleave
from bench.ab.sides import Settings, TimingError
from bench.track.gate import LOOKS, MOST_PAIRS

QUIET = min(LOOKS)


class Side:
    """A side whose rounds are known; it writes down who was called when, and for which cells."""

    def __init__(self, name, calls, level, *, parts=True, failing=None):
        self.name, self.calls, self.level, self.parts, self.failing = name, calls, level, parts, failing

    def __call__(self, cells):
        self.calls.append((self.name, tuple(cells)))
        wobble = 1 + 0.001 * (len(self.calls) % 3)
        return {cell: self.answer(wobble * self.level(cell, len(self.calls))) for cell in cells}

    def answer(self, seconds):
        if self.failing:
            return {"failed": self.failing}
        parts = {"neurons": {"a.lif": [seconds / 4] * 3, "b.lif": [seconds / 2] * 3}} if self.parts else {}
        return {"latency": [seconds] * 3, "parts": parts}


def steady(seconds):
    return lambda cell, call: seconds


def run(base, head, cells=("x", "y"), keep=None):
    timers = {"base": base, "head": head}
    return interleave(
        lambda sides, names: tuple(timers[side](names) for side in sides),
        cells,
        lambda *_: None,
        keep or (lambda _: None),
    )


def test_pairs_of_the_base_alone_come_first_and_then_the_sides_take_turns_in_going_first():
    calls = []
    run(Side("base", calls, steady(1.0)), Side("head", calls, steady(1.0)))
    order = [name for name, _ in calls]
    assert order[: 2 * SAME_PAIRS] == ["base"] * 2 * SAME_PAIRS
    turns = order[2 * SAME_PAIRS :]
    assert turns == ["base", "head", "head", "base"] * (QUIET // 2)


def test_each_side_keeps_its_own_rounds_whoever_went_first():
    calls = []
    found = run(Side("base", calls, steady(1.0)), Side("head", calls, steady(2.0)))
    for pairs in (found["x"].pairs["latency"], found["x"].pairs["latency/neurons"]):
        base, head = pairs.medians()
        assert max(base) < 1.1
        assert min(head) > 1.4
    assert found["x"].layers["latency/neurons"][1] == (
        "b.lif",
        pytest.approx(0.5, rel=0.01),
        pytest.approx(1.0, rel=0.01),
    )


def test_a_cell_that_is_decided_is_not_timed_again_while_another_goes_on():
    calls = []
    noisy = lambda cell, call: 1.0 if cell == "x" else (1.0, 1.5, 0.7, 1.2, 1.9)[call % 5]  # noqa: E731
    run(Side("base", calls, noisy), Side("head", calls, noisy))
    after = [cells for _, cells in calls[2 * SAME_PAIRS :]]
    assert set(after[: 2 * QUIET]) == {("x", "y")}
    assert after[2 * QUIET :]
    assert set(after[2 * QUIET :]) == {("y",)}
    assert len(after) <= 2 * MOST_PAIRS


def test_all_rounds_so_far_are_kept_after_every_pair_so_that_ctrl_c_loses_only_the_one_it_hit():
    calls, kept = [], []

    def level(cell, call):
        if call == 2 * SAME_PAIRS + 6:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        run(
            Side("base", calls, level),
            Side("head", calls, level),
            keep=lambda rounds: kept.append(copy.deepcopy(rounds)),
        )
    assert len(kept) == SAME_PAIRS + 2
    assert [len(rounds["same"]["x"]["latency"]["base"]) for rounds in kept[:SAME_PAIRS]] == [1, 2, 3, 4, 5]
    assert kept[0]["pairs"] == {}
    last = kept[-1]["pairs"]["y"]["latency"]
    assert [len(last[side]) for side in ("base", "head")] == [2, 2]


def test_a_cell_that_a_side_cannot_time_says_which_and_why():
    calls = []
    found = run(Side("base", calls, steady(1.0)), Side("head", calls, steady(1.0), failing="KeyError: 'x'"))
    assert found["x"].failed == "the head cannot be timed: KeyError: 'x'"
    assert len(calls) == 2 * SAME_PAIRS + 2


def test_a_base_that_fails_is_not_paired_with_the_head():
    calls = []
    found = run(Side("base", calls, steady(1.0), failing="no weights"), Side("head", calls, steady(1.0)))
    assert found["y"].failed == "the base cannot be timed: no weights"
    assert {name for name, _ in calls} == {"base"}


def test_a_process_that_dies_leaves_the_reason_and_what_was_kept():
    calls, kept = [], []

    def dies(cells):
        raise TimingError("abc cannot be timed: Killed")

    found = run(Side("base", calls, steady(1.0)), dies, keep=kept.append)
    assert found["x"].failed == "abc cannot be timed: Killed"
    assert len(kept) == SAME_PAIRS


def test_a_part_that_only_one_side_has_is_left_out():
    calls = []
    found = run(Side("base", calls, steady(1.0)), Side("head", calls, steady(1.0), parts=False))
    assert set(found["x"].pairs) == {"latency"}


def test_a_suite_in_the_repository_is_that_of_each_commit_and_another_is_taken_as_it_is(tmp_path):
    from bench.ab.revisions import Revision

    top, old, new = (tmp_path / name for name in ("top", "old", "new"))
    for place in (top, old, new):
        (place / "suites").mkdir(parents=True)
    for place in (top, old):
        (place / "suites/mine.toml").touch()
    (tmp_path / "other.toml").touch()

    def suite(name, root):
        return Settings(name, "*", top, tmp_path, None).suite_of(Revision(root, None, "python"))

    assert suite(str(top / "suites/mine.toml"), old) == str(old / "suites/mine.toml")
    assert suite(str(top / "suites/mine.toml"), new) == str(top / "suites/mine.toml")  # it came later than that commit
    assert suite(str(tmp_path / "other.toml"), old) == str(tmp_path / "other.toml")
    assert suite("default", old) == "default"
