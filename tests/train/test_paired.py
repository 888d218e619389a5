"""The table of a zoo: means, spreads and tests against counting by hand and other implementations."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.contingency_tables import mcnemar

from inflor_bench.cell.name import Cell
from inflor_bench.train.paired import Trained, p_of_seeds, table
from inflor_bench.verdict.statistics import mcnemar as ours

N = 2000


def trained(neuron, seed, share, dataset="digits", simulated=False):
    generator = np.random.default_rng([seed, len(neuron)])
    return Trained(Cell(dataset, "resnet8", neuron, 2, seed), generator.random(N) < share, simulated)


RESULTS = [trained(neuron, seed, share) for neuron, share in (("hard", 0.9), ("soft", 0.92)) for seed in (0, 1, 2)]


def rows(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]


def test_mean_and_spread_are_those_of_the_seeds():
    by_name = {row[0]: row for row in rows(table("x", RESULTS))}
    for neuron in ("hard", "soft"):
        values = [100 * one.bits.mean() for one in RESULTS if one.cell.neuron == neuron]
        row = by_name[f"digits/resnet8/{neuron}/T2"]
        assert row[1:4] == ["3", f"{np.mean(values):.2f}", f"{np.std(values, ddof=1):.2f}"]
        assert row[4] == ", ".join(f"{value:.2f} (s{seed})" for seed, value in enumerate(values))
    alone = rows(table("x", [trained("soft", 0, 0.5, "digits-dvs", simulated=True)]))[-1]
    assert alone[0] == "digits-dvs/resnet8/soft/T2 (simulated data)"
    assert alone[3] == "one seed"


def test_p_values_are_those_of_statsmodels_and_scipy():
    tests = {row[3]: row for row in rows(table("x", RESULTS)) if row[:3] == ["digits/resnet8/T2", "hard", "soft"]}
    assert list(tests) == ["s0", "s1", "s2", "all 3"]
    hard, soft = ([one.bits for one in RESULTS if one.cell.neuron == neuron] for neuron in ("hard", "soft"))
    pairs = {f"s{seed}": (hard[seed], soft[seed]) for seed in range(3)}
    pairs["all 3"] = (np.concatenate(hard), np.concatenate(soft))
    for name, (base, head) in pairs.items():
        gained, lost = int((~base & head).sum()), int((base & ~head).sum())
        p = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
        points = 100 * (head.mean() - base.mean())
        assert tests[name][4:8] == [str(gained), str(lost), f"{points:+.2f}", f"{p:.2g}"]
    p = ttest_rel([bits.mean() for bits in soft], [bits.mean() for bits in hard]).pvalue
    assert tests["all 3"][8] == f"{p:.2g}"


def test_only_what_has_the_same_data_steps_and_seed_is_paired():
    other = Trained(Cell("digits", "resnet8", "soft", 4, 0), RESULTS[0].bits, False)
    assert not [row for row in rows(table("x", [RESULTS[0], other])) if row[1] == "hard"]
    some = [row[3] for row in rows(table("x", [*RESULTS[:3], RESULTS[4]])) if row[1] == "hard"]
    assert some == ["s1"]


def test_equal_differences_give_no_p_of_the_seeds():
    assert p_of_seeds([ours(RESULTS[0].bits, RESULTS[3].bits)] * 2) is None
    assert p_of_seeds([ours(RESULTS[seed].bits, RESULTS[seed + 3].bits) for seed in range(3)]) == pytest.approx(
        ttest_rel([RESULTS[s + 3].bits.mean() for s in range(3)], [RESULTS[s].bits.mean() for s in range(3)]).pvalue
    )
