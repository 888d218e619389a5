"""The lines that a run prints while it goes on, told by a clock that the test moves."""

import io

import pytest
from rich.console import Console

from inflor_bench.run.progress import Progress, duration

CELLS = ("digits/a", "digits/b", "other/a", "other/b")


class Clock:
    """A clock, a console, and the progress that they serve."""

    def __init__(self, cells=CELLS, terminal=False):
        self.time, self.output = 100.0, io.StringIO()
        console = Console(file=self.output, width=30, soft_wrap=True, force_terminal=terminal)
        self.progress = Progress(cells, console, lambda: self.time)

    def land(self, cell, after, *outcome, begin=True):
        """Let a cell begin, and land after some seconds; return its line."""
        if begin:
            self.progress.begin(cell)
        self.time += after
        before = len(self.output.getvalue())
        self.progress.land(cell, *(outcome or ("measured",)))
        return self.output.getvalue()[before:]


def test_each_cell_is_a_line_with_its_time_and_about_what_is_left():
    clock = Clock()
    assert clock.land("digits/a", 60) == "[1/4] digits/a: measured in 1 min 0 s, about 3 min 0 s left\n"
    assert clock.land("digits/b", 40) == "[2/4] digits/b: measured in 40 s, about 1 min 40 s left\n"
    assert clock.land("other/a", 4) == "[3/4] other/a: measured in 4.0 s, about 4.0 s left\n"  # as its own kind
    assert clock.land("other/b", 5) == "[4/4] other/b: measured in 5.0 s\n"


def test_nothing_is_said_of_what_is_left_before_anything_was_measured():
    clock = Clock()
    assert clock.land("other/a", 0.1, "skipped", "no data") == "[1/4] other/a: skipped: no data\n"
    assert clock.land("other/b", 0.1, "skipped", "no data") == "[2/4] other/b: skipped: as above\n"
    assert clock.land("digits/a", 8) == "[3/4] digits/a: measured in 8.0 s, about 8.0 s left\n"
    assert clock.land("digits/b", 1, "failed", "no memory") == "[4/4] digits/b: failed: no memory\n"


def test_cells_that_are_measured_side_by_side_shorten_what_is_left():
    """Two at a time, each of 10 s: four that land 5 s apart on average leave five seconds each to the others."""
    names = [f"digits/{number}" for number in range(6)]
    clock = Clock(names)
    lines = [clock.land(name, after, begin=False) for name, after in zip(names, (10, 0, 10, 0, 10, 0), strict=True)]
    assert lines[3] == "[4/6] digits/3: measured, about 10 s left\n"
    assert lines[5] == "[6/6] digits/5: measured\n"


def test_a_cell_that_ended_by_a_defect_is_not_waited_for():
    clock = Clock()
    clock.progress.begin("digits/a")
    clock.time += 10
    assert clock.land("digits/b", 10).startswith("[2/4] digits/b: measured in 10 s, about ")


def test_a_cell_that_begins_again_still_lands():
    """Its process ended, and it is sent as failed."""
    clock = Clock()
    clock.progress.begin("digits/a")
    assert clock.land("digits/a", 3, "failed", "killed").startswith("[1/4] digits/a: failed")


def test_a_line_of_a_terminal_replaces_what_stands_there():
    assert Clock(terminal=True).land("digits/a", 1).startswith("\r\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (100, "1 min 40 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_times_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
