"""The gate on interleaved pairs: what it needs to say regressed, and when it may stop."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, wilcoxon

from inflor_bench.record.run_file import read_run
from inflor_bench.verdict.budgets import parse_budgets
from inflor_bench.verdict.compare import judge
from inflor_bench.verdict.instruments import Interleaved
from inflor_bench.verdict.timed_pairs import ALPHA, LOOKS, Pairs, change_of, decided, hopeless, noise_floor
from tests.record.builders import make_record, write_run

CELL = "digits/resnet8/soft-mpr/T4/s0"


def pairs(count: int, ratio: float = 1.0, *, noise: float = 0.01, seed: int = 0, level: float = 0.004) -> Pairs:
    """Pairs of processes of ten rounds each, with the given noise of a round."""
    generator = np.random.default_rng(seed)

    def processes(factor):
        return tuple(tuple(level * factor * np.exp(generator.normal(0, noise, 10))) for _ in range(count))

    return Pairs(processes(1.0), processes(ratio))


def compared(tmp_path, interleaved, budgets=()):
    records = {side: make_record(CELL, provenance={"run_id": side, "budgets": budgets}) for side in ("base", "head")}
    runs = [read_run(write_run(tmp_path / f"{side}.json", [record])) for side, record in records.items()]
    return judge(*runs, interleaved={CELL: interleaved})


def finding(comparison, metric):
    (found,) = [item for item in comparison.findings if item.metric == metric]
    return found


def test_the_shares_of_the_looks_add_up_to_the_whole_level():
    assert math.fsum(LOOKS.values()) == pytest.approx(1.0)
    assert list(LOOKS) == sorted(LOOKS)


def test_the_p_value_is_that_of_the_pairs_ratios_at_the_look_with_the_best_price():
    measured = pairs(20, 1.02, noise=0.04)
    logs = [math.log(np.median(h) / np.median(b)) for b, h in zip(measured.base, measured.head, strict=True)]
    expected = min(wilcoxon(logs[:look], method="exact").pvalue / LOOKS[look] for look in (14, 17, 20))
    assert 1e-5 < expected < 1
    assert change_of(measured).p_value == pytest.approx(expected)


def test_the_ratio_is_the_median_of_the_pairs_and_lies_in_its_interval():
    measured = pairs(11, 1.07, noise=0.05)
    ratios = sorted(np.median(h) / np.median(b) for b, h in zip(measured.base, measured.head, strict=True))
    change = change_of(measured)
    assert change.ratio == pytest.approx(ratios[5])
    assert ratios[0] <= change.interval[0] <= change.ratio <= change.interval[1] <= ratios[-1]


def test_a_drift_that_both_sides_of_a_pair_share_leaves_the_verdict_alone():
    steady = pairs(20, 1.05)
    drift = np.linspace(1, 3, 20)
    moved = Pairs(
        *(
            tuple(tuple(np.multiply(p, d)) for p, d in zip(side, drift, strict=True))
            for side in (steady.base, steady.head)
        )
    )
    assert change_of(moved).ratio == pytest.approx(change_of(steady).ratio)
    assert change_of(moved).p_value == pytest.approx(change_of(steady).p_value)
    assert change_of(moved).p_value < ALPHA


def test_the_floor_is_what_a_quiet_machine_is_asked_for_and_more_on_a_noisy_one():
    assert noise_floor(pairs(5, noise=0.001), 0.03) == 0.03
    assert noise_floor(pairs(5, noise=0.4), 0.03) > 0.06


@pytest.mark.parametrize(
    ("count", "ratio", "tests", "stops"),
    [
        (5, 1.0, 1, False),  # no look
        (6, 1.0, 1, True),  # nothing moved
        (6, 1.3, 1, False),  # too few to say so
        (10, 1.3, 1, False),
        (14, 1.3, 1, True),
        (14, 1.3, 27, False),  # too few among so many tests
        (17, 1.3, 27, True),
        (20, 1.03, 1, True),  # the last look
    ],
)
def test_when_it_stops(count, ratio, tests, stops):
    assert decided(pairs(count, ratio), 0.03, tests) is stops


@pytest.mark.parametrize(
    ("ratio", "noise", "floor", "verdict"),
    [
        (1.1, 0.01, 0.03, "regressed"),
        (0.9, 0.01, 0.03, "improved"),
        (1.0, 0.01, 0.03, "same"),
        (1.02, 0.002, 0.03, "same"),  # there for sure, and too small to count
        (1.1, 0.01, 0.2, "same"),
        (1.1, 0.9, 0.03, "too_noisy"),
    ],
)
def test_verdicts_with_their_reason_and_interval(tmp_path, ratio, noise, floor, verdict):
    measured = Interleaved({"latency": pairs(14, ratio, noise=noise)}, {"latency": floor})
    found = finding(compared(tmp_path, measured), "latency")
    assert found.verdict == verdict
    assert found.interval[0] <= found.change <= found.interval[1]
    assert found.floor == floor
    assert "14 interleaved pairs" in found.reason
    assert "signed-rank" in found.reason


@pytest.mark.parametrize(("ratio", "verdict"), [(1.1, "regressed"), (1.0, "same")])
def test_pairs_of_runs_that_only_counted_are_judged_all_the_same(tmp_path, ratio, verdict):
    """As `ab` asks for them: time is a matter of the pairs alone."""
    measured = Interleaved({"latency": pairs(14, ratio)}, {"latency": 0.03})
    counted = [
        write_run(tmp_path / f"{side}.json", [make_record(CELL, latency=None, provenance={"run_id": side})])
        for side in ("base", "head")
    ]
    comparison = judge(*map(read_run, counted), interleaved={CELL: measured})
    (found,) = [finding for finding in comparison.findings if finding.metric == "latency"]
    assert (found.verdict, comparison.exit_code) == (verdict, int(verdict == "regressed"))
    assert "14 interleaved pairs" in found.reason


def test_the_layer_whose_time_moved_most_is_named(tmp_path):
    layers = {"latency/neurons": [("stem.lif", 1e-3, 1.01e-3), ("layer2.lif", 1e-3, 1.3e-3)]}
    slower, same = pairs(14, 1.1), pairs(14, 1.0, seed=3)
    measured = Interleaved(
        {"latency": same, "latency/neurons": slower}, {"latency": 0.03, "latency/neurons": 0.03}, layers
    )
    comparison = compared(tmp_path, measured)
    found = finding(comparison, "latency/neurons")
    assert (found.verdict, found.layer) == ("regressed", "layer2.lif")
    assert "most in layer2.lif: +30 %" in found.reason
    assert comparison.regressions == (found,)
    assert comparison.exit_code == 1


def test_all_p_values_of_timings_are_adjusted_together(tmp_path):
    quiet = {f"latency/part{index}": pairs(14, seed=index) for index in range(1, 8)}
    moved = pairs(14, 1.06, noise=0.03, seed=1)
    alone = finding(compared(tmp_path, Interleaved({"latency": moved}, {"latency": 0.03})), "latency")
    among = Interleaved({"latency": moved, **quiet}, dict.fromkeys(["latency", *quiet], 0.03))
    together = finding(compared(tmp_path, among), "latency")
    assert alone.p_adjusted == alone.p_value < together.p_adjusted
    assert together.p_adjusted == pytest.approx(8 * alone.p_value)
    assert alone.p_adjusted < ALPHA


def test_however_many_timings_hide_no_loss_of_accuracy(tmp_path):
    """28 lost and 9 gained of 10,000: p = 0.0026, which among 76 tests would be 0.19."""
    right = np.arange(10_000) < 9000
    turned = right.copy()
    turned[:28], turned[-9:] = False, True
    base, head = (
        read_run(write_run(tmp_path / f"{side}.json", [make_record(CELL, samples=10_000, bits=bits)]))
        for side, bits in (("base", right), ("head", turned))
    )
    quiet = {f"latency/part{index}": pairs(14, seed=index) for index in range(75)}
    timed = {CELL: Interleaved(quiet, dict.fromkeys(quiet, 0.03))}
    alone, among = (finding(judge(base, head, interleaved=pairs), "accuracy") for pairs in (None, timed))
    assert alone.p_value == pytest.approx(binomtest(9, 37).pvalue)
    assert (alone.verdict, among.verdict) == ("regressed", "regressed")
    assert among.p_adjusted == alone.p_adjusted == alone.p_value
    assert sum(it.p_value is not None for it in judge(base, head, interleaved=timed).findings) == 76


def test_pairs_for_which_the_machine_is_too_busy_are_too_noisy(tmp_path):
    found = finding(
        compared(tmp_path, Interleaved(failed="stopped: it is busy", stopped="stopped: it is busy")), "latency"
    )
    assert (found.verdict, found.reason) == ("too_noisy", "stopped: it is busy")
    ended = Interleaved({"latency": pairs(6, 1.1, noise=0.3)}, {"latency": 0.3}, stopped="stopped after 6 pairs")
    found = finding(compared(tmp_path, ended), "latency")
    assert found.verdict == "too_noisy"
    assert "; stopped after 6 pairs" in found.reason


def test_the_same_within_a_floor_that_hides_10_percent_is_too_noisy(tmp_path):
    wide = pairs(10, noise=0.4, seed=1)
    low, high = change_of(wide).interval
    assert 0.1 < max(1 - low, high - 1) < 0.3
    assert (
        finding(compared(tmp_path, Interleaved({"latency": wide}, {"latency": 0.3})), "latency").verdict == "too_noisy"
    )
    assert not decided(wide, 0.3, 1)
    assert hopeless(wide, 0.3)
    assert not hopeless(wide, 0.1)


def test_pairs_that_failed_are_not_comparable_and_say_why(tmp_path):
    found = finding(compared(tmp_path, Interleaved(failed="the base cannot be timed: no module models")), "latency")
    assert found.verdict == "not_comparable"
    assert found.reason == "the base cannot be timed: no module models"


@pytest.mark.parametrize(
    ("limit", "noise", "verdict"),
    [
        ("<= 1.2", 0.01, "same"),
        ("<= 1.05", 0.01, "regressed"),
        ("<= 1.05", 0.5, "too_noisy"),
        (">= 1.05", 0.01, "same"),
    ],
)
def test_a_budget_on_the_ratio_of_latencies_is_read_from_the_pairs(tmp_path, limit, noise, verdict):
    measured = Interleaved({"latency": pairs(10, 1.1, noise=noise, seed=4)}, {"latency": 0.3})
    budgets = parse_budgets(tmp_path / "suite.toml", [{"latency_ratio": limit}])
    assert finding(compared(tmp_path, measured, budgets=budgets), "budget/latency_ratio").verdict == verdict


def test_without_pairs_a_budget_on_a_ratio_of_latencies_cannot_be_checked(tmp_path):
    budgets = parse_budgets(tmp_path / "suite.toml", [{"latency_ratio": "<= 1.1"}])
    found = finding(compared(tmp_path, Interleaved(failed="no"), budgets=budgets), "budget/latency_ratio")
    assert found.verdict == "not_comparable"
    assert "inflor-bench ab" in found.reason


@pytest.mark.parametrize(
    "sides", [((), ((1.0,),)), (((),), ((1.0,),)), (((0.0,),), ((1.0,),)), (((math.nan,),), ((1.0,),))]
)
def test_pairs_without_rounds_or_with_impossible_ones_are_refused(sides):
    with pytest.raises(ValueError, match="rounds"):
        Pairs(*sides)
