"""The whole way, by the command line in real processes: suite, training, measuring, run file, comparison, report."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from inflor_bench.models import create_model, load_model
from inflor_bench.models.checkpoints import read_tensors, save_tensors
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.neurons import LIF
from inflor_bench.record.section import Absent
from tests.command import python
from tests.place import Place, cells, suite

pytestmark = pytest.mark.long

SUITE = suite(
    cells("digits", "relu", "soft-mpr"),
    cells("fashion-mnist", "hard"),
    training={"epochs": 2},
    measure={"batch_size": 8, "rounds": 30},
    energy_models=["chips/mine.toml"],
)
CHIP = """
[[models]]
name = "my-chip"
version = "1"
source = "a data sheet"
mac = 3e-12
ac = 1e-12
neuron_update = 2e-12
"""
DIGITS = ("digits/resnet8/relu/T1/s0", "digits/resnet8/soft-mpr/T2/s0")
FASHION = "fashion-mnist/resnet8/hard/T2/s0"


class Small(Place):
    """The suite, where there is no Fashion-MNIST to train on."""

    def __init__(self, directory: Path, **options) -> None:
        super().__init__(directory, SUITE, **options)
        (directory / "empty").mkdir()
        (directory / "chips").mkdir()
        (directory / "chips/mine.toml").write_text(CHIP)

    def run(self, *arguments, **options):
        return super().run("--data-root", "empty", *arguments, **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The suite, run once, as users run it. The Fashion-MNIST cell cannot be trained there and is skipped."""
    place = Small(tmp_path_factory.mktemp("place"), fresh=True)
    place.first = place.run()
    place.fresh = False
    return place


@pytest.fixture(scope="module")
def first(place):
    return place.only_run()


def strict(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_every_cell_is_in_the_run_and_the_report(place, first):
    assert set(first.cells) == {*DIGITS, FASHION}
    index = (place.directory / "out/report/index.html").read_text()
    assert all(name in index for name in first.cells)
    assert len(list((place.directory / "out/report/models").glob("*.html"))) == 3
    assert not list((place.directory / "out/runs").glob("*/*.cells"))


def test_data_that_cannot_be_had_are_skipped_with_the_three_ways_to_get_them(first):
    accuracy = first.cells[FASHION].record.accuracy
    assert isinstance(accuracy, Absent)
    assert accuracy.status == "skipped"
    assert all(way in accuracy.reason for way in ("dataset-fashion-mnist", "--data-root", "--download"))


def test_the_file_is_strict_json_that_pytest_benchmark_compares(place, tmp_path):
    (path, *_) = place.runs()
    document = strict(path)
    assert all(len(entry["stats"]["data"]) == 30 for entry in document["benchmarks"] if "digits" in entry["name"])
    assert all(list(entry["params"]) == ["cell"] for entry in document["benchmarks"])
    other = shutil.copy(path, tmp_path / "other.json")
    compared = ("compare", path, other, "--group-by=param:cell")
    done = python("-m", "pytest_benchmark", *compared, cwd=place.directory)
    assert all(name in done.stdout for name in DIGITS)


def test_measured_values_equal_what_plain_loops_over_the_model_give(place, first):
    """Accuracy, spikes, accumulates of one layer and reset loss, by other code on the same checkpoint."""
    record = first.cells[DIGITS[1]].record
    (checkpoint,) = [
        path
        for path in (place.directory / "cache/trained").glob("*.safetensors")
        if read_tensors(path)[1]["config"]["neuron"] == "soft-mpr"
    ]
    digits, model = load_dataset("digits"), load_model(checkpoint)
    kept = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: kept.__setitem__(name, (i[0].detach(), o.detach())))
    with torch.no_grad():
        logits = model(digits.normalise(digits.test.images))
    correct = (logits.argmax(1) == digits.test.labels).sum().item()
    assert record.accuracy.correct == correct
    assert record.accuracy.unpack().tolist() == (logits.argmax(1) == digits.test.labels).tolist()

    for layer in record.spikes.layers:
        spikes = kept[layer.name][1].unflatten(0, (2, -1))
        assert layer.spikes_per_step == [int(step.sum()) for step in spikes]
    assert [layer.name for layer in record.spikes.layers] == [
        name for name, module in model.named_modules() if isinstance(module, LIF)
    ]

    (layer,) = [layer for layer in record.synops.layers if layer.name == "stages.0.0.conv1"]
    spikes, weight = kept["stages.0.0.conv1"][0], model.stages[0][0].conv1.weight
    counted = torch.nn.functional.conv2d((spikes != 0).double(), (weight != 0).double(), padding=1)
    assert (layer.ac, layer.mac) == (int(counted.sum()), 0)
    (stem,) = [layer for layer in record.synops.layers if layer.name == "conv"]
    assert stem.ac == 0
    assert stem.mac > 0

    (update,) = [layer for layer in record.neuron_ops.layers if layer.name == "activation"]
    assert update.updates == 2 * 355 * 16 * 8 * 8

    (information,) = [layer for layer in record.information.layers if layer.name == "activation"]
    current, spikes = (value.unflatten(0, (2, -1)).double() for value in kept["activation"])
    u0 = current[0]
    u1 = 0.25 * (u0 - spikes[0]) + current[1]
    error = (torch.stack([u0, u1]) - spikes).square().mean().item()
    assert information.quantisation_error == pytest.approx(error, rel=1e-5)
    assert information.reset_loss == pytest.approx(0, abs=1e-6)
    levels = (current.sum(0) - 0.5).ceil().clamp(0, 2)
    assert information.level_error == pytest.approx((spikes.sum(0) - levels).abs().mean().item(), rel=1e-5)


def test_the_ann_twin_multiplies_and_has_no_spikes(first):
    record = first.cells[DIGITS[0]].record
    assert isinstance(record.spikes, Absent)
    assert isinstance(record.neuron_ops, Absent)
    assert record.synops.total.ac == 0 < record.synops.total.mac <= record.synops.total.dense
    assert record.energy.status == "estimated"


def test_energy_is_estimated_by_every_model_and_by_the_suites_own(first):
    for name in DIGITS:
        record = first.cells[name].record
        estimates = {model.name: model for model in record.energy.models}
        assert {"horowitz45-fp32", "lemaire2022", "spinnaker2", "my-chip"} <= set(estimates)
        updates = 0 if isinstance(record.neuron_ops, Absent) else record.neuron_ops.updates
        total, samples = record.synops.total, record.synops.samples
        joules = (3e-12 * total.mac + 1e-12 * total.ac + 2e-12 * updates) / samples
        assert estimates["my-chip"].joules == pytest.approx(joules, rel=1e-12)
        assert estimates["my-chip"].source == "a data sheet"
        assert all(model.joules > 0 and not model.notes for model in estimates.values())
        assert record.energy.failed == {}


def test_power_is_measured_or_absent_with_a_reason_that_the_report_shows(place, first):
    record = first.cells[DIGITS[0]].record
    if not isinstance(record.power, Absent):
        assert record.power.joules_per_inference > 0
        return
    assert record.derived.reason == f"energy was not measured: {record.power.reason}"
    (page,) = (place.directory / "out/report/models").glob(f"{DIGITS[0].replace('/', '-').lower()}*.html")
    text = page.read_text()
    sentence = record.power.reason.partition(": ")[2].partition(";")[0]
    assert sentence
    assert sentence in text
    assert not re.search(r"(?<![\d.,])0(\.0+)?\s*W\b", text)


def test_a_second_run_gives_the_same_bits_and_is_compared_with_the_first(place, first):
    """Also with the networks trained anew, in another cache."""
    place.run(out="again")
    place.run(out="fresh", INFLOR_BENCH_CACHE=str(place.directory / "cache2"))
    for out in ("again", "fresh"):
        second = place.only_run(out)
        for name in DIGITS:
            ours, theirs = second.cells[name].record, first.cells[name].record
            for section in ("accuracy", "spikes", "synops", "neuron_ops", "information"):
                assert getattr(ours, section) == getattr(theirs, section), section
            assert ours.provenance.weights.sha256 == theirs.provenance.weights.sha256
            assert ours.provenance.weights.source == ("cached" if out == "again" else "trained")
        done = place.call("compare", first.path, second.path, check=0)
        assert "regressed" not in done.stdout


def changed(first, directory, change):
    document = strict(first.path)
    (entry,) = [entry for entry in document["benchmarks"] if DIGITS[1] in entry["name"]]
    change(entry["extra_info"]["inflor_bench"])
    path = directory / "changed.json"
    path.write_text(json.dumps(document))
    return path


def test_a_regression_exits_with_1_and_names_cell_metric_and_layer(place, first, tmp_path):
    def busier(record):
        layer = next(layer for layer in record["synops"]["layers"] if layer["name"] == "stages.1.0.conv2")
        layer["ac"] += 1
        record["synops"]["total"]["ac"] += 1

    done = place.call("compare", first.path, changed(first, tmp_path, busier), check=1, COLUMNS="300")
    (line,) = [line for line in done.stdout.splitlines() if "regressed" in line and "stages.1.0.conv2" in line][:1]
    assert DIGITS[1] in line
    assert "ac" in line.lower()
    done = place.call("compare", changed(first, tmp_path, busier), first.path, check=0)


def test_bad_input_is_one_sentence_and_exit_code_2(place, first, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_bytes(first.path.read_bytes()[:1000])
    file = tmp_path / "a file"
    file.write_text("")
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.replace("[measure]", "[measure]\nwarm = 3"))
    chip = tmp_path / "chip.toml"
    chip.write_text(SUITE.replace("chips/mine.toml", "no-such-chip.toml"))
    calls = {
        "no-such-chip.toml": ("run", "--suite", chip),
        "broken.json": ("compare", first.path, broken),
        "none.json": ("compare", first.path, tmp_path / "none.json"),
        "mnist": ("train", "mnist/resnet8/soft/T2/s0"),
        "resnet9": ("train", "digits/resnet9/soft/T2/s0"),
        "lif": ("train", "digits/resnet8/lif/T2/s0"),
        "measure.warm": ("run", "--suite", suite),
        "a file": ("run", "--suite", "suite.toml", "--out", file / "below"),
        "nothing": ("run", "--suite", "suite.toml", "--only", "nothing"),
    }
    for named, arguments in calls.items():
        done = place.call(*arguments, check=2)
        assert named in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def test_a_damaged_checkpoint_costs_its_own_cell_alone(place, tmp_path):
    cache = tmp_path / "cache"
    place.run(out="prepared", INFLOR_BENCH_CACHE=str(cache))
    for path in (cache / "trained").glob("*.safetensors"):
        if read_tensors(path)[1]["config"]["neuron"] == "relu":
            path.write_bytes(path.read_bytes()[:-10])
    done = place.run(out="damaged", check=2, INFLOR_BENCH_CACHE=str(cache))
    assert "is damaged" in done.stderr
    run = place.only_run("damaged")
    assert run.cells[DIGITS[0]].record.accuracy.status == "failed"
    assert run.cells[DIGITS[1]].record.accuracy.status == "measured"


def test_a_checkpoint_of_another_network_is_no_trained_cell(place, first, tmp_path):
    cache = tmp_path / "cache" / "trained"
    key = first.cells[DIGITS[0]].record.provenance.weights.training_key
    other = create_model("resnet8", neuron="relu", timesteps=1, num_classes=3, in_channels=1)
    config = {"network": "resnet8", "neuron": "relu", "timesteps": 1, "num_classes": 3, "in_channels": 1}
    save_tensors(
        cache / f"{key}.safetensors",
        other.state_dict(),
        {"config": {**config, "hyperparameters": {}}, "dataset": {"sha256": "x"}},
    )
    done = place.run(out="other", check=2, INFLOR_BENCH_CACHE=str(cache.parent))
    assert "holds another network or data" in done.stderr


def test_the_deployed_form_predicts_the_same_and_a_comparison_says_that_the_form_differs(place, first):
    suite = place.directory / "deployed.toml"
    suite.write_text(SUITE.replace("[[cells]]", '[[cells]]\nform = "deployed"', 1))
    arguments = ("--suite", suite, "--only", "digits/*", "--data-root", "empty", "--out", "deployed")
    place.call("run", *arguments, check=0)
    run = place.only_run("deployed")
    for name in DIGITS:
        trained, deployed = first.cells[name].record, run.cells[name].record
        assert (trained.model.form, deployed.model.form) == ("training", "deployed")
        assert deployed.accuracy.bits == trained.accuracy.bits
        assert deployed.model.mpr == trained.model.mpr
        assert {layer.mpr for layer in getattr(deployed.neuron_ops, "layers", ())} <= {False}
    done = place.call("compare", first.path, run.path, check=0, COLUMNS="300")
    assert "form" in done.stdout


def test_compare_answers_without_torch():
    program = (
        "import sys, inflor_bench.cli.app\n"
        "sys.argv = ['inflor-bench', 'compare', '--help']\n"
        "try:\n    inflor_bench.cli.app.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules), 'slow import'\n"
    )
    assert "McNemar" in python("-c", program).stdout
