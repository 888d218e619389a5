"""Files of strangers: each damage is one sentence with exit code 2, and no pickle is executed."""

import pickle
import sys

import pytest
import torch

from inflor_bench.cli.app import main
from inflor_bench.errors import ModelInputError
from inflor_bench.models import load_model
from tests.command import call
from tests.models import released as plain
from tests.models.released import import_as, write
from tests.refusal import one_sentence


class Malicious:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["torch", "old torch", "plain pickle", "among weights"])
def test_no_pickle_is_executed(tmp_path, form):
    evidence, source = tmp_path / "executed", tmp_path / "w.pth"
    held = {"model.fc.conv.bias": torch.zeros(10), "x": Malicious(evidence)}
    if form == "torch":
        torch.save(Malicious(evidence), source)
    elif form == "plain pickle":
        source.write_bytes(pickle.dumps(Malicious(evidence)))
    else:
        torch.save(held, source, _use_new_zipfile_serialization=form == "among weights")
    with one_sentence(ModelInputError, "nothing in it was executed", source):
        import_as("resnet19", source, tmp_path / "o")
    assert not evidence.exists()
    if form != "plain pickle":
        torch.load(source, weights_only=False)  # the trap is a real one
    else:
        pickle.loads(source.read_bytes())
    assert evidence.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 9, 300, -1000])
def test_a_truncated_file_is_one_sentence(tmp_path, suffix, kept):
    source = write(tmp_path / f"w{suffix}", {f"model.{i}": torch.randn(50) for i in range(20)})
    source.write_bytes(source.read_bytes()[:kept])
    with one_sentence(ModelInputError, "cannot be read as weights", source):
        import_as("resnet19", source, tmp_path / "o")


@pytest.mark.parametrize("held", [[torch.zeros(1)], {1: torch.zeros(1)}])
def test_what_is_no_state_dict_is_one_sentence(tmp_path, held):
    with one_sentence(ModelInputError, "holds no state dict"):
        import_as("resnet19", write(tmp_path / "w.pth", held), tmp_path / "o")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": "resnet8"}, "'resnet8' is no released network: choose one of resnet19"),
        ({"neuron": "lif"}, "Unknown neuron 'lif'"),
        ({"timesteps": 0}, "give at least 1"),
        ({"neuron": "relu"}, "has no time"),
        ({"decay": float("nan")}, "decay is nan"),
        ({}, "cannot be read .No such file"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, changes, sentence):
    network = changes.pop("network", "resnet19")
    with pytest.raises(ModelInputError, match=sentence):
        import_as(network, tmp_path / "none", tmp_path / "o", **changes)


TOLD = ("--network", "resnet20-modified", "--neuron", "soft-mpr", "--timesteps", "4", "--out")


@pytest.fixture(scope="module")
def tensors():
    return plain.released("resnet20-modified", classes=7, in_channels=2).state_dict()


@pytest.mark.parametrize(
    "value", ["text", None, torch.zeros(64).to_sparse(), torch.empty(64, device="meta"), torch.zeros(64).cfloat()]
)
def test_what_is_no_plain_tensor_is_named(tmp_path, tensors, value):
    name = "model.layer1.0.bn1.bias"
    source = write(tmp_path / "w.pth", {**tensors, name: value})
    with pytest.raises(ModelInputError, match=f"'{name}' (is no plain tensor|has the type torch.complex64)"):
        import_as("resnet20-modified", source, tmp_path / "o", num_classes=7, in_channels=2)


def test_the_command_writes_a_checkpoint(tmp_path, tensors):
    source, out = write(tmp_path / "w.pth", tensors), tmp_path / "o.safetensors"
    arguments = ["import-weights", source, *TOLD, out, "--classes", 7, "--channels", 2, "--decay", 0.25]
    done = call(tmp_path, *arguments, check=0)
    assert (done.stdout.strip(), done.stderr) == (str(out), "")
    model = load_model(out)
    assert (model.timesteps, model.linear.out_features, model.stem[0].decay) == (4, 7, 0.25)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("another number of classes", "the entry 'model.fc.conv.weight' has the shape [7, 512], not [10, 512]"),
        ("another network", "the entry 'model.bn1.bn.bias' is missing"),
        ("not a number", "the entry 'model.fc.conv.bias' holds values that are not finite"),
        ("truncated", "cannot be read as weights"),
        ("a pickle", "nothing in it was executed"),
    ],
)
def test_the_command_exits_2_with_one_sentence(tmp_path, tensors, monkeypatch, capsys, damage, sentence):
    source, told, classes = tmp_path / "w.pth", TOLD, "7"
    held = tensors
    if damage == "another number of classes":
        classes = "10"
    elif damage == "another network":
        told = ("--network", "resnet19", *TOLD[2:])
    elif damage == "not a number":
        held = {**tensors, "model.fc.conv.bias": torch.full((7,), torch.nan)}
    elif damage == "a pickle":
        held = {**tensors, "x": Malicious(tmp_path / "executed")}
    write(source, held)
    if damage == "truncated":
        source.write_bytes(source.read_bytes()[:-1000])
    arguments = ["import-weights", source, *told, tmp_path / "o", "--classes", classes, "--channels", "2"]
    monkeypatch.setattr(sys, "argv", ["inflor-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith(f"{source}")
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]
