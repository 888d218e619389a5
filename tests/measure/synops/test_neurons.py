"""Neurons and layers that do not do the same in every call: what they run is counted, in every call."""

import pytest
import torch
from torch import nn

from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import oracle
from tests.measure.synops.cases import holes


class Neuron(nn.Module):
    """Offers what a spiking neuron offers; fires at 1/2 without leak, and steps apart."""

    decay, threshold, reset, mpr, timesteps = 0.0, 0.5, "hard", False, 1

    def membrane(self, current):
        return current

    def forward(self, current):
        return (current > self.threshold).to(current)


class InPlace(Neuron):
    """Writes its spikes over its input."""

    def forward(self, current):
        return current.copy_(current > self.threshold)


class Feedback(Neuron):
    """Feeds its spikes back from the second call on, through a weight that it has from the first."""

    def __init__(self, width):
        super().__init__()
        self.back, self.before = nn.Linear(width, width, bias=False), None

    def forward(self, current):
        if self.before is not None:
            current = current + self.back(self.before)
        self.before = (current > self.threshold).to(current)
        return self.before


class Lateral(Neuron):
    """Inhibits its neighbours in every second call, by a matrix that is no attribute of it."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix, self.calls = (matrix,), 0

    def forward(self, current):
        self.calls += 1
        spikes = (current > self.threshold).to(current)
        return spikes if self.calls % 2 else (current - spikes @ self.matrix[0] > self.threshold).to(current)


class Twice(nn.Module):
    """A layer sees the current, and another what the neuron made of it."""

    def __init__(self, neuron):
        super().__init__()
        self.first, self.neuron, self.second = nn.Linear(6, 6, bias=False), neuron, nn.Linear(6, 4, bias=False)
        self.beside = nn.Linear(6, 3, bias=False)

    def forward(self, x):
        current = self.first(x)
        return self.beside(current), self.second(self.neuron(current))


MODES = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}


@pytest.mark.parametrize("mode", ["no_grad", "inference"])
def test_a_neuron_that_works_in_place_is_counted_alike_in_every_pass(mode):
    torch.manual_seed(0)
    model, inputs = Twice(InPlace()), torch.randn(4, 5, 6)
    fired = [(model.first(x) > 0.5).float() for x in inputs]
    with MODES[mode](), SynOpCounter(model) as counter:
        for x in inputs:
            model(x)
    layers = counter.result().layers
    assert layers["second"].ac == sum(oracle.linear(spikes, model.second.weight).effective for spikes in fired)
    assert layers["second"].mac == 0
    assert layers["beside"].mac == 4 * 5 * 6 * 3


@pytest.mark.parametrize("mode", MODES)
def test_feedback_that_begins_with_the_second_step_is_counted(mode):
    torch.manual_seed(0)
    neuron, inputs = Feedback(6), torch.randn(4, 5, 6)
    holes(neuron.back.weight)
    expected, before = 0, None
    for x in inputs:
        if before is not None:
            expected += oracle.linear(before, neuron.back.weight).effective
            x = x + before @ neuron.back.weight.detach().t()
        before = (x > 0.5).float()
    model = nn.Sequential(neuron)
    with MODES[mode](), SynOpCounter(model) as counter:
        for x in inputs:
            model(x)
    assert counter.result().total.ac == expected > 0


def test_a_matrix_that_a_neuron_does_not_own_is_seen_within_a_pass():
    torch.manual_seed(0)
    matrix, inputs = holes(torch.randn(6, 6)), torch.randn(6, 5, 6)

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.neuron = Lateral(matrix)

        def forward(self, x):
            return [self.neuron(step) for step in x]

    with torch.no_grad(), SynOpCounter(model := Steps()) as counter:
        model(inputs)
        model(inputs)
    spikes = (inputs[1::2] > 0.5).float()
    assert counter.result().total.ac == 2 * oracle.linear(spikes, matrix.t()).effective > 0


def _cached(layer):
    """Hand the first result out again at every later call, as a static image allows."""
    original, kept = layer.forward, []
    layer.forward = lambda x: kept[0] if kept else kept.append(original(x)) or kept[0]


def _elsewhere(layer):
    """Run another layer of the same shape."""
    other = nn.Linear(6, 6, bias=False)
    holes(other.weight)
    layer.other = (other,)
    layer.forward = lambda x: other(x)


def _twice(layer):
    original = layer.forward
    layer.forward = lambda x: original(original(x))


@pytest.mark.parametrize(
    ("patch", "calls"), [(_cached, 1), (_twice, 6), (_elsewhere, 3)], ids=["cached", "twice", "elsewhere"]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_forward_that_was_replaced_on_the_instance_is_counted_as_it_runs(patch, calls, mode):
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 6, bias=False), torch.randn(5, 6)
    patch(layer)
    model = nn.Sequential(layer)
    weight = layer.other[0].weight if patch is _elsewhere else layer.weight
    with MODES[mode](), SynOpCounter(model) as counter:
        for _ in range(3):
            model(x)
    (site,) = counter.result().layers.values()
    assert (site.mac, site.calls) == (calls * oracle.linear(x, weight).effective, calls)


def test_a_layer_with_tensors_among_its_attributes_is_counted():
    layer, x = nn.Conv2d(2, 3, 3), (torch.rand(2, 2, 5, 5) < 0.4).float()
    layer.note = torch.ones(2)
    layer.forward = lambda x: nn.functional.conv2d(x * layer.note[:, None, None], layer.weight)
    model = nn.Sequential(layer)
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(x)
        layer.note = torch.tensor([1.0, 0.0])
        model(x)
    silent = x * layer.note[:, None, None]
    expected = oracle.convolution(x, layer.weight) + oracle.convolution(silent, layer.weight)
    assert counter.result().total.ac == expected.effective
