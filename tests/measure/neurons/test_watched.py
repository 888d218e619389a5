"""Taps, plans and drives on neurons and models written here; those of other libraries are in tests/peers."""

import pytest
import torch
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.measure.neurons.watched import NeuronTaps
from inflor_bench.measure.running.drive import Drive, Plan
from inflor_bench.measure.running.recognise import Said, recognise
from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.lif import PlainLIF

X = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))


class Leaky(nn.Module):
    """Stands for snnTorch's Leaky: one step a call, state beside the spikes."""

    beta, threshold, reset_mechanism = torch.tensor(0.9), torch.tensor(0.4), "subtract"
    inhibition = state_quant = False
    graded_spikes_factor = 1.0
    wrong = 0.0

    def __init__(self):
        super().__init__()
        self.mem = None

    def reset_mem(self):
        self.mem = None

    def forward(self, x):
        before = torch.zeros_like(x) if self.mem is None else self.mem
        self.mem = self.beta * before + x - (before > 0.4).to(x) * self.threshold
        return (self.mem > 0.4 + self.wrong).to(x), self.mem


class SpikingNeuron(nn.Module):
    pass


SpikingNeuron.__module__ = "snntorch._neurons.neurons"
Peer = type("Leaky", (Leaky, SpikingNeuron), {"__module__": "snntorch._neurons.leaky"})


class Shared(nn.Module):
    """Uses one neuron at two places at each of its steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps, self.fc, self.lif = steps, nn.Linear(6, 6), Peer()

    def forward(self, x):
        self.lif.reset_mem()
        for _ in range(self.steps):
            y, _ = self.lif(self.fc(x))
            y, _ = self.lif(self.fc(y))
        return y


class Takes(nn.Module):
    """Gives back what it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return x.mean(0) if x.ndim == 3 else x


def refuse(model, said, x=X):
    with pytest.raises(MeasureInputError) as refused:
        recognise(model.eval(), x, said)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_neuron_of_steps_is_passed_on_whole_with_one_layer_a_place():
    model = Shared(3).eval()
    kept = []
    model.lif.register_forward_hook(lambda module, args, output: kept.append(output[0]))
    taps = NeuronTaps(model)
    with torch.no_grad(), SpikeRecorder(taps.root) as spikes, taps:
        for batch in X.split(2):
            kept.clear()
            with taps.forward(3):
                model(batch)
    layers = spikes.result().layers
    assert [layer.name for layer in layers] == ["lif", "lif#2"]
    with torch.no_grad():
        kept.clear()
        model(X)
    for place, layer in enumerate(layers):
        assert layer.spikes_per_step == tuple(int(step.sum()) for step in kept[place::2])
    (row,) = taps.neuron_ops()
    assert (row.updates, row.reset_operations) == (6 * 5 * 6, int(sum(step.sum() for step in kept)))


def test_calls_that_are_no_multiple_of_the_steps_are_refused():
    model = Shared(3).eval()
    with torch.no_grad(), NeuronTaps(model) as taps, pytest.raises(MeasureInputError, match="6 times"), taps.forward(4):
        model(X)


def test_an_equation_that_the_spikes_contradict_gives_no_membrane():
    for wrong, contradicted in ((0.0, False), (0.2, True)):
        model = nn.Sequential(Peer())
        model[0].wrong = wrong
        taps = NeuronTaps(model)
        with torch.no_grad(), taps, taps.forward(None):
            model(X)
        assert (taps.no_membrane() is not None) == contradicted


def test_time_is_recognised_where_it_can_be():
    assert recognise(nn.Linear(6, 2), X, Said()).axis is None
    inside = recognise(nn.Sequential(PlainLIF(5)).eval(), X, Said())
    assert (inside.axis, inside.timesteps) == ("inside", 5)
    steps = recognise(nn.Sequential(Peer()).eval(), X, Said(timesteps=4))
    assert (steps.axis, steps.timesteps) == ("calls", 4)


def test_a_neuron_that_is_never_called_says_nothing_of_time():
    model = Shared(3)
    model.unused = Peer()
    with pytest.raises(MeasureInputError, match="calls its neurons 6 times in one forward pass"):
        recognise(model.eval(), X, Said(timesteps=3))


def test_what_cannot_be_recognised_names_the_option():
    assert "give --timesteps" in refuse(nn.Sequential(Peer()), Said())
    assert "--time-axis" in refuse(nn.Linear(6, 2), Said(timesteps=4))
    assert "--timesteps is 4" in refuse(nn.Sequential(PlainLIF(5)), Said(timesteps=4))
    assert "'rst'" in refuse(nn.Linear(6, 2), Said(reset="rst"))
    assert "--time-axis is 'first'" in refuse(nn.Linear(6, 2), Said(axis="first"))
    assert "give --timesteps" in refuse(nn.Linear(6, 2), Said(axis="leading"))
    assert "--reset METHOD" in refuse(Leaky(), Said())
    assert "'mem'" in refuse(Leaky(), Said())
    assert "After --reset extra_repr" in refuse(Leaky(), Said(reset="extra_repr", axis="calls", timesteps=2))
    with pytest.raises(MeasureInputError, match="have 3 time steps"):
        recognise(nn.Linear(6, 2), X.expand(3, 5, 6), Said(timesteps=4), timed_input=True)
    with pytest.raises(MeasureInputError, match="--time-axis leading"):
        recognise(nn.Linear(6, 2), X.expand(3, 5, 6), Said(), timed_input=True)
    with pytest.raises(MeasureInputError, match="makes the steps itself"):
        recognise(nn.Sequential(PlainLIF(5)).eval(), X.expand(5, 5, 6), Said(), timed_input=True)


def test_a_model_with_state_is_accepted_with_its_reset_or_on_demand():
    assert recognise(Leaky().eval(), X, Said(reset="reset_mem", axis="calls", timesteps=3)).timesteps == 3
    assert recognise(Leaky().eval(), X, Said(reset="none")).axis is None


def test_randomness_alone_is_no_state():
    class Noise(nn.Module):
        def forward(self, x):
            return (torch.rand_like(x) < x).to(x)

    assert recognise(Noise(), X, Said()).axis is None


@pytest.mark.parametrize(
    ("axis", "shapes"),
    [("leading", [(3, 5, 6)]), ("flattened", [(15, 6)]), ("calls", [(5, 6)] * 3), ("inside", [(5, 6)])],
)
@pytest.mark.parametrize("timed", [False, True])
def test_a_model_is_given_time_where_it_takes_it(axis, shapes, timed):
    if timed and axis == "inside":
        return
    model = Takes()
    x = torch.rand(3, 5, 6) if timed else X
    drive = Drive(model, Plan(axis, 3, lambda: None, timed_input=timed))
    logits = drive.logits(drive(x), drive.samples(x))
    assert model.seen == shapes
    assert torch.allclose(logits, x.mean(0) if timed else x)


def test_outputs_that_are_no_logits_are_none():
    drive = Drive(nn.Identity(), Plan(None, None, lambda: None))
    assert drive.logits(torch.rand(5), 5) is None
    assert drive.logits(torch.rand(4, 3), 5) is None
    assert drive.logits(torch.ones(5, 3, dtype=torch.int64), 5) is None
    assert drive.logits("text", 5) is None
    assert drive.logits((torch.rand(5, 3), None), 5).shape == (5, 3)


@pytest.mark.parametrize(("steps", "samples"), [(4, 2), (3, 2), (2, 4), (3, 3)])
def test_a_linear_layer_that_sees_time_and_samples_apart_is_counted_by_both(steps, samples):
    x = (torch.rand(steps, samples, 6, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    with SynOpCounter(model := nn.Linear(6, 5), timesteps=steps, time_axis="leading", per_sample=True) as counter:
        model(x)
    (layer,) = counter.result().layers.values()
    assert layer.per_step == [5 * int(step.sum()) for step in x]
    assert layer.per_sample == [5 * int(x[:, sample].sum()) for sample in range(samples)]
