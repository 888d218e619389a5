"""Targets and inputs of `inflor-bench measure`: what is accepted, and the sentence for what is not."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inflor_bench.errors import MeasureInputError, SuiteInputError
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.recognise import Said, recognise
from inflor_bench.user_model.counting import count
from inflor_bench.user_model.inputs import from_dataset, from_file, from_shape
from inflor_bench.user_model.target import load_target, weights_hash
from tests.command import python

SOURCE = """
from torch import nn
module = nn.Linear(3, 2)
nothing = [1]
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Dropout(), nn.Linear(3, 2))
    @staticmethod
    def small():
        return Net()
def takes(width):
    return nn.Linear(width, 1)
def gives_none():
    return None
def leaves():
    raise SystemExit(3)
"""


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "json.py").write_text(SOURCE)  # a name that is taken
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "lacks.py").write_text("import no_such_package_here\n")
    return tmp_path


@pytest.mark.parametrize("attribute", ["module", "Net", "Net.small"])
def test_a_target_is_a_module_a_class_or_a_function(directory, attribute):
    model = load_target(f"json.py:{attribute}", directory)
    assert isinstance(model, nn.Module)
    assert not model.training


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("json.py", "'json.py' is no target"),
        ("none.py:f", "there is no file"),
        ("no_such_module_here:f", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("json.py:missing", "no attribute 'missing'"),
        ("json.py:nothing", "is a list"),
        ("json.py:gives_none", "returned a NoneType"),
        ("json.py:takes", "TypeError: takes() missing 1 required positional argument: 'width'"),
        ("json.py:leaves", "SystemExit: 3"),
        ("broken.py:f", "SyntaxError"),
        ("lacks.py:f", "No module named 'no_such_package_here' (lacks.py, line 1)"),
    ],
)
def test_a_target_that_cannot_be_had_is_named_in_one_sentence(directory, target, named):
    with pytest.raises((SuiteInputError, MeasureInputError)) as refused:
        load_target(target, directory)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_hash_of_weights_follows_every_value_name_and_shape():
    torch.manual_seed(0)
    one, same = nn.Linear(3, 2), nn.Linear(3, 2)
    same.load_state_dict(one.state_dict())
    assert weights_hash(one) == weights_hash(same)
    with torch.no_grad():
        same.weight[0, 0] += 1
    assert weights_hash(one) != weights_hash(same)
    assert weights_hash(nn.Sequential(one)) != weights_hash(one)


def test_random_inputs_are_those_of_the_seed():
    one, again, other = from_shape("2x3", None, 1), from_shape("2x3", None, 1), from_shape("2x3", None, 2)
    assert one.tensors["inputs"].shape == (32, 2, 3)
    assert torch.equal(one.tensors["inputs"], again.tensors["inputs"])
    assert one.data == again.data != other.data
    assert from_shape("4", 5, 0).data.samples == 5


@pytest.mark.parametrize("shape", ["", "0x3", "1x", "axb", "1,2", "-1"])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(SuiteInputError, match="--shape"):
        from_shape(shape, None, 0)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_of_both_kinds_give_inputs_and_labels(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    arrays = {"inputs": np.arange(12, dtype=np.float32).reshape(4, 3), "labels": np.arange(4, dtype=np.uint8)}
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({key: torch.from_numpy(value) for key, value in arrays.items()}, path)
    given = from_file(path, 3)
    assert given.tensors["inputs"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert given.tensors["labels"].tolist() == [0, 1, 2]
    assert given.tensors["labels"].dtype == torch.int64
    assert (given.timed, given.data.samples, given.data.name) == (False, 3, path.name)


def test_sequences_have_time_first_and_samples_second(tmp_path):
    np.savez(tmp_path / "s.npz", sequences=np.zeros((2, 5, 3)), y=np.zeros(5, dtype=int))
    given = from_file(tmp_path / "s.npz", 4)
    assert (given.timed, given.tensors["inputs"].shape, len(given.tensors["labels"])) == (True, (2, 4, 3), 4)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({}, "has nothing"),
        ({"images": np.zeros((2, 3))}, "has images"),
        ({"x": np.zeros(2), "inputs": np.zeros(2)}, "has inputs and x"),
        ({"x": np.zeros((0, 3))}, "shape [0, 3]"),
        ({"x": np.float32(1)}, "shape []"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(3, dtype=int)}, "of shape [3]"),
        ({"x": np.zeros((2, 3)), "labels": np.zeros(2)}, "'labels' is float64"),
        ({"x": np.array([{}, {}])}, "cannot be read"),
        ({"x": np.array(["a"])}, "cannot be read"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, arrays, named):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SuiteInputError) as refused:
        from_file(tmp_path / "a.npz", None)
    assert named in str(refused.value)
    assert "a.npz" in str(refused.value)


@pytest.mark.parametrize("name", ["none.npz", "a.txt", "damaged.npz", "damaged.safetensors", "empty.npz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    if "damaged" in name:
        (tmp_path / name).write_bytes(b"PK\x03\x04 no archive")
    if "empty" in name:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(SuiteInputError) as refused:
        from_file(tmp_path / name, None)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_measuring_process_imports_no_models_and_no_reports_of_ours():
    code = (
        "import sys, inflor_bench.user_model.process, inflor_bench.benchmarks.test_own; "
        "print([name for name in sys.modules if name.startswith(('inflor_bench.models', 'inflor_bench.reports'))])"
    )
    assert python("-c", code).stdout == "[]\n"


def test_events_of_ours_lead_with_time_and_say_that_they_are_simulated(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    given = from_dataset("digits-dvs", None, False, 5, 4)
    assert given.timed
    assert given.tensors["inputs"].shape == (4, 5, 2, 10, 10)
    assert (given.data.samples, given.data.simulated) == (5, True)
    still = from_dataset("digits", None, False, None)
    assert (still.timed, still.tensors["inputs"].shape, still.data.simulated) == (False, (355, 1, 8, 8), False)


def test_what_cannot_be_scored_says_how_to_name_it_and_the_rest_is_measured():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return {"features": [x], "logits": self.fc(x)}

    model, x, labels = Several().eval(), torch.rand(4, 3), torch.tensor([0, 1, 0, 1])
    for output, scored in ((None, False), ("features", False), ("logits", True)):
        drive = Drive(model, recognise(model, x, Said(output=output)))
        sections = count(drive, [x], labels, [], lambda done: None)
        assert sections["synops"].samples == 4
        if scored:
            assert sections["accuracy"].correct == int((model.fc(x).argmax(1) == labels).sum())
        else:
            assert "name the part that is scored by --output" in sections["accuracy"].reason
