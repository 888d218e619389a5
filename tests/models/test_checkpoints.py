"""Checkpoints of strangers: each damage is one sentence that names the file, and nothing of them is run."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from inflor_bench.errors import ModelInputError
from inflor_bench.models import create_model, load_model
from inflor_bench.models.checkpoints import read_tensors, read_trained, save_tensors, weights_sha256
from inflor_bench.models.create import ModelConfig
from tests.refusal import one_sentence

CONFIG = ModelConfig("resnet8", "hard", 2, 10, 1, {"decay": 0.5})


@pytest.fixture
def tensors():
    model = create_model("resnet8", neuron="hard", timesteps=2, num_classes=10, in_channels=1, decay=0.5)
    return model.state_dict()


def write(path, tensors, config=CONFIG):
    save_tensors(path, tensors, {"config": config.as_dict()})
    return path


def test_a_network_comes_back_as_it_was(tmp_path, tensors):
    model = load_model(write(tmp_path / "a.safetensors", tensors))
    assert not model.training
    assert model.activation.decay == 0.5
    assert weights_sha256(model.state_dict()) == weights_sha256(tensors)


def test_equal_weights_give_equal_files_and_other_weights_another_hash(tmp_path, tensors):
    first, second = (write(tmp_path / name, tensors).read_bytes() for name in ("a", "b"))
    assert first == second
    changed = {**tensors, "linear.bias": tensors["linear.bias"] + 1}
    assert weights_sha256(changed) != weights_sha256(tensors)
    assert weights_sha256(dict(reversed(tensors.items()))) == weights_sha256(tensors)


def damage(kind, path, tensors):
    if kind == "missing":
        return
    if kind == "truncated":
        write(path, tensors)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "a pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    elif kind == "an empty file":
        path.write_bytes(b"")
    elif kind == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif kind == "metadata is no JSON":
        save_file({"a": torch.zeros(1)}, path, metadata={"inflor_bench": "{"})
    elif kind == "another format":
        save_file({"a": torch.zeros(1)}, path, metadata={"inflor_bench": json.dumps({"format": 99})})
    elif kind == "no network":
        save_tensors(path, tensors, {"config": {"network": "resnet8"}})
    elif kind == "another network":
        write(path, tensors, ModelConfig("resnet20", "hard", 2, 10, 1))
    elif kind == "other classes":
        write(path, tensors, ModelConfig("resnet8", "hard", 2, 100, 1))
    elif kind == "not a number":
        write(path, {**tensors, "linear.bias": torch.full((10,), torch.nan)})
    elif kind == "an entry less":
        write(path, {name: value for name, value in tensors.items() if name != "linear.bias"})
    elif kind == "an entry more":
        write(path, {**tensors, "extra": torch.zeros(1)})


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("missing", "does not exist"),
        ("truncated", "is damaged"),
        ("a pickle", "is damaged"),
        ("an empty file", "is damaged"),
        ("foreign", "was not written by"),
        ("metadata is no JSON", "is damaged"),
        ("another format", "has the format 99"),
        ("no network", "does not describe a network"),
        ("another network", r"'stages\.0\.1\..*' is missing"),
        ("other classes", r"'linear\.bias' has the shape \[10\], not \[100\]"),
        ("not a number", r"'linear\.bias' holds values that are not finite"),
        ("an entry less", r"'linear\.bias' is missing"),
        ("an entry more", "'extra' is unknown"),
    ],
)
def test_damage_is_one_sentence_that_names_the_file(tmp_path, tensors, kind, sentence):
    path = tmp_path / "checkpoint.safetensors"
    damage(kind, path, tensors)
    with one_sentence(ModelInputError, sentence, path):
        load_model(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, tensors):
    path = write(tmp_path / "a", tensors)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_tensors(path, tensors, {"accuracy": float("nan")})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert read_tensors(path)[1]["config"]["network"] == "resnet8"


def test_a_checkpoint_must_say_how_it_was_trained_where_that_is_needed(tmp_path, tensors):
    path = write(tmp_path / "a.safetensors", tensors)
    with pytest.raises(ModelInputError, match="the key 'recipe' is missing"):
        read_trained(path)


def test_weights_other_than_those_that_were_stored_are_noticed(tmp_path, tensors):
    path = tmp_path / "a.safetensors"
    metadata = {"config": CONFIG.as_dict(), "weights_sha256": weights_sha256(tensors)}
    save_tensors(path, tensors, metadata)
    load_model(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelInputError, match="its weights are not those that were stored"):
        load_model(path)
