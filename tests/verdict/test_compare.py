"""Comparisons of real files, one change at a time."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control, fisher_exact, ttest_rel

from inflor_bench.errors import TrackInputError
from inflor_bench.metrics import METRICS
from inflor_bench.record.costs import Power
from inflor_bench.record.counted import Uncounted
from inflor_bench.record.origin import Budget, DatasetProvenance, WeightsProvenance
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent
from inflor_bench.verdict.budgets import parse_budgets
from inflor_bench.verdict.compare import VERDICTS, judge
from tests.record.builders import (
    make_git,
    make_latency,
    make_machine,
    make_record,
    make_rounds,
    make_suite,
    sha,
    write_run,
)

CELL = "digits/resnet8/soft-mpr/T4/s0"
HEAD = {"run_id": "head", "git": make_git("head")}
BASE = {"run_id": "base", "git": make_git("base", parent="older")}


@pytest.fixture
def compare(tmp_path):
    """A function that writes two runs of records, reads and compares them."""

    def run(side, records, rounds=None):
        records = records if isinstance(records, list) else [records]
        return read_run(write_run(tmp_path / f"{side}.json", records, rounds=rounds))

    return lambda base, head, head_rounds=None: judge(run("base", base), run("head", head, head_rounds))


def base_record(**changes):
    return make_record(CELL, **{**changes, "provenance": {**BASE, **changes.get("provenance", {})}})


def head_record(**changes):
    return make_record(CELL, **{**changes, "provenance": {**HEAD, **changes.get("provenance", {})}})


def found(comparison, metric, cell=CELL):
    [finding] = [item for item in comparison.findings if (item.cell, item.metric) == (cell, metric)]
    return finding


def verdicts(comparison):
    return {finding.metric: finding.verdict for finding in comparison.findings}


def bits(right: int, n: int = 1000, *, wrong_first: int = 0):
    values = np.arange(n) < right
    values[:wrong_first] = False
    return values


def test_the_same_twice_is_quiet(compare):
    comparison = compare(make_suite(provenance=BASE), make_suite(provenance=HEAD))
    assert comparison.exit_code == 0
    assert set(verdicts(comparison).values()) <= {"same", "not_comparable"}
    exact = {"parameters", "dataset", "accuracy", "dense", "ac", "mac", "energy/horowitz45-fp32"}
    for cell, metric in itertools.product([record.name for record in make_suite()], exact):
        assert found(comparison, metric, cell).verdict == "same"
    assert set(comparison.sentences.values()) == {"estimated energy unchanged, accuracy unchanged: no change"}
    assert comparison.notes == ()


def test_one_more_spike_is_a_regression_that_names_its_layer(compare):
    base, head = base_record(), head_record()
    layers = list(head.spikes.layers)
    layers[2] = layers[2].model_copy(update={"spikes_per_step": [*layers[2].spikes_per_step[:3], 147_457]})
    head = head.model_copy(update={"spikes": head.spikes.model_copy(update={"layers": layers})})
    comparison = compare(base, head)
    finding = found(comparison, "spikes")
    assert (finding.verdict, finding.layer, comparison.exit_code) == ("regressed", "layer2.0.conv1.lif", 1)
    assert finding.head - finding.base == 1
    assert comparison.findings[0] == finding
    assert sum(item.verdict == "regressed" for item in comparison.findings) == 1


@pytest.mark.parametrize(("rate", "verdict", "code"), [(0.22, "regressed", 1), (0.18, "improved", 0)])
def test_operations_follow_the_layer_that_fires_and_energy_is_no_second_cause(compare, rate, verdict, code):
    base, head = base_record(), head_record(firing_rate=[0.2, rate, 0.2, 0.2])
    comparison = compare(base, head)
    spikes, ac, energy = (found(comparison, name) for name in ("spikes", "ac", "energy/horowitz45-fp32"))
    assert (spikes.verdict, spikes.layer) == (verdict, "layer1.0.conv1.lif")
    assert (ac.verdict, ac.layer) == (verdict, "layer2.0.conv1")  # it reads what layer1 fires
    assert ac.change == pytest.approx(head.synops.total.ac / base.synops.total.ac - 1)
    assert (ac.base, ac.head) == (base.synops.total.ac, head.synops.total.ac)
    assert energy.verdict == "changed"
    assert "recomputed from the counts" in energy.reason
    assert found(comparison, "mac").verdict == "same"
    assert found(comparison, "dense").verdict == "same"
    assert comparison.exit_code == code
    assert ("Pareto improvement" if code == 0 else "worse") in comparison.sentences[CELL]


def test_the_first_layer_that_moved_is_the_cause_and_the_most_moved_is_told(compare):
    comparison = compare(base_record(), head_record(firing_rate=[0.2, 0.201, 0.3, 0.2]))
    finding = found(comparison, "spikes")
    assert finding.layer == "layer1.0.conv1.lif"
    assert "most in layer2.0.conv1.lif: +50 %" in finding.reason


def test_the_same_total_in_other_layers_is_a_change(compare):
    base, head = base_record(firing_rate=[0.2, 0.1, 0.2, 0.2]), head_record(firing_rate=[0.1, 0.2, 0.2, 0.2])
    comparison = compare(base, head)
    finding = found(comparison, "spikes")
    assert finding.base == finding.head
    assert (finding.verdict, finding.layer) == ("changed", "stem.lif")


def with_synops(record, **changes):
    return record.model_copy(update={"synops": record.synops.model_copy(update=changes)})


def test_a_layer_that_stops_reading_spikes_is_named(compare):
    base, head = base_record(), head_record()
    layers = list(head.synops.layers)
    layers[1] = layers[1].model_copy(update={"ac": 0, "mac": layers[1].ac})
    comparison = compare(base, with_synops(head, layers=layers))
    mac, ac = found(comparison, "mac"), found(comparison, "ac")
    assert (mac.verdict, mac.layer) == ("regressed", "layer1.0.conv1")
    assert (ac.verdict, ac.layer) == ("improved", "layer1.0.conv1")
    assert "reads non-binary input now" in mac.reason
    assert comparison.exit_code == 1


def test_renamed_layers_are_told(compare):
    base, head = base_record(), head_record()
    layers = [layer.model_copy(update={"name": layer.name.replace("layer3", "last")}) for layer in head.synops.layers]
    finding = found(compare(base, with_synops(head, layers=layers)), "ac")
    assert (finding.verdict, finding.layer) == ("changed", "last.0.conv1")
    assert "gone layer3.0.conv1; new last.0.conv1" in finding.reason


def test_an_operator_that_is_not_counted_any_more_is_a_regression(compare):
    head = with_synops(head_record(), uncounted=[Uncounted(name="head", operator="aten::einsum", calls=4)])
    finding = found(compare(base_record(), head), "uncounted")
    assert (finding.verdict, finding.layer) == ("regressed", "head")
    assert "uncounted" not in verdicts(compare(head, head))


def test_structure_is_an_event_not_a_failure(compare):
    base, head = base_record(), head_record(parameters=80_000)
    head = head.model_copy(update={"model": head.model.model_copy(update={"decay": 0.5})})
    layers = [layer.model_copy(update={"dense": layer.dense + 360}) for layer in head.synops.layers[:1]]
    layers += head.synops.layers[1:]
    total = head.synops.total.model_copy(update={"dense": head.synops.total.dense + 360})
    comparison = compare(base, with_synops(head, layers=layers, total=total))
    assert comparison.exit_code == 0
    assert found(comparison, "parameters").verdict == "changed"
    assert (found(comparison, "dense").verdict, found(comparison, "dense").layer) == ("changed", "stem")
    assert found(comparison, "dense").head - found(comparison, "dense").base == 1  # an inference
    assert "decay 0.25 -> 0.5" in found(comparison, "model").reason


# Accuracy


@pytest.mark.parametrize(
    ("head_bits", "verdict"),
    [
        (bits(900), "same"),
        (bits(901, wrong_first=1), "same"),  # one gained, one lost
        (bits(880), "regressed"),
        (bits(920), "improved"),
        (bits(896), "same"),  # 4 lost: p = 0.125, but more than a point is not possible
        (bits(902, wrong_first=8), "too_noisy"),  # 8 lost, 2 gained: p = 0.11, and more than a point is possible
    ],
)
def test_accuracy_is_paired(compare, head_bits, verdict):
    comparison = compare(base_record(bits=bits(900)), head_record(bits=head_bits))
    finding = found(comparison, "accuracy")
    assert finding.verdict == verdict
    assert comparison.exit_code == (verdict == "regressed")
    lost, gained = int((bits(900) & ~head_bits).sum()), int((~bits(900) & head_bits).sum())
    assert finding.change == pytest.approx((gained - lost) / 1000)
    if lost + gained:
        n, k = lost + gained, min(lost, gained)
        p = min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
        assert finding.p_value == pytest.approx(p)
        assert finding.interval[0] <= finding.change <= finding.interval[1]
    else:
        assert finding.p_value is None


def test_a_swap_of_many_samples_is_not_the_same_predictions(compare):
    comparison = compare(base_record(bits=bits(500)), head_record(bits=~bits(500)))
    finding = found(comparison, "accuracy")
    assert (finding.verdict, finding.p_value) == ("too_noisy", 1.0)
    assert "500 gained, 500 lost" in finding.reason


def test_p_values_are_adjusted_over_the_run(compare):
    lost = {"hard": 9, "soft": 9, "hard-mpr": 1, "soft-mpr": 1, "relu": 0}
    base = [make_record(neuron=neuron, bits=bits(900), provenance=BASE) for neuron in lost]
    head = [make_record(neuron=neuron, bits=bits(900 - count), provenance=HEAD) for neuron, count in lost.items()]
    comparison = compare(base, head)
    accuracies = [item for item in comparison.findings if item.metric == "accuracy"]
    tested = [item for item in accuracies if item.p_value is not None]
    # Where all predictions are the same nothing is tested, so it dilutes nothing.
    assert {item.cell.split("/")[2] for item in tested} == lost.keys() - {"relu"}
    expected = false_discovery_control([item.p_value for item in tested])
    assert [item.p_adjusted for item in tested] == pytest.approx(list(expected))
    alone = compare(base[:1], head[:1])
    assert found(alone, "accuracy", base[0].name).verdict == "regressed"  # p = 0.0039
    assert found(comparison, "accuracy", base[0].name).verdict == "too_noisy"  # 0.0078 among four


def test_without_a_data_hash_accuracy_is_unpaired(compare):
    base = base_record(bits=bits(900), provenance={"dataset": None})
    head = head_record(bits=bits(880), provenance={"dataset": None})
    finding = found(compare(base, head), "accuracy")
    assert finding.verdict == "too_noisy"
    assert "unpaired, Fisher" in finding.reason
    far = found(compare(base, head_record(bits=bits(700), provenance={"dataset": None})), "accuracy")
    assert far.verdict == "regressed"


def test_other_data_are_not_comparable(compare):
    other = DatasetProvenance(name="digits", split="test", samples=360, sha256=sha("other digits"))
    comparison = compare(base_record(), head_record(accuracy=0.1, firing_rate=0.9, provenance={"dataset": other}))
    assert comparison.exit_code == 0
    for metric in ("accuracy", "spikes", "ac", "mac"):
        assert found(comparison, metric).verdict == "not_comparable"
    assert found(comparison, "dataset").verdict == "changed"
    assert found(comparison, "dense").verdict == "same"


def test_other_sample_counts_are_not_comparable_in_counts(compare):
    base, head = base_record(samples=360), head_record(samples=180)
    comparison = compare(base, head)
    assert {found(comparison, metric).verdict for metric in ("spikes", "ac", "mac")} == {"not_comparable"}
    assert found(comparison, "dense").verdict == "same"  # of one inference
    assert "unpaired" in found(comparison, "accuracy").reason


# Weights, machines, devices


def weights(name, key="recipe"):
    return {"weights": WeightsProvenance(source="trained", sha256=sha(name), training_key=sha(key))}


def retrained(seed=0, rise=1.0, **changes):
    """The head of a pair whose weights differ, with so many times the spikes."""
    fields = weights(f"new {seed}", changes.pop("key", "recipe")) | changes
    return make_record(CELL, seed=seed, firing_rate=0.2 * rise, provenance={**HEAD, **fields})


def before(seed=0, **changes):
    return make_record(CELL, seed=seed, provenance={**BASE, **weights(f"old {seed}"), **changes})


def test_retraining_is_noted_and_names_the_layer_that_moved_most(compare):
    head = head_record(firing_rate=[0.201, 0.9, 0.2, 0.2], provenance=weights("new", "another recipe"))
    comparison = compare(before(), head)
    finding = found(comparison, "spikes")
    assert (finding.verdict, finding.layer) == ("regressed", "layer1.0.conv1.lif")
    assert "retrained" in finding.reason
    assert "recipe or its source changed" in found(comparison, "weights").reason


@pytest.mark.parametrize("machine", [{}, {"machine": make_machine("other")}])
@pytest.mark.parametrize("metric", ["spikes", "ac"])
def test_weights_that_were_trained_anew_regress_beyond_what_chance_does(compare, metric, machine):
    floor = METRICS[metric].by_chance
    assert 0.01 < floor < 1
    for rise, verdict in ((1.00005, "changed"), (1 + 0.9 * floor, "changed"), (1 + 1.1 * floor, "regressed")):
        comparison = compare(before(**machine), retrained(rise=rise))
        assert found(comparison, metric).verdict == verdict
        assert comparison.exit_code == (verdict == "regressed")
    assert found(compare(before(), retrained(rise=1 - 1.1 * floor)), metric).verdict == "improved"
    assert "the same recipe gave other weights" in found(comparison, "weights").reason


def test_weights_that_are_not_known_are_held_to_be_the_same(compare):
    head = retrained(rise=1.00005, weights=None)
    assert found(compare(before(), head), "spikes").verdict == "regressed"


def test_three_seeds_that_were_trained_anew_are_tested_in_pairs(compare):
    old = [before(seed) for seed in range(4)]
    new = [retrained(seed, rise) for seed, rise in enumerate((1.051, 1.049, 1.05, 1.052))]
    group = f"{CELL.removesuffix('0')}*"
    comparison = compare(old, new)
    finding = found(comparison, "spikes", group)
    rises = [math.log(n.spikes.mean_firing_rate / o.spikes.mean_firing_rate) for o, n in zip(old, new, strict=True)]
    assert finding.p_value == pytest.approx(ttest_rel(rises, [0.0] * 4).pvalue)
    assert (finding.verdict, finding.change) == ("regressed", pytest.approx(math.exp(sum(rises) / 4) - 1))
    assert {found(comparison, "spikes", pair.name).verdict for pair in new} == {"changed"}, "each is within the floor"
    assert not [item for item in compare(old[:2], new[:2]).findings if item.cell == group]
    mixed = [retrained(seed, rise) for seed, rise in enumerate((1.05, 0.95, 1.02, 0.99))]
    assert found(compare(old, mixed), "spikes", group).verdict == "too_noisy"
    tiny = [retrained(seed, 1.0004) for seed in range(4)]
    assert found(compare(old, tiny), "spikes", group).verdict == "same", "no more than rounding does"


def test_accuracy_of_weights_that_were_trained_anew_regresses_beyond_what_chance_does(compare):
    floor = METRICS["accuracy"].by_chance
    base = base_record(bits=bits(9500, 10_000), samples=10_000, provenance=weights("old"))
    for loss, verdict in ((0.8 * floor, "changed"), (1.2 * floor, "regressed")):
        head = base_record(
            bits=bits(9500 - round(10_000 * loss), 10_000), samples=10_000, provenance={**HEAD, **weights("new")}
        )
        assert found(compare(base, head), "accuracy").verdict == verdict
        kept = base_record(bits=head.accuracy.unpack(), samples=10_000, provenance={**HEAD, **weights("old")})
        assert found(compare(base, kept), "accuracy").verdict == "regressed"


def test_counts_are_compared_across_machines_but_for_rounding(compare):
    base = base_record(provenance={"machine": make_machine("other")})
    assert found(compare(base, head_record()), "spikes").verdict == "same"
    little = head_record(firing_rate=[0.2, 0.20001, 0.2, 0.2])
    comparison = compare(base, little)
    assert found(comparison, "spikes").verdict == "too_noisy"
    assert comparison.exit_code == 0
    assert found(compare(base_record(), little), "spikes").verdict == "regressed"
    assert found(compare(base, head_record(firing_rate=0.21)), "spikes").verdict == "regressed"
    assert any("different machines (cpu)" in note for note in comparison.notes)


@pytest.mark.parametrize("base_device", ["cpu", "cuda:0"])
def test_counts_are_of_the_device_that_they_were_made_on(compare, base_device):
    """Where latency is timed on a GPU, and where it was at the base, says nothing of counts that the CPU made."""
    base = base_record(provenance={"device": base_device})
    for counted_on in (None, "cpu"):  # None in files of before it was kept, when suites counted on the CPU alone
        head = head_record(firing_rate=0.28, provenance={"device": "cuda:0", "counted_on": counted_on})
        comparison = compare(base, head)
        assert found(comparison, "spikes").verdict == "regressed"
        assert comparison.exit_code == 1


def test_counts_that_a_gpu_made_are_judged_beyond_rounding(compare):
    gpu = {"device": "cuda:0", "counted_on": "cuda:0"}
    base = base_record(provenance=gpu)
    for rate, verdict in ((0.2, "same"), (0.2001, "too_noisy"), (0.21, "regressed")):
        assert found(compare(base, head_record(firing_rate=rate, provenance=gpu)), "spikes").verdict == verdict
    finding = found(compare(base_record(), head_record(firing_rate=0.21, provenance=gpu)), "spikes")
    assert (finding.verdict, "counted on cpu and on cuda" in finding.reason) == ("not_comparable", True)
    other = head_record(firing_rate=0.21, provenance={**gpu, "counted_on": "cuda:1"})
    assert found(compare(base, other), "spikes").verdict == "regressed", "another GPU of the same machine"


def test_an_own_model_of_before_was_counted_where_it_lay(compare):
    own = {"device": "cuda:0", "weights": WeightsProvenance(source="user", sha256=sha("own"))}
    base, head = base_record(provenance=own), head_record(firing_rate=0.2001, provenance=own)
    assert found(compare(base, head), "spikes").verdict == "too_noisy"


# Instruments


def test_latency_of_separate_jobs_is_shown_and_never_gates(compare):
    slow = {CELL: make_rounds(0.008, seed=1)}
    comparison = compare(base_record(), head_record(latency=0.008), slow)
    finding = found(comparison, "latency")
    assert (finding.verdict, comparison.exit_code) == ("not_comparable", 0)
    assert finding.change == pytest.approx(1.0, rel=1e-9)
    assert finding.interval[0] < 1.0 < finding.interval[1]
    assert "separate jobs" in finding.reason


@pytest.mark.parametrize(
    ("provenance", "latency", "verdict", "words"),
    [
        ({"machine": make_machine("other")}, {}, "not_comparable", "different machines"),
        ({"threads": 1}, {}, "not_comparable", "2 and 1 threads"),
        ({"device": "cuda:0"}, {}, "not_comparable", "on cpu and on cuda:0"),
        ({}, {"batch_size": 8}, "not_comparable", "batches of 1 and 8"),
        ({}, {"steady": False}, "too_noisy", "not steady"),
    ],
)
def test_latency_under_other_conditions_has_no_ratio(compare, provenance, latency, verdict, words):
    head = head_record(provenance=provenance).model_copy(update={"latency": make_latency(**latency)})
    finding = found(compare(base_record(), head), "latency")
    assert (finding.verdict, finding.change) == (verdict, None)
    assert words in finding.reason


def make_power(joules, **changes):
    fields = {"meter": "nvml", "device": "gpu", "joules_per_inference": joules, "idle_watts": 50.0, "mean_watts": 90.0}
    return Power(**{**fields, "joules_per_inference_above_idle": joules / 2, "trials": [joules] * 5, **changes})


def test_measured_energy_and_memory_never_gate(compare):
    base, head = base_record(power=make_power(0.1)), head_record(power=make_power(0.2))
    head = head.model_copy(update={"memory": head.memory.model_copy(update={"peak_bytes": 600_000_000})})
    comparison = compare(base, head)
    assert found(comparison, "joules").change == pytest.approx(1.0)
    assert found(comparison, "peak_bytes").change == pytest.approx(1.0)
    assert comparison.exit_code == 0
    other = found(compare(base, head_record(power=make_power(0.2, meter="rapl"))), "joules")
    assert (other.verdict, other.change) == ("not_comparable", None)


# Energy models


def energy(record, **changes):
    model = record.energy.models[0].model_copy(update=changes)
    return record.model_copy(update={"energy": record.energy.model_copy(update={"models": [model]})})


def test_new_constants_start_a_new_series(compare):
    head = energy(head_record(), version="2", joules=1.0)
    finding = found(compare(base_record(), head), "energy/horowitz45-fp32")
    assert (finding.verdict, finding.change) == ("not_comparable", None)


def test_a_formula_that_changed_without_its_version_is_told(compare):
    finding = found(compare(base_record(), energy(head_record(), joules=1.0)), "energy/horowitz45-fp32")
    assert finding.verdict == "changed"
    assert "its version did not" in finding.reason


def test_energy_models_come_and_go(compare):
    comparison = compare(base_record(), energy(head_record(), name="flop-sop"))
    assert found(comparison, "energy/flop-sop").verdict == "changed"
    assert found(comparison, "energy/horowitz45-fp32").verdict == "changed"
    assert comparison.exit_code == 0


# What is missing

ABSENT = Absent(status="unavailable", reason="no reason at all")


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("status", ["unavailable", "skipped", "failed"])
def test_a_section_that_is_not_measured_any_more(compare, section, status):
    absent = Absent(status=status, reason="no reason at all")
    base, head = base_record(power=make_power(0.1)), head_record(**{"power": make_power(0.1), section: absent})
    comparison = compare(base, head)
    finding = found(comparison, section)
    instrument = section in ("latency", "power", "memory")
    assert finding.verdict == ("not_comparable" if instrument and status != "failed" else "regressed")
    assert "no reason at all" in finding.reason
    back = found(compare(head, base), section)
    assert back.verdict == "changed"
    assert found(compare(head, head), section).verdict == "not_comparable"


def skipped(record):
    reason = Absent(status="skipped", reason="the data set is not there")
    return record.model_copy(update=dict.fromkeys(SECTIONS, reason))


def test_a_cell_that_is_not_measured_any_more_is_one_regression(compare):
    for head in (skipped(head_record()), make_record(neuron="hard", provenance=HEAD)):
        comparison = compare(base_record(), head)
        finding = found(comparison, "cell")
        assert finding.verdict == "regressed"
        assert sum(item.verdict == "regressed" for item in comparison.findings) == 1
        assert comparison.exit_code == 1


def test_a_new_cell_and_one_that_never_was_measured_are_no_failure(compare):
    new = make_record(neuron="hard", provenance=HEAD)
    comparison = compare(skipped(base_record()), new)
    assert comparison.exit_code == 0
    assert found(comparison, "cell").verdict == "changed"
    assert found(comparison, "cell", new.name).verdict == "changed"
    assert found(compare(skipped(base_record()), head_record()), "cell").verdict == "changed"
    assert found(compare(skipped(base_record()), skipped(head_record())), "cell").verdict == "not_comparable"


def test_only_some_cells_are_compared(compare):
    base = make_suite(provenance=BASE)
    head = make_record(neuron="soft", provenance={**HEAD, "only": "*/soft/*"})
    comparison = compare(base, [head])
    assert comparison.exit_code == 0
    assert {finding.cell for finding in comparison.findings} == {"digits/resnet8/soft/T4/s0"}
    lost = make_record(neuron="hard", provenance={**HEAD, "only": "*/*/T4/*"})
    gone = [item.cell.split("/")[2] for item in compare(base, [lost]).regressions if item.metric == "cell"]
    assert gone == ["hard-mpr", "soft-mpr", "soft"], "these match, and the ReLU twin, of one step, does not"


# Joint verdicts, order, notes, budgets


@pytest.mark.parametrize(
    ("rate", "right", "words"),
    [
        (0.18, 900, "accuracy unchanged: Pareto improvement"),
        (0.2, 920, "estimated energy unchanged, accuracy +2.00 points (McNemar p = 1.9e-06): Pareto improvement"),
        (0.18, 880, "a trade-off"),
        (0.22, 920, "a trade-off"),
        (0.22, 900, ": worse"),
        (0.18, 896, "accuracy -0.40 points (McNemar p = 0.12): Pareto improvement"),
        (0.18, None, "Pareto improvement as far as one can tell"),
        (0.2, None, "too noisy to tell"),
    ],
)
def test_verdicts_are_joint(compare, rate, right, words):
    base = base_record(bits=bits(900), samples=1000)
    unclear = bits(902, wrong_first=8)
    head = head_record(bits=bits(right) if right else unclear, samples=1000, firing_rate=rate)
    assert words in compare(base, head).sentences[CELL]


def test_the_worst_comes_first(compare):
    head = make_suite(provenance=HEAD)
    head[1] = make_record(neuron="hard", firing_rate=0.25, provenance=HEAD)
    head[2] = make_record(neuron="soft", firing_rate=0.22, provenance=HEAD)
    head[3] = make_record(neuron="hard-mpr", firing_rate=0.1, provenance=HEAD)
    comparison = compare(make_suite(provenance=BASE), head)
    order = [VERDICTS.index(finding.verdict) for finding in comparison.findings]
    assert order == sorted(order)
    assert [finding.cell.split("/")[2] for finding in comparison.regressions] == ["hard", "hard", "soft", "soft"]
    assert comparison.counts["regressed"] == 4
    assert sum(comparison.counts.values()) == len(comparison.findings)


def test_notes_say_what_the_runs_are(compare):
    dirty = make_git("head", dirty=True, diff_sha256="0" * 64)
    absent = Absent(status="unavailable", reason="no git state: no repository")
    comparison = compare(base_record(provenance={"git": absent}), head_record(provenance={"git": dirty}))
    assert comparison.notes[1] == "The base has no git state: no repository."
    assert "dirty tree" in comparison.notes[2]
    assert any("A/A" in note for note in compare(base_record(), head_record(provenance={"git": BASE["git"]})).notes)


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        ({"accuracy": ">= 0.95"}, "same"),
        ({"accuracy": ">= 0.951"}, "regressed"),
        ({"parameters": "<= 77000"}, "same"),
        ({"parameters": "<= 76999"}, "regressed"),
        ({"firing_rate": "<= 0.1"}, "regressed"),
        ({"energy": "<= 1"}, "same"),
        ({"latency": "<= 0.003"}, "regressed"),
        ({"joules": "<= 1"}, "not_comparable"),
        ({"ac_ratio": "<= 1.05"}, "same"),
        ({"spikes_ratio": "<= 0.99"}, "regressed"),
        ({"joules": "<= 1", "cell": "fashion-mnist/*"}, None),
    ],
)
def test_budgets(compare, tmp_path, entry, verdict):
    budgets = parse_budgets(tmp_path / "suite.toml", [entry])
    comparison = compare(base_record(), head_record(provenance={"budgets": budgets}))
    findings = [finding for finding in comparison.findings if finding.metric.startswith("budget/")]
    assert [finding.verdict for finding in findings] == ([verdict] if verdict else [])
    assert comparison.exit_code == (verdict == "regressed")


def test_every_budget_metric_can_be_read(compare, tmp_path):
    entries = [{metric: ">= 0"} for metric in METRICS]
    budgets = {"budgets": parse_budgets(tmp_path / "suite.toml", entries)}
    record = head_record(power=make_power(0.1), provenance=budgets)
    comparison = compare(base_record(power=make_power(0.1)), record)
    values = {item.metric: item.head for item in comparison.findings if item.metric.startswith("budget/")}
    assert values.keys() == {f"budget/{metric}" for metric in METRICS}
    assert values["budget/ac"] == record.synops.total.ac / 360
    assert values["budget/spikes"] == record.spikes.mean_firing_rate * 4 * (4096 + 4096 + 2048 + 1024)
    assert values["budget/joules"] == 0.1


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"a": 1}, "key budgets is not a list"),
        ([1], "key budgets is not a list"),
        ([{}, {"acuracy": ">= 1"}], r"budgets\[1\]\.acuracy is unknown; use one of accuracy"),
        ([{"peak_bytes_ratio": "<= 1"}], "peak_bytes_ratio cannot be checked: .* limit peak_bytes itself"),
        ([{"joules_ratio": "<= 1"}], "joules_ratio cannot be checked: .* with _ratio one of accuracy, .*latency"),
        ([{"accuracy": 0.9}], 'is no limit; write "<= number"'),
        ([{"accuracy": "> 0.9"}], "is no limit"),
        ([{"accuracy": ">= nan"}], "is no limit"),
        ([{"accuracy": ">= much"}], "is no limit"),
        ([{"cell": 3}], r"budgets\[0\]\.cell is no text"),
    ],
)
def test_a_wrong_budget_is_one_sentence(tmp_path, entries, words):
    with pytest.raises(TrackInputError, match=words) as caught:
        parse_budgets(tmp_path / "suite.toml", entries)
    assert str(caught.value).startswith(str(tmp_path / "suite.toml"))


def test_a_ratio_without_a_base_is_not_comparable(compare):
    budgets = [Budget(cell="*", metric="ac_ratio", relation="<=", limit=1.0)]
    comparison = compare(make_record(neuron="hard", provenance=BASE), head_record(provenance={"budgets": budgets}))
    assert found(comparison, "budget/ac_ratio").verdict == "not_comparable"


def test_the_comparison_is_the_same_whatever_the_order_in_the_files(compare):
    base, head = make_suite(provenance=BASE), make_suite(firing_rate=0.21, provenance=HEAD)
    first = compare(base, head)
    assert compare(base[::-1], head[::-1]).findings == first.findings
    assert json.dumps([finding.cell for finding in first.findings])


@pytest.mark.parametrize(
    ("card", "correct", "verdict"),
    [
        (900, 900, None),
        (900, 899, "changed"),
        (900, 901, "changed"),
        (900, 862, "changed"),
        (900, 855, "regressed"),
        (855, 900, "changed"),
    ],
)
def test_weights_are_held_to_their_card_without_a_base(tmp_path, card, correct, verdict):
    """Of 1,000 samples, by the exact test of scipy."""
    weights = WeightsProvenance(source="shipped", sha256="w", card_accuracy=card / 1000)
    record = make_record(samples=1000, bits=np.arange(1000) < correct, provenance={"weights": weights})
    comparison = judge(None, read_run(write_run(tmp_path / "run.json", [record])))
    found = [finding.verdict for finding in comparison.findings if finding.metric == "card"]
    assert found == ([] if verdict is None else [verdict])
    assert comparison.exit_code == (verdict == "regressed")
    table = [[card, 1000 - card], [correct, 1000 - correct]]
    expected = fisher_exact(table).pvalue < 0.005 and correct < card
    assert (verdict == "regressed") == expected


def test_the_card_says_nothing_of_a_deployed_form(tmp_path):
    weights = WeightsProvenance(source="shipped", sha256="w", card_accuracy=0.9)
    record = make_record(accuracy=0.5, provenance={"weights": weights})
    deployed = record.model_copy(update={"model": record.model.model_copy(update={"form": "deployed"})})
    for each, exit_code in ((record, 1), (deployed, 0)):
        assert judge(None, read_run(write_run(tmp_path / "run.json", [each]))).exit_code == exit_code
