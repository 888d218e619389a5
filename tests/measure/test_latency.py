import math
import random
import time
from dataclasses import asdict

import pytest
import torch

from bench.measure.errors import MeasureInputError
from bench.measure.latency import (
    Warmup,
    cpu_seconds_per_inference,
    median_interval,
    summarise,
    synchronise,
    warm_up,
)
from bench.track import records

STEADY = Warmup(20, 2.0, True)


class VirtualTime:
    """A clock that only `call` moves: the n-th call takes `duration(n)` seconds."""

    def __init__(self, duration):
        self.now, self.calls, self.duration = 0, 0, duration

    def clock(self):
        return self.now

    def call(self):
        self.now += round(self.duration(self.calls) * 1e9)
        self.calls += 1


def run(duration, **options):
    world = VirtualTime(duration)
    return warm_up(world.call, clock=world.clock, **options), world.calls


def test_constant_times_need_a_second_and_two_blocks():
    assert run(lambda n: 0.01) == (Warmup(100 + 20, pytest.approx(1.2), True), 120)


def test_slow_calls_still_run_ten_times_and_two_blocks():
    assert run(lambda n: 0.5) == (Warmup(10 + 20, pytest.approx(15.0), True), 30)


def test_it_goes_on_until_the_times_settle():
    """0.1 s falling by 5 ms a block of 10 until 0.05 s: a change of 5 % or more a block, then none.

    10 calls fill the first second. Of the 14 blocks that follow until call 150 a quarter is 3, and of the last two
    quarters only the first block saw another time.
    """
    result, calls = run(lambda n: max(0.05, 0.1 - 0.005 * (n // 10)))
    assert result.steady
    assert calls == 150
    assert run(lambda n: 0.1 * 1.019 ** (n // 10))[0].steady
    assert not run(lambda n: 0.1 * 1.021 ** (n // 10))[0].steady


def test_a_machine_whose_noise_stays_the_same_becomes_steady():
    for seed in range(20):
        noise = random.Random(seed)
        result, _ = run(lambda n, noise=noise: 0.01 * noise.lognormvariate(0, 0.3))
        assert result.steady
        assert result.seconds < 10


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_noise_hides_no_trend_by_chance(noise):
    """Times fall by 20 % a second for 15 s. Medians of 10 agree by chance sooner or later, those of quarters do not."""
    for seed in range(10):
        generator = random.Random(seed)
        world = VirtualTime(lambda n: 0.0)
        world.duration = lambda n, w=world, g=generator: (
            0.1 * math.exp(-0.2 * min(w.now / 1e9, 15) + g.gauss(0, noise))
        )
        result = warm_up(world.call, clock=world.clock)
        assert result.steady
        assert result.seconds > 15


def test_state_is_brought_to_rest_before_every_call_and_outside_its_time():
    world = VirtualTime(lambda n: 0.05)
    order = []

    def before():
        order.append("rest")
        world.now += 10**9 * (1 + len(order) % 7)

    result = warm_up(lambda: (order.append("call"), world.call()), before=before, clock=world.clock, max_seconds=1e6)
    assert order == ["rest", "call"] * result.iterations
    assert result.steady


def test_outliers_do_not_hide_a_steady_state():
    result, calls = run(lambda n: 1.0 if n % 10 == 3 else 0.02)
    assert (result.steady, calls) == (True, 30)


def test_it_stops_when_the_time_is_up_even_within_a_block():
    result, calls = run(lambda n: 0.1 * 1.05 ** (n // 10))
    assert not result.steady
    assert 30 <= result.seconds < 30 + 0.1 * 1.05 ** (calls // 10)
    assert run(lambda n: 7.0) == (Warmup(5, 35.0, False), 5)
    assert run(lambda n: 0.01, max_seconds=0.5) == (Warmup(50, pytest.approx(0.5), False), 50)


def test_the_real_clock_is_in_nanoseconds():
    result = warm_up(lambda: time.sleep(0.001), max_seconds=0.02)
    assert not result.steady
    assert result.seconds >= 0.02
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
    result = summarise([float(n) for n in range(1, rounds + 1)], batch_size=1, warmup=STEADY)
    assert [name for name in ("p90", "p95", "p99") if getattr(result, name) is not None] == known
    for name in known:
        assert getattr(result, name) == pytest.approx(1 + (rounds - 1) * int(name[1:]) / 100)


def test_a_summary_of_known_rounds_becomes_the_record_section():
    rounds = [4.0, 1.0, 3.0, 2.0, 100.0, 5.0, 7.0, 6.0]
    result = summarise(rounds, batch_size=2, warmup=Warmup(31, 1.5, False), cpu_seconds_per_inference=0.25)
    assert (result.rounds, result.median, result.minimum, result.iqr) == (8, 4.5, 1.0, 6.25 - 2.75)
    assert (result.median_low, result.median_high) == (1.0, 100.0)
    section = records.Latency(**asdict(result))
    assert (section.steady, section.warmup_iterations, section.cpu_seconds_per_inference) == (False, 31, 0.25)
    assert summarise([1.0] * 5, batch_size=1, warmup=STEADY).median_low is None


@pytest.mark.parametrize("rounds", [[], [1.0, float("nan")], [0.0], [1.0, -1.0], [float("inf")]])
def test_rounds_that_are_no_times_are_refused(rounds):
    with pytest.raises(MeasureInputError, match="positive numbers of seconds"):
        summarise(rounds, batch_size=1, warmup=STEADY)


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
