"""`inflor-bench measure` in real processes, on models that a user could have written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inflor_bench.models.datasets import load_dataset
from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from tests import command

pytestmark = pytest.mark.long

NETS = '''
import os
import time
import torch
from torch import nn

class LIF(nn.Module):
    """Offers what a spiking neuron offers: [T*N, ...] in and out."""
    timesteps, decay, threshold, reset, mpr = 3, 0.5, 0.5, "soft", False
    def membrane(self, current):
        v, us = 0, []
        for x in current.unflatten(0, (3, -1)):
            u = self.decay * v + x
            v = u - (u > 0.5).to(u)
            us.append(u)
        return torch.cat(us)
    def forward(self, current):
        return (self.membrane(current) > 0.5).to(current)

class Spiking(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.lif, self.fc2 = nn.Linear(6, 8), LIF(), nn.Linear(8, 3)
    def forward(self, x):
        return self.fc2(self.lif(self.fc1(x.repeat(3, 1)))).unflatten(0, (3, -1)).mean(0)

class Stateful(nn.Module):
    """One step a call, with a membrane that nobody but `rest` forgets."""
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.u = nn.Linear(6, 8), nn.Linear(8, 3), None
    def forward(self, x):
        current = self.fc1(x)
        self.u = current if self.u is None else 0.5 * self.u + current
        spikes = (self.u > 0.3).to(self.u)
        self.u = self.u - spikes
        return self.fc2(spikes)
    def rest(self):
        self.u = None

class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)
    def forward(self, x):
        return {"features": [x], "logits": self.fc(x)}

class FailsLater(nn.Linear):
    def forward(self, x):
        if x.max() > 5:
            raise ArithmeticError("too large")
        return super().forward(x)

def stateless():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, 10))
def fails_later():
    return FailsLater(6, 3)
def raises():
    raise KeyError("weights.pt")
def exits():
    os._exit(7)
def sleeps():
    time.sleep(3600)
'''


class Place:
    """A user's directory with a package called `models`, and the command line in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "models").mkdir()
        (directory / "models/__init__.py").write_text("from models.nets import stateless\n")
        (directory / "models/nets.py").write_text(NETS)
        self.generator = torch.Generator().manual_seed(0)

    def call(self, *arguments, check, fresh=False):
        return command.call(self.directory, *arguments, check=check, fresh=fresh, COLUMNS="300")

    def measure(self, target, *arguments, check=0, fresh=False):
        done = self.call("measure", target, "--rounds", 5, "--quick", *arguments, check=check, fresh=fresh)
        (path,) = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("run ")]
        (cell,) = read_run(self.directory / path).cells.values()
        return self.directory / path, cell.record, done

    def model(self, factory):
        """The model as the measuring process made it."""
        namespace = {}
        exec(NETS, namespace)
        torch.manual_seed(0)
        return namespace[factory]().eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def digits(place):
    """Measured by a fresh process, which finds the user's `models` before ours."""
    return place.measure("models:stateless", "--dataset", "digits", "--samples", 50, "--batch", 16, fresh=True)


def operations(x, weight):
    """Brute force: pairs of a non-zero input and a non-zero weight, row by row."""
    return sum(int((row != 0).double() @ (weight != 0).double().sum(0)) for row in x)


def test_a_package_called_models_is_measured_on_a_data_set_of_ours(place, digits):
    _, record, _ = digits
    data, model = load_dataset("digits"), place.model("stateless")
    images, labels = data.normalise(data.test.images[:50]), data.test.labels[:50]
    with torch.no_grad():
        hidden = torch.relu(model[1](images.flatten(1)))
        correct = model[3](hidden).argmax(1) == labels
    assert record.accuracy.unpack().tolist() == correct.tolist()
    counted = {layer.name: (layer.ac, layer.mac) for layer in record.synops.layers}
    assert counted == {
        "1": (0, operations(images.flatten(1), model[1].weight)),
        "3": (0, operations(hidden, model[3].weight)),
    }
    assert record.synops.samples == 50
    assert record.provenance.dataset.sha256 == data.sha256
    assert record.provenance.weights.source == "user"
    assert (record.model.timesteps, record.model.network) == (None, None)
    assert isinstance(record.spikes, Absent)
    assert record.energy.models
    assert record.memory.status == "measured" or record.memory.reason
    assert record.latency.rounds == 5
    assert record.latency.batch_size == 16


def test_the_terminal_shows_layers_and_totals(digits):
    _, record, done = digits
    (total,) = [line for line in done.stdout.splitlines() if "total" in line]
    assert f" {record.synops.total.mac / 50:,.1f}".removesuffix(".0") in total
    assert "not measured: no_spiking_neurons" in done.stdout


def test_a_second_run_is_the_same_and_is_compared_and_reported(place, digits):
    first, record, _ = digits
    second, again, _ = place.measure("models:stateless", "--dataset", "digits", "--samples", 50, "--batch", 50)
    for section in ("accuracy", "synops", "energy"):
        assert getattr(again, section) == getattr(record, section)
    assert again.provenance.weights.sha256 == record.provenance.weights.sha256
    done = place.call("compare", first, second, check=0)
    assert "regressed" not in done.stdout
    place.call("report", first, second, "--out", "report", check=0)
    assert "models:stateless" in (place.directory / "report/index.html").read_text()
    command.python("-m", "pytest_benchmark", "compare", first, second)


def test_a_spiking_model_is_measured_on_an_npz_file(place):
    x = torch.rand(20, 6, generator=place.generator)
    np.savez(place.directory / "data.npz", x=x.double().numpy(), y=np.arange(20) % 3)
    _, record, _ = place.measure("models/nets.py:Spiking", "--inputs", "data.npz", "--name", "mine [v1]")
    model = place.model("Spiking")
    with torch.no_grad():
        current = model.fc1(x.repeat(3, 1))
        spikes, u = model.lif(current), model.lif.membrane(current)
    assert record.name == "mine [v1]"
    assert (record.accuracy.n, record.model.timesteps, record.model.decay) == (20, 3, 0.5)
    (layer,) = record.spikes.layers
    by_step = spikes.unflatten(0, (3, -1))
    assert (layer.name, layer.spikes_per_step) == ("lif", [int(step.sum()) for step in by_step])
    (fc2,) = [layer for layer in record.synops.layers if layer.name == "fc2"]
    assert fc2.per_step == [operations(step, model.fc2.weight) for step in by_step]
    assert (fc2.ac, fc2.mac) == (sum(fc2.per_step), 0)
    assert (fc2.input_elements, fc2.input_nonzero) == (spikes.numel(), int(spikes.sum()))
    (update,) = record.neuron_ops.layers
    assert (update.updates, update.reset_operations) == (3 * 20 * 8, int(spikes.sum()))
    (loss,) = record.information.layers
    assert loss.quantisation_error == pytest.approx((spikes - u).double().square().mean().item(), rel=1e-6)


def test_a_model_with_state_is_driven_step_by_step_over_sequences(place):
    x = torch.rand(4, 10, 6, generator=place.generator)
    save_file({"sequences": x}, place.directory / "events.safetensors")
    _, record, _ = place.measure(
        "models.nets:Stateful",
        *("--inputs", "events.safetensors", "--time-axis", "calls", "--reset", "rest", "--batch", 4),
    )
    model = place.model("Stateful")
    with torch.no_grad():
        steps = []
        handle = model.fc2.register_forward_pre_hook(lambda module, args: steps.append(args[0]))
        for step in x:
            model(step)
        handle.remove()
    layers = {layer.name: layer for layer in record.synops.layers}
    assert layers["fc1"].per_step == [operations(step, model.fc1.weight) for step in x]
    assert layers["fc2"].per_step == [operations(step, model.fc2.weight) for step in steps]
    assert (layers["fc2"].mac, record.synops.samples, record.model.timesteps) == (0, 10, 4)
    assert record.accuracy.reason.startswith("no_labels")


def test_what_was_measured_before_a_failure_is_kept(place):
    x = torch.rand(12, 6, generator=place.generator)
    x[9, 0] = 9
    save_file({"inputs": x}, place.directory / "large.safetensors")
    path, record, done = place.measure(
        "models.nets:fails_later", "--inputs", "large.safetensors", "--batch", 4, check=2
    )
    assert record.synops.status == "failed"
    assert "after 8 samples" in record.synops.reason
    assert record.latency.status == "measured"
    (line,) = command.told(done)
    assert "ArithmeticError: too large (nets.py, line" in line
    json.loads(path.read_text(), parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_what_is_scored_of_several_outputs_is_named(place):
    x, labels = torch.rand(20, 6, generator=place.generator), torch.arange(20) % 3
    save_file({"inputs": x, "labels": labels}, place.directory / "labelled.safetensors")
    _, record, _ = place.measure("models.nets:Several", "--inputs", "labelled.safetensors", "--output", "logits")
    assert record.accuracy.correct == int((place.model("Several").fc(x).argmax(1) == labels).sum())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["models.nets:Several", "--shape", "6", "--output", "loss"], "name one of 'features', 'logits'"),
        (["models:stateless"], "--dataset, --inputs and --shape"),
        (["models:stateless", "--dataset", "mnist"], "Unknown data set 'mnist'"),
        (["models.nets:raises", "--shape", "6"], "KeyError: 'weights.pt' (nets.py, line"),
        (["models.nets:exits", "--shape", "6"], "ended with code 7"),
        (["models.nets:sleeps", "--shape", "6", "--timeout", "5"], "longer than --timeout 5 (s)"),
        (["models:stateless", "--shape", "63"], "RuntimeError: mat1 and mat2"),
        (["models.nets:Stateful", "--shape", "6"], "--reset METHOD"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(place, arguments, named):
    done = place.call("measure", *arguments, "--out", "refused", check=2)
    assert named in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not list((place.directory / "refused").rglob("*.json"))
