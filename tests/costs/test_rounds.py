"""A curve that seems to grow too fast is timed more often: a disturbance passes, what is so stays. Time is virtual."""

import time

import pytest

from tests.costs import __main__ as costs

WORK = (1.0, 2.0, 4.0, 8.0, 16.0)


@pytest.fixture
def measured(monkeypatch):
    """Measure points that take cost(work, how often the point was called before) virtual seconds."""

    def measure(cost):
        now = [0.0]
        called = dict.fromkeys(WORK, 0)

        def point(work):
            def call():
                now[0] += cost(work, called[work])
                called[work] += 1

            return costs.Point(int(work), work, call)

        with monkeypatch.context() as patched:
            for clock in ("perf_counter", "process_time"):
                patched.setattr(time, clock, lambda: now[0])
            return costs.measure("a call", "work", [point(work) for work in WORK])

    return measure


def test_what_grows_with_its_work_is_timed_no_more_than_it_must(measured):
    curve = measured(lambda work, _: work)
    assert curve.flag == ""
    assert [len(point) for point in curve.seconds] == [costs.ROUNDS] * len(WORK)


def test_a_disturbance_that_passes_raises_no_flag(measured):
    curve = measured(lambda work, before: work * (3 if work == WORK[-1] and before < 12 else 1))
    assert curve.flag == ""
    assert costs.ROUNDS < len(curve.seconds[-1]) < costs.MOST_ROUNDS


@pytest.mark.parametrize("cost", [lambda work, _: work**2, lambda work, _: 20 + work**2])
def test_a_square_stays_flagged(measured, cost):
    curve = measured(cost)
    assert "CPU time" in curve.flag
    assert len(curve.seconds[-1]) == costs.MOST_ROUNDS
