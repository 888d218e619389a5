"""In which order processes run, when they stop, and what is kept; the timers here are plain functions."""

import copy

import pytest

from inflor_bench.ab.interleave import BUDGET_SECONDS, BUDGET_SECONDS_OF_A_CELL, SAME_PAIRS, interleave
from inflor_bench.ab.processes import Settings, TimingError
from inflor_bench.verdict.timed_pairs import LOOKS, MOST_PAIRS

QUIET = min(LOOKS)
REJECTS = next(look for look, share in LOOKS.items() if share)


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


EVEN = steady(1.0)


def noisy(cell, call):
    """Steady where the cell is x, else undecided for long."""
    return 1.0 if cell == "x" else (1.0, 1.05, 0.96, 1.02, 0.99)[call % 5]


def sides(base=EVEN, head=EVEN, **of_head):
    """The calls of both sides, and the two, of the levels given."""
    calls = []
    return calls, Side("base", calls, base), Side("head", calls, head, **of_head)


def run(base, head, cells=("x", "y"), keep=None, **arguments):
    timers = {"base": base, "head": head}
    arguments.setdefault("progress", lambda *_: None)
    return interleave(
        lambda sides, names: tuple(timers[side](names) for side in sides),
        cells,
        keep=keep or (lambda _: None),
        **arguments,
    )


class Clock:
    """A clock by which every answer of a side takes so many seconds."""

    def __init__(self, calls, seconds):
        self.calls, self.seconds = calls, seconds

    def __call__(self):
        return 1000.0 + self.seconds * len(self.calls)


def test_pairs_of_the_base_alone_come_first_and_then_the_sides_take_turns_in_going_first():
    calls, *both = sides()
    run(*both)
    order = [name for name, _ in calls]
    assert order[: 2 * SAME_PAIRS] == ["base"] * 2 * SAME_PAIRS
    turns = order[2 * SAME_PAIRS :]
    assert turns == ["base", "head", "head", "base"] * (QUIET // 2)


def test_each_side_keeps_its_own_rounds_whoever_went_first():
    _, *both = sides(head=steady(2.0))
    found = run(*both)
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
    calls, *both = sides(noisy, noisy)
    run(*both)
    after = [cells for _, cells in calls[2 * SAME_PAIRS :]]
    assert set(after[: 2 * QUIET]) == {("x", "y")}
    assert after[2 * QUIET :]
    assert set(after[2 * QUIET :]) == {("y",)}
    assert len(after) <= 2 * MOST_PAIRS


def test_all_rounds_so_far_are_kept_after_every_pair_so_that_ctrl_c_loses_only_the_one_it_hit():
    kept = []

    def level(cell, call):
        if call == 2 * SAME_PAIRS + 6:
            raise KeyboardInterrupt
        return 1.0

    _, *both = sides(level, level)
    with pytest.raises(KeyboardInterrupt):
        run(*both, keep=lambda rounds: kept.append(copy.deepcopy(rounds)))
    assert len(kept) == SAME_PAIRS + 2
    assert [len(rounds["same"]["x"]["latency"]["base"]) for rounds in kept[:SAME_PAIRS]] == [1, 2, 3, 4, 5]
    assert kept[0]["pairs"] == {}
    last = kept[-1]["pairs"]["y"]["latency"]
    assert [len(last[side]) for side in ("base", "head")] == [2, 2]


def test_a_cell_that_a_side_cannot_time_says_which_and_why():
    calls, *both = sides(failing="KeyError: 'x'")
    found = run(*both)
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
    _, *both = sides(parts=False)
    found = run(*both)
    assert set(found["x"].pairs) == {"latency"}


def test_where_it_is_is_told_before_every_pair_with_the_cells_that_are_open():
    (calls, *both), told = sides(noisy, noisy), []
    run(*both, progress=lambda *said: told.append((len(calls), *said)))
    assert [count for count, *_ in told] == list(range(0, len(calls), 2))
    assert told[0] == (0, f"A/A pair 1 of {SAME_PAIRS} of the base", ("x", "y"))
    first = told[SAME_PAIRS]
    assert first[1:] == (f"pair 1 of at most {MOST_PAIRS} of base and head", ["x", "y"])
    assert told[SAME_PAIRS + QUIET][1:] == (f"pair {QUIET + 1} of at most {MOST_PAIRS} of base and head", ["y"])


# Medians of processes in a machine where one is often half as slow again as the next, whatever the code.
NEIGHBOURS = (1.0, 1.4, 0.8, 1.5, 1.1, 0.7, 1.3, 0.9, 1.6)


def loud(cell, call):
    return NEIGHBOURS[call % len(NEIGHBOURS)]


def test_a_machine_that_hides_10_percent_is_left_after_the_first_look_with_the_reason():
    calls, *both = sides(loud, loud)
    found = run(*both, cells=("x",))["x"]
    assert len(calls) == 2 * (SAME_PAIRS + QUIET)
    assert len(found.pairs["latency"]) == QUIET
    assert found.failed is None
    assert found.stopped.startswith(f"stopped after {QUIET} pairs: nothing changed would look like ")
    assert found.stopped.endswith("so 10 % slower could not be told")


def test_what_is_slower_than_such_a_machine_hides_is_followed_up_until_it_is_decided():
    _, *both = sides(loud, lambda cell, call: 9 * loud(cell, call))
    found = run(*both, cells=("x",))["x"]
    assert len(found.pairs["latency"]) == REJECTS
    assert found.stopped is None


def test_more_tests_make_a_decision_take_more_pairs():
    counts = []
    for cells in ("a", "abcdefghijklmnopqrst"):
        calls, *both = sides(head=lambda cell, call: 2.0 + 0.01 * call)
        run(*both, tuple(cells))
        counts.append(len(calls) // 2 - SAME_PAIRS)
    assert counts[0] == REJECTS < counts[1]


def test_pairs_end_in_time_and_what_is_open_says_so():
    calls, *both = sides(noisy, noisy)
    clock = Clock(calls, BUDGET_SECONDS / 2 / (SAME_PAIRS + 8.5))  # a pair is two answers
    found = run(*both, cells=("y",), clock=clock)["y"]
    assert len(found.pairs["latency"]) == 8
    assert found.stopped == "stopped after 8 pairs: the 10 minutes that pairs get are spent"


def test_more_cells_get_more_time():
    calls, *both = sides()
    cells = tuple("abcdef")
    seconds = BUDGET_SECONDS_OF_A_CELL * len(cells) / 2 / (SAME_PAIRS + QUIET + 0.5)
    assert seconds * 2 * SAME_PAIRS > BUDGET_SECONDS / 2
    found = run(*both, cells, clock=Clock(calls, seconds))
    assert all(len(of.pairs["latency"]) == QUIET and of.stopped is None for of in found.values())


def test_where_the_first_look_cannot_be_reached_in_time_it_ends_after_two_pairs_as_too_noisy():
    calls, *both = sides()
    found = run(*both, cells=("x",), clock=Clock(calls, BUDGET_SECONDS / 20))["x"]
    assert len(calls) == 4
    assert found.failed == found.stopped
    assert found.stopped == "stopped: a pair takes 60 s now, and the 10 minutes that pairs get are too few for 9 more"


def test_a_first_pair_that_takes_long_is_no_reason_to_end():
    calls, *both = sides()
    found = run(*both, cells=("x",), clock=lambda: 200.0 * (len(calls) > 0) + 10.0 * len(calls))["x"]
    assert (len(found.pairs["latency"]), found.stopped) == (QUIET, None)


def test_a_part_that_no_pass_enters_is_left_out():
    calls = []

    class Unused(Side):
        def answer(self, seconds):
            return super().answer(seconds) | {"parts": {"synapses": {"spare": [0.0] * 3}}}

    found = run(Unused("base", calls, steady(1.0)), Unused("head", calls, steady(1.0)))
    assert set(found["x"].pairs) == {"latency"}


def test_a_suite_in_the_repository_is_that_of_each_commit_and_another_is_taken_as_it_is(tmp_path):
    from inflor_bench.ab.revisions import Revision

    top, old, new = (tmp_path / name for name in ("top", "old", "new"))
    for place in (top, old, new):
        (place / "suites").mkdir(parents=True)
    for place in (top, old):
        (place / "suites/mine.toml").touch()
    (tmp_path / "other.toml").touch()

    def suite(name, root):
        return Settings(name, "*", top, None).suite_of(Revision(root, None, "python"))

    assert suite(str(top / "suites/mine.toml"), old) == str(old / "suites/mine.toml")
    assert suite(str(top / "suites/mine.toml"), new) == str(top / "suites/mine.toml")  # it came later than that commit
    assert suite(str(tmp_path / "other.toml"), old) == str(tmp_path / "other.toml")
    assert suite("default", old) == "default"
