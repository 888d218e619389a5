"""A study's analysis, on records with known differences: against scipy, by the definitions, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from inflor_bench.record.counted import Accuracy
from inflor_bench.record.origin import WeightsProvenance
from inflor_bench.record.section import Absent
from inflor_bench.verdict.statistics import detectable, holm
from inflor_bench.verdict.study import ALPHA, BEST, analyse
from tests.record.builders import make_record, sha

GROUP = "digits/resnet8/T4"
SAMPLES = 1000


def network(neuron, seed, accuracy, rate=0.2, epochs=(), timesteps=4, **sections):
    weights = WeightsProvenance(source="trained", sha256=sha(f"{neuron}{seed}"), card_epochs=list(epochs))
    return make_record(
        f"digits/resnet8/{neuron}/T{timesteps}/s{seed}",
        samples=SAMPLES,
        accuracy=accuracy,
        firing_rate=rate,
        provenance={"weights": weights},
        **sections,
    )


def made(shift, seeds=8, scatter=0.004, neurons=("hard", "soft")):
    """Two neurons, the second more accurate by `shift`, over seeds that have something in common."""
    generator = np.random.default_rng(1)
    common = 0.9 + generator.normal(0, 0.01, seeds)
    return [
        network(neuron, seed, float(common[seed] + shift * (neuron == neurons[-1]) + generator.normal(0, scatter)))
        for seed in range(seeds)
        for neuron in neurons
    ]


def effect(study, metric="accuracy", head="soft"):
    (found,) = [one for one in study.effects if (one.metric.name, one.head) == (metric, head)]
    return found


@pytest.mark.parametrize("shift", [0.0, 0.003, 0.02])
def test_differences_are_paired_over_the_seeds_as_scipy_does_it(shift):
    records = made(shift)
    found = effect(analyse(records, [("hard", "soft")]))
    hard, soft = ([r.accuracy.value for r in records if r.model.neuron == neuron] for neuron in ("hard", "soft"))
    t = stats.ttest_rel(soft, hard)
    assert (found.group, found.seeds) == (GROUP, tuple(range(8)))
    assert found.difference == pytest.approx(np.mean(soft) - np.mean(hard), rel=1e-9, abs=1e-12)
    assert found.p_value == pytest.approx(t.pvalue, rel=1e-9)
    assert found.interval == pytest.approx(tuple(t.confidence_interval(0.95)), rel=1e-9)
    assert found.scatter == pytest.approx(np.std(np.subtract(soft, hard), ddof=1))
    moved = np.round(np.subtract(soft, hard), 12)
    assert found.p_signed_rank == pytest.approx(stats.wilcoxon(moved[moved != 0]).pvalue)
    assert found.found is bool(found.p_adjusted < ALPHA)


def test_seeds_that_one_of_them_lacks_are_left_out_and_too_few_are_told():
    records = [r for r in made(0.01) if (r.model.neuron, r.model.seed) != ("soft", 3)]
    assert effect(analyse(records, [("hard", "soft")])).seeds == (0, 1, 2, 4, 5, 6, 7)
    few = analyse([r for r in records if r.model.seed in (0, 3, 4)], [("hard", "soft")])
    assert (few.effects, few.left_out) == ((), ((f"{GROUP}: soft - hard", "2 seeds in common, fewer than 3"),))


def test_each_quantity_is_corrected_for_all_comparisons_that_were_named():
    records = made(0.01, neurons=("hard", "soft-mpr", "soft"))
    comparisons = [("hard", "soft"), ("hard", "soft-mpr"), ("soft", "soft-mpr")]
    study = analyse(records, comparisons)
    family = [one for one in study.effects if one.metric.name == "accuracy"]
    assert [(one.base, one.head) for one in family] == comparisons
    ordered = sorted(one.p_value for one in family)
    expected = {p: max(min(1, (3 - i) * q) for i, q in enumerate(ordered[: k + 1])) for k, p in enumerate(ordered)}
    assert [one.p_adjusted for one in family] == pytest.approx([expected[one.p_value] for one in family])
    # What could have been found is what the first, strictest step of the correction asks for.
    least = TTestPower().power(family[0].detectable / family[0].scatter, nobs=8, alpha=ALPHA / 3)
    assert least == pytest.approx(0.8, abs=1e-6)


def test_all_that_is_counted_is_compared_as_well():
    rates = [0.2, 0.25, 0.21, 0.24]
    records = [network("hard", s, 0.9, rate, [0.5, 0.91]) for s, rate in enumerate(rates)]
    records += [network("soft", s, 0.9, rate + 0.05, [0.93, 0.9]) for s, rate in enumerate(rates)]
    study = analyse(records, [("hard", "soft")])
    rate, ac = effect(study, "firing_rate"), effect(study, "ac")
    assert rate.difference == pytest.approx(0.05, abs=1e-3)
    assert ac.head_mean / ac.base_mean == pytest.approx(np.mean([r + 0.05 for r in rates]) / np.mean(rates), rel=0.02)
    assert effect(study, "energy/horowitz45-fp32").difference > 0
    # The best epoch is another than the last one.
    assert effect(study, BEST.name).difference == pytest.approx(0.02)
    assert effect(study).difference == 0
    assert not effect(study).found


def test_what_one_side_does_not_have_is_left_out_with_its_reason():
    records = made(0.01, seeds=3)
    bare = Absent(status="unavailable", reason="there are no spiking neurons")
    twins = [network("quant", seed, 0.9, spikes=bare, information=bare) for seed in range(3)]
    study = analyse([*records, *twins], [("quant", "soft"), ("hard", "soft")])
    assert {one.base for one in study.effects if one.metric.name == "firing_rate"} == {"hard"}
    assert (f"{GROUP}: soft - quant: firing rate", "there are no spiking neurons") in study.left_out
    assert any("best epoch" in what and reason == BEST.missing for what, reason in study.left_out)


def test_the_ann_twin_is_compared_at_every_t():
    records = [network("relu", seed, 0.95, timesteps=1) for seed in range(3)]
    records += [network("soft", seed, 0.9, timesteps=t) for seed in range(3) for t in (2, 4)]
    groups = {one.group for one in analyse(records, [("relu", "soft")]).effects}
    assert groups == {"digits/resnet8/T2", "digits/resnet8/T4"}


def test_holm_is_its_definition_and_detectable_is_the_noncentral_t():
    p_values = [0.04, 0.001, 0.03, 0.5, 0.03]
    assert holm(p_values) == pytest.approx([0.12, 0.005, 0.12, 0.5, 0.12])
    assert holm([]) == []
    for n, alpha in ((3, 0.05), (10, 0.01), (20, 0.05 / 12)):
        shift = detectable(n, alpha) * math.sqrt(n)
        critical = stats.t.isf(alpha / 2, n - 1)
        power = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
        assert power == pytest.approx(0.8, abs=1e-5)
    with pytest.raises(ValueError, match="two pairs"):
        detectable(1, 0.05)


def bare(template, neuron, seed, accuracy):
    """A record of an accuracy and nothing else, which is quickly made."""
    right = Accuracy.from_bits(np.arange(100_000) < round(100_000 * accuracy))
    model = template.model.model_copy(update={"neuron": neuron, "seed": seed})
    nothing = dict.fromkeys(("spikes", "synops", "information", "energy"), Absent(status="skipped", reason="simulated"))
    return template.model_copy(update={"model": model, "accuracy": right, **nothing})


@pytest.mark.slow
def test_intervals_cover_false_alarms_are_rare_and_what_is_detectable_is_found():
    """500 studies of four neurons with twelve seeds, drawn normal: three comparisons, of which one has an effect."""
    generator = np.random.default_rng(0)
    comparisons = [("hard", "soft"), ("hard", "hard-mpr"), ("hard", "soft-mpr")]
    seeds, scatter, studies = 12, 0.004, 500
    # A difference of two networks scatters by sqrt(2) of what each does.
    least = detectable(seeds, ALPHA / len(comparisons)) * scatter * math.sqrt(2)
    template = network("hard", 0, 0.5)
    covered = alarms = power = 0
    for _ in range(studies):
        values = generator.normal(0.5, scatter, (4, seeds)) + generator.normal(0, 0.01, seeds)
        values[1] += least
        names = ("hard", "soft", "hard-mpr", "soft-mpr")
        records = [
            bare(template, name, seed, float(value))
            for name, row in zip(names, values, strict=True)
            for seed, value in enumerate(row)
        ]
        family = [one for one in analyse(records, comparisons).effects if one.metric.name == "accuracy"]
        truth = {"soft": least, "hard-mpr": 0.0, "soft-mpr": 0.0}
        covered += sum(one.interval[0] <= truth[one.head] <= one.interval[1] for one in family)
        alarms += any(one.found for one in family if one.head != "soft")
        power += any(one.found for one in family if one.head == "soft")
    assert covered / (3 * studies) == pytest.approx(0.95, abs=0.02)
    assert alarms / studies <= 0.05 + 0.03
    assert power / studies >= 0.8 - 0.05
