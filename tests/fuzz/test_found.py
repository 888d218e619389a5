"""What damaged files have found, each once more by hand."""

import json
import tomllib
import zipfile

import numpy as np
import pytest
import torch

from inflor_bench.errors import MeasureInputError, ModelInputError, SuiteInputError, TrackInputError
from inflor_bench.measure.energy.user import read_models
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import load_model, read_tensors, read_trained, save_tensors
from inflor_bench.models.datasets.cifar10_dvs import _read_pair, check_sizes
from inflor_bench.models.training import state
from inflor_bench.models.zoo import shipped_checkpoint
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.run_file import read_run
from inflor_bench.reports.pages import site
from inflor_bench.run.suite import load_suite
from inflor_bench.text import one_line
from inflor_bench.user_model.inputs import from_file
from inflor_bench.verdict.accepted import read_accepted
from tests.command import call
from tests.fuzz.targets import _CONFIG, _RECIPE, TARGETS
from tests.models import aedat4

SHIPPED = "fashion-mnist/resnet8/soft/T2/s0"


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda p: load_suite(str(p)), SuiteInputError),
        (read_models, MeasureInputError),
        (read_accepted, TrackInputError),
    ],
)
def test_a_number_of_more_digits_than_python_reads(tmp_path, read, error):
    path = tmp_path / "a.toml"
    path.write_text("name = " + "9" * 5000)
    with pytest.raises(ValueError, match="4300"):
        tomllib.loads(path.read_text())
    with pytest.raises(error, match="TOML"):
        read(path)


def test_more_bits_than_a_machine_can_address():
    bits = Accuracy.from_bits(np.ones(5, bool)).bits
    with pytest.raises(ValueError, match="does not hold n bits"):
        Accuracy(n=10**30, correct=5, bits=bits)
    assert Accuracy.from_bits(np.zeros(10**6, bool)).unpack().sum() == 0, "the densest that zlib can pack"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timesteps", "2"),
        ("network", ["resnet8"]),
        ("num_classes", 10**9),
        ("in_channels", -1),
        ("timesteps", True),
        ("hyperparameters", {"decay": "x"}),
        ("hyperparameters", {"decay": 10**400}),
    ],
)
def test_a_checkpoint_that_describes_no_network(tmp_path, key, value):
    tensors, metadata = read_tensors(shipped_checkpoint(SHIPPED))
    path = tmp_path / "damaged.safetensors"
    save_tensors(path, tensors, {**metadata, "config": {**metadata["config"], key: value}})
    with pytest.raises(ModelInputError, match="config"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("correct", "9"), ("samples", 0), ("curve", {}), ("anytime", [1, "2"]), ("recipe", None), ("correct", 10**6)],
)
def test_a_checkpoint_whose_training_is_damaged(tmp_path, key, value):
    tensors, metadata = read_tensors(shipped_checkpoint(SHIPPED))
    path = tmp_path / "damaged.safetensors"
    save_tensors(path, tensors, {**metadata, key: value})
    with pytest.raises(ModelInputError, match=key):
        read_trained(path)


@pytest.mark.parametrize(("key", "value"), [("threads", None), ("dataset", "digits"), ("curve", [1]), ("config", {})])
def test_a_card_of_damaged_metadata(key, value):
    _, metadata = read_tensors(shipped_checkpoint(SHIPPED))
    assert "Test accuracy" in model_card("cell", metadata)
    damaged = {**metadata, key: value}
    if value is None:
        del damaged[key]
    with pytest.raises(ModelInputError, match="damaged"):
        model_card("cell", damaged)


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors, progress: progress.update(step="3"),
        lambda tensors, progress: progress.update(seen=-1),
        lambda tensors, progress: progress.pop("curve"),
        lambda tensors, progress: tensors.update({"momentum.conv.weight": torch.zeros(1)}),
        lambda tensors, progress: tensors["momentum.conv.weight"].fill_(torch.nan),
    ],
)
def test_an_unfinished_training_that_is_damaged(tmp_path, damage):
    (tmp_path / "good").write_bytes(TARGETS["checkpoint"].seeds(tmp_path)[1])
    tensors, metadata = read_tensors(tmp_path / "good")
    state.restore(state.start(_CONFIG, _RECIPE, 0, torch.device("cpu")), tmp_path / "good")
    damage(tensors, metadata["progress"])
    save_tensors(tmp_path / "bad", tensors, metadata)
    with pytest.raises(ModelInputError, match="damaged"):
        state.restore(state.start(_CONFIG, _RECIPE, 0, torch.device("cpu")), tmp_path / "bad")


def test_an_array_whose_header_is_no_python(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("inputs.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(SuiteInputError, match="cannot be read"):
        from_file(tmp_path / "a.npz", None)


def test_a_torch_file_whose_instructions_pop_from_nothing(tmp_path):
    torch.save((torch.zeros(1, 2, 3, 3), 1), tmp_path / "0.pt")
    with zipfile.ZipFile(tmp_path / "0.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, b"\x80\x02\x86." if name.endswith("data.pkl") else content)
    with pytest.raises(IndexError):
        torch.load(tmp_path / "bad.pt", weights_only=True)
    with pytest.raises(ModelInputError, match="damaged"):
        _read_pair(tmp_path / "bad.pt")


def test_a_recording_that_says_it_is_larger_than_its_file(tmp_path):
    aedat4.write(tmp_path / "a", [(1, 2, 3, 1)])
    content = bytearray((tmp_path / "a").read_bytes())
    check_sizes(bytes(content))
    size = int.from_bytes(content[14:18], "little")
    for place in (14, 18 + size + 4):
        damaged = content.copy()
        damaged[place + 3] = 0x70
        with pytest.raises(ValueError, match="larger"):
            check_sizes(bytes(damaged))


def test_a_summary_of_a_site_that_is_nested_too_deeply(tmp_path):
    (tmp_path / "runs/x").mkdir(parents=True)
    (tmp_path / "runs/x/summary.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(RecursionError):
        json.loads((tmp_path / "runs/x/summary.json").read_text())
    assert site._written(tmp_path, "x") == {}


def test_what_the_terminal_shows_of_a_hostile_name(tmp_path):
    """Escape sequences, markup and line breaks in a key come out as text, in one line of bounded length."""
    key = "\x1b[31m[/bold]\n\u202e" + "A" * 20_000
    path = tmp_path / "accepted.toml"
    path.write_text(f"{json.dumps(key)} = 1\n")
    run = tmp_path / "run.json"
    run.write_bytes(TARGETS["run"].seeds(tmp_path)[0])
    done = call(tmp_path, "compare", run, run, "--accepted", path, check=2)
    assert done.stderr.count("\n") == 1
    assert done.stderr.strip().isprintable()
    assert "[/bold]" in done.stderr
    assert len(done.stderr) < 1100


def test_a_line_keeps_both_ends():
    assert one_line(f"start {'x' * 5000} end").startswith("start")
    assert one_line(f"start {'x' * 5000} end").endswith("end")
    assert one_line("a\tb\r\nc") == "a b c"


def test_an_integer_that_arithmetic_cannot_bear(tmp_path):
    """Ratios of such counts would leave a double, and showing them would leave Python's own limit."""
    path = tmp_path / "run.json"
    path.write_bytes(TARGETS["run"].seeds(tmp_path)[0])
    text = path.read_text()
    assert '"n":40' in text
    for number in (10**400, 2**63, -(2**63) - 1, int("9" * 4000)):
        path.write_text(text.replace('"ac":', f'"ac":{number},"x":', 1))
        with pytest.raises(TrackInputError, match="64 bits"):
            read_run(path)
    for number in (2**63 - 1, -(2**63)):
        path.write_text(text.replace('"ac":', f'"x":{number},"ac":', 1))
        with pytest.raises(TrackInputError, match=r"\.x: Extra inputs"):  # the number itself was read
            read_run(path)


@pytest.mark.parametrize("counts", [3, "regressed", ["a"], {"regressed": "1"}, {"regressed": None}])
def test_counts_of_a_site_that_are_no_counts(counts):
    assert site._counts({"counts": counts}) is None
    assert site._counts({"counts": {"regressed": 2}}) == {"regressed": 2}
