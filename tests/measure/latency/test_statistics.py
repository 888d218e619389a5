import math
import random
import time
from dataclasses import asdict

import pytest
import torch

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.latency import (
    Neighbours,
    Warmup,
    cpu_seconds_per_inference,
    median_interval,
    summarise,
    synchronise,
    warm_up,
)
from inflor_bench.record import costs

STEADY = Warmup(20, 2.0, True)
ALONE = Neighbours(3, 1.0, 0.01)


class VirtualTime:
    """A clock that only `call` moves: the n-th call takes `duration(n)` seconds."""

    def __init__(self, duration):
        self.now, self.calls, self.duration = 0, 0, duration

    def clock(self):
        return self.now

    def call(self):
        self.now += round(self.duration(self.calls) * 1e9)
        self.calls += 1


def run(duration, seconds=1.0, **options):
    world = VirtualTime(duration)
    return warm_up(world.call, seconds=seconds, clock=world.clock, **options), world.calls


def test_constant_times_are_steady_after_the_time_that_was_given():
    assert run(lambda n: 0.01) == (Warmup(100, pytest.approx(1.0), True), 100)
    assert run(lambda n: 0.01, seconds=3.0) == (Warmup(300, pytest.approx(3.0), True), 300)


def test_slow_calls_still_run_ten_times():
    assert run(lambda n: 0.5) == (Warmup(10, pytest.approx(5.0), True), 10)


def test_calls_that_are_slower_still_are_given_up_and_never_called_steady():
    assert run(lambda n: 7.0) == (Warmup(5, pytest.approx(35.0), False), 5)


@pytest.mark.parametrize(("growth", "steady"), [(1.019, True), (1.021, False), (1 / 1.019, True), (1 / 1.021, False)])
def test_the_last_third_is_compared_with_the_one_before(growth, steady):
    """300 calls of the same mean time, in thirds that each take `growth` of the one before."""
    assert run(lambda n: 0.01 * growth ** (n // 100), seconds=0.01 * 100 * (1 + growth + growth**2))[0].steady is steady


def test_what_the_first_third_does_is_what_a_warm_up_is_for():
    assert run(lambda n: 1.0 if n == 0 else 0.01, seconds=4.0)[0] == Warmup(301, pytest.approx(4.0), True)


def test_noise_makes_no_warm_up_longer():
    for seed in range(20):
        generator = random.Random(seed)
        result, _ = run(lambda n, g=generator: 0.01 * g.lognormvariate(0, 1.0))
        assert 1.0 <= result.seconds < 1.0 + 1.0
    for seed in range(20):
        generator = random.Random(seed)
        assert run(lambda n, g=generator: 0.001 * g.lognormvariate(0, 0.05), seconds=3.0)[0].steady


def test_a_neighbour_in_the_last_third_is_seen():
    assert not run(lambda n: 0.01 if n < 200 else 0.02, seconds=4.0)[0].steady


def test_outliers_do_not_hide_a_steady_state():
    result, calls = run(lambda n: 1.0 if n % 10 == 3 else 0.02, seconds=4.0)
    assert (result.steady, calls) == (True, 34)


def test_state_is_brought_to_rest_before_every_call_and_outside_its_time():
    world = VirtualTime(lambda n: 0.05)
    order = []

    def before():
        order.append("rest")
        world.now += 10**9 * (1 + len(order) % 7)

    result = warm_up(lambda: (order.append("call"), world.call()), before=before, clock=world.clock, seconds=1.0)
    assert order == ["rest", "call"] * result.iterations
    assert result.iterations < 10  # what comes before takes long, and the 30 s are over
    assert not result.steady


def test_the_real_clock_is_in_nanoseconds():
    result = warm_up(lambda: time.sleep(0.001), seconds=0.02)
    assert 0.02 <= result.seconds < 30
    assert result.iterations <= 20


def coverage(n, k):
    """Exact probability that x_(k) <= median <= x_(n+1-k), 1-based."""
    return sum(math.comb(n, j) for j in range(k, n - k + 1)) / 2**n


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 5, 6, 7, 8, 9, 30, 100, 101])
def test_the_interval_is_the_narrowest_that_covers_the_median(n, confidence):
    ranks = random.Random(n).sample(range(1, n + 1), n)
    interval = median_interval(ranks, confidence)
    sufficient = [k for k in range(1, n // 2 + 1) if coverage(n, k) >= confidence]
    assert interval == ((max(sufficient), n + 1 - max(sufficient)) if sufficient else None)


def test_the_interval_covers_as_often_as_it_says():
    generator = random.Random(0)
    hits = 0
    for _ in range(2000):
        low, high = median_interval([generator.expovariate(1) for _ in range(25)], 0.95)
        hits += low <= math.log(2) <= high
    assert 0.94 < hits / 2000 < 0.98


@pytest.mark.parametrize(
    ("rounds", "known"),
    [(28, []), (29, ["p90"]), (59, ["p90", "p95"]), (298, ["p90", "p95"]), (299, ["p90", "p95", "p99"])],
)
def test_percentiles_come_only_with_the_rounds_that_can_hold_them(rounds, known):
    result = summarise([float(n) for n in range(1, rounds + 1)], batch_size=1, warmup=STEADY, seen=ALONE)
    assert [name for name in ("p90", "p95", "p99") if getattr(result, name) is not None] == known
    for name in known:
        assert getattr(result, name) == pytest.approx(1 + (rounds - 1) * int(name[1:]) / 100)


def test_a_summary_of_known_rounds_becomes_the_record_section():
    rounds = [4.0, 1.0, 3.0, 2.0, 100.0, 5.0, 7.0, 6.0]
    result = summarise(rounds, batch_size=2, warmup=Warmup(31, 1.5, False), seen=ALONE, cpu_seconds_per_inference=0.25)
    assert (result.rounds, result.median, result.minimum, result.iqr) == (8, 4.5, 1.0, 6.25 - 2.75)
    assert (result.median_low, result.median_high) == (1.0, 100.0)
    section = costs.Latency(**asdict(result))
    assert (section.steady, section.warmup_iterations, section.cpu_seconds_per_inference) == (False, 31, 0.25)
    assert summarise([1.0] * 5, batch_size=1, warmup=STEADY, seen=ALONE).median_low is None


@pytest.mark.parametrize("rounds", [[], [1.0, float("nan")], [0.0], [1.0, -1.0], [float("inf")]])
def test_rounds_that_are_no_times_are_refused(rounds):
    with pytest.raises(MeasureInputError, match="positive numbers of seconds"):
        summarise(rounds, batch_size=1, warmup=STEADY, seen=ALONE)


def test_cpu_seconds_are_per_sample():
    world = VirtualTime(lambda n: 3.0)
    assert cpu_seconds_per_inference(world.call, batch_size=6, iterations=5, clock=world.clock) == pytest.approx(0.5)
    assert world.calls == 5


def test_cpu_seconds_count_work_and_no_waiting():
    waiting = cpu_seconds_per_inference(lambda: time.sleep(0.05), batch_size=1, iterations=2)
    working = cpu_seconds_per_inference(lambda: sum(range(1_000_000)), batch_size=1, iterations=2)
    assert working > waiting


def test_a_cpu_needs_no_synchronising():
    synchronise(torch.device("cpu"))
