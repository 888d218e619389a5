"""Neurons that nobody registered, time that nobody said, and samples that touch each other, on models written here.

What is right is taken from the models themselves: each keeps what its neurons gave, step by step.
"""

import pytest
import torch
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.information import InformationRecorder
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.measure.neurons.unregistered import neurons_of
from inflor_bench.measure.neurons.watched import NeuronTaps
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.recognise import Said, recognise
from inflor_bench.user_model.counting import count

T, N = 4, 3
X = torch.rand(N, 6, generator=torch.Generator().manual_seed(0))


class Surrogate(nn.Module):
    def forward(self, u):
        return (u > 0.2).to(u)


class Own(nn.Module):
    """A neuron as research code writes it: one step a call, its state reset by the network."""

    def __init__(self, level=1.0, *, signed=False):
        super().__init__()
        self.level, self.signed, self.u, self.given = level, signed, 0, []

    def forward(self, x):
        self.u = 0.5 * self.u + x
        self.before = self.u
        spikes = (self.u > 0.2).to(x) - ((self.u < -0.2).to(x) if self.signed else 0)
        self.u = self.u * (1 - spikes.abs())
        self.given.append(spikes.clone())
        return self.level * spikes


class WithSurrogate(Own):
    def __init__(self):
        super().__init__()
        self.act = Surrogate()

    def forward(self, x):
        self.u = 0.5 * self.u + x
        spikes = self.act(self.u)
        self.u = self.u * (1 - spikes)
        self.given.append(spikes.clone())
        return spikes


class AllSteps(Own):
    """Makes its steps itself, over an axis of its input."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def forward(self, x):
        self.u = 0
        return torch.stack([super(AllSteps, self).forward(step) for step in x.unbind(self.axis)], self.axis)


class Rows(AllSteps):
    """Takes rows [T*N, ...], or [N*T, ...] where a sample's rows stand side by side."""

    def forward(self, x):
        sizes = (T, -1) if self.axis == 0 else (-1, T)
        return super().forward(x.unflatten(0, sizes)).flatten(0, 1)


class Network(nn.Module):
    """Takes [N, 6] and makes T steps: in calls, or in one call of its neuron."""

    def __init__(self, neuron):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.neuron, self.two = nn.Linear(6, 8), neuron, nn.Linear(8, 3)

    def forward(self, x):
        self.neuron.u = 0
        self.neuron.given.clear()
        if not isinstance(self.neuron, AllSteps):
            return sum(self.two(self.neuron(self.one(x))) for _ in range(T)) / T
        if isinstance(self.neuron, Rows):
            repeated = x.repeat(T, 1) if self.neuron.axis == 0 else x.repeat_interleave(T, 0)
            steps = self.two(self.neuron(self.one(repeated)))
            return steps.unflatten(0, (T, -1)).mean(0) if self.neuron.axis == 0 else steps.unflatten(0, (-1, T)).mean(1)
        steps = x.expand(T, *x.shape) if self.neuron.axis == 0 else x.unsqueeze(1).repeat(1, T, 1)
        return self.two(self.neuron(self.one(steps))).mean(self.neuron.axis)


def measured(model, said, x=X):
    """What is recorded of the model's spikes by the plan that is recognised."""
    plan = recognise(model.eval(), x[:2], said)
    taps = NeuronTaps(model, neurons_of(model, plan))
    with torch.no_grad(), SpikeRecorder(taps.root) as spikes, taps, taps.forward(plan.timesteps):
        Drive(model, plan)(x)
    return plan, spikes.result()


NEURONS = [Own(), Own(0.7), Own(signed=True), WithSurrogate(), AllSteps(0), AllSteps(1), Rows(0), Rows(1)]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: f"{type(neuron).__name__}{vars(neuron).get('axis', '')}")
def test_a_neuron_is_told_by_what_it_gives_and_its_spikes_are_counted_step_by_step(neuron):
    model = Network(neuron)
    second = isinstance(neuron, AllSteps) and neuron.axis == 1 and not isinstance(neuron, Rows)
    said = Said("inside", T) if second else Said()  # [N, T, ...] and [N, C, ...] look alike
    plan, spikes = measured(model, said)
    assert (plan.axis, plan.timesteps) == ("inside", T)
    (layer,) = spikes.layers
    assert (layer.name, layer.neurons, spikes.samples) == ("neuron", 8, N)
    assert layer.spikes_per_step == tuple(int(step.abs().sum()) for step in neuron.given)
    assert 0 < sum(layer.spikes_per_step) < T * N * 8
    assert layer.recognised == "by its outputs, 0 and one level"


def test_steps_of_an_axis_after_the_samples_are_told_by_a_layer_that_sees_them_as_rows():
    class Flattens(Network):
        def forward(self, x):
            self.neuron.given.clear()
            current = self.one(x.repeat_interleave(T, 0)).unflatten(0, (-1, T))
            return self.two(self.neuron(current).flatten(0, 1)).unflatten(0, (-1, T)).mean(1)

    model = Flattens(AllSteps(1))
    plan, spikes = measured(model, Said())
    assert (plan.axis, plan.timesteps) == ("inside", T)
    assert spikes.layers[0].spikes_per_step == tuple(int(step.sum()) for step in model.neuron.given)


@pytest.mark.parametrize(
    "module",
    [
        nn.ReLU(),
        nn.Dropout(),
        nn.Hardtanh(0, 1),
        nn.Sequential(nn.Sigmoid(), nn.Threshold(0.5, 0.0)),
        type("Compare", (nn.Module,), {"forward": lambda self, x: x > 0})(),
        type("Levels", (nn.Module,), {"forward": lambda self, x: (3 * x).round().clamp(0, 3) / 3})(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_is_no_neuron_is_not_taken_for_one(module):
    number = type("Number", (nn.Module,), {"forward": lambda self, x: x.float()})()
    model = nn.Sequential(nn.Linear(6, 64), module, number)
    assert not recognise(model.eval(), X, Said()).neurons


def test_pooled_and_masked_spikes_belong_to_their_neuron():
    model = nn.Sequential(nn.Linear(6, 8), Surrogate(), nn.MaxPool1d(2), nn.Dropout())
    assert set(recognise(model.eval(), X, Said()).neurons) == {"1"}


def test_names_and_classes_that_were_said_settle_it():
    model = nn.Sequential(nn.Linear(6, 8), Surrogate(), nn.Linear(8, 8), nn.ReLU())
    assert set(recognise(model, X, Said(not_neurons=("Surrogate",))).neurons) == set()
    assert set(recognise(model, X, Said(not_neurons=("1",))).neurons) == set()
    said = recognise(model, X, Said(neurons=("ReLU",))).neurons
    assert {name: neuron.recognised for name, neuron in said.items()} == {
        "1": "by its outputs, 0 and one level",
        "3": "named by --neurons",
    }
    with pytest.raises(MeasureInputError, match=r"--neurons LIF: the model has no module of that name"):
        recognise(model, X, Said(neurons=("LIF",)))


def test_the_membrane_that_an_attribute_holds_gives_the_quantisation_error():
    model = Network(Own())
    plan = recognise(model.eval(), X, Said(neurons=("neuron",), membrane="before"))
    taps = NeuronTaps(model, neurons_of(model, plan))
    kept = []
    model.neuron.register_forward_hook(lambda neuron, args, given: kept.append((neuron.before.clone(), given.clone())))
    with torch.no_grad(), InformationRecorder(taps.root) as information, taps, taps.forward(T):
        Drive(model, plan)(X)
    (layer,) = information.result().layers
    squares = [float(((spikes - u) ** 2).double().mean()) for u, spikes in kept]
    assert layer.quantisation_error == pytest.approx(sum(squares) / T, rel=1e-6)
    assert (layer.firing_level, layer.reset_loss) == (None, None)


def test_spikes_that_the_network_writes_over_are_counted_as_they_were():
    class Residual(Network):
        def forward(self, x):
            self.neuron.u, out = 0, 0
            self.neuron.given.clear()
            for _ in range(T):
                spikes = self.neuron(self.one(x))
                spikes += 1
                out = out + self.two(spikes)
            return out

    model = Residual(Own())
    _, spikes = measured(model, Said())
    assert spikes.layers[0].spikes_per_step == tuple(int(step.sum()) for step in model.neuron.given)


class BaseNode(nn.Module):
    """Stands for SpikingJelly's neurons that take [T, N, ...]."""

    v_threshold, v_reset, step_mode = 0.2, 0.0, "m"

    def forward(self, x):
        v, spikes = torch.zeros_like(x[0]), []
        for step in x:
            v = v + step
            spikes.append((v >= self.v_threshold).to(v))
            v = v * (1 - spikes[-1])
        self.given = torch.stack(spikes)
        return self.given


BaseNode.__module__ = "spikingjelly.activation_based.neuron"


class Sequences(nn.Module):
    """Makes the steps itself of images [N, ...], and takes sequences [N, T, ...]."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.lif, self.two = nn.Linear(6, 8), BaseNode(), nn.Linear(8, 3)

    def forward(self, x):
        steps = x.unsqueeze(0).repeat(T, 1, 1) if x.ndim == 2 else x.transpose(0, 1)
        return self.two(self.lif(self.one(steps))).mean(0)


@pytest.mark.parametrize("said", [Said(), Said(timesteps=T)])
def test_a_model_that_repeats_its_input_needs_no_word_about_its_time(said):
    model = Sequences()
    plan, spikes = measured(model, said)
    assert (plan.axis, plan.timesteps) == ("inside", T)
    assert spikes.layers[0].spikes_per_step == tuple(int(step.sum()) for step in model.lif.given)


def test_a_model_that_takes_time_first_is_still_told_from_it():
    model = nn.Sequential(nn.Linear(6, 8), BaseNode())
    assert recognise(model, X, Said(timesteps=T)).axis == "leading"
    with pytest.raises(MeasureInputError, match="give --timesteps"):
        recognise(model, X, Said())


@pytest.mark.parametrize("samples", [2, 3, T])
def test_samples_that_are_handed_over_as_steps_are_refused(samples):
    x = torch.rand(samples, 6, generator=torch.Generator().manual_seed(1))
    with pytest.raises(MeasureInputError, match=r"alone than in a batch .*--time-axis"):
        recognise(Sequences(), x, Said("leading", T))


def test_a_model_that_mixes_its_samples_is_refused_and_one_that_draws_numbers_is_not():
    mixes = type("Centres", (nn.Module,), {"forward": lambda self, x: x - x.mean(0)})()
    with pytest.raises(MeasureInputError, match=r"\(0 differs\)|its output differs"):
        recognise(nn.Sequential(mixes, nn.Linear(6, 3)), X, Said())
    draws = type("Draws", (nn.Module,), {"forward": lambda self, x: (torch.rand_like(x) < x).to(x)})()
    assert recognise(nn.Sequential(draws, nn.Linear(6, 3)), X, Said()).axis is None


def test_a_subclass_that_only_fixes_arguments_has_its_equation_and_one_that_changes_it_has_not():
    def new(name, base, module, **members):
        return type(name, (base,), {"__module__": module, **members})

    library = "spikingjelly.activation_based.neuron"
    node = new("IFNode", BaseNode, library, neuronal_charge=lambda self, x: None)
    mine = new("Mine", node, "nets", __init__=lambda self: nn.Module.__init__(self), v_threshold=0.3)
    other = new("Other", node, "nets", neuronal_charge=lambda self, x: None)
    models = [nn.Sequential(neuron()) for neuron in (mine, other)]
    plans = [recognise(model, X, Said("leading", T)) for model in models]
    ((_, mine_is),), ((_, other_is),) = (neurons_of(*pair).values() for pair in zip(models, plans, strict=True))
    assert (mine_is.reset, mine_is.threshold, mine_is.dynamics is None) == ("hard", 0.3, False)
    assert (other_is.reset, other_is.dynamics) == (None, None)


OLDER = type("MultiStepIFNode", (BaseNode,), {"__module__": "spikingjelly.clock_driven.neuron", "step_mode": None})
PARALLEL = type(
    "PSN",
    (BaseNode, type("MultiStepModule", (), {"__module__": "spikingjelly.activation_based.base"})),
    {"__module__": "spikingjelly.activation_based.neuron.psn", "step_mode": None},
)


@pytest.mark.parametrize("neuron", [OLDER, PARALLEL])
def test_neurons_without_a_step_mode_that_take_all_steps_at_once_are_known(neuron):
    model = Sequences()
    model.lif = neuron()
    plan, spikes = measured(model, Said())
    assert (plan.axis, plan.timesteps) == ("inside", T)
    assert spikes.layers[0].spikes_per_step == tuple(int(step.sum()) for step in model.lif.given)


@pytest.mark.parametrize(("shape", "axis"), [((T, N), 1), ((N, T), 0), ((T, T), 1), ((T, T), 0)])
def test_steps_and_samples_of_an_output_are_told_apart_also_where_they_are_as_many(shape, axis):
    class Steps(nn.Module):
        def forward(self, x):
            steps = torch.stack([x[:, :3] * (t + 1) for t in range(T)], 1 - axis)
            return Surrogate()(steps) * 0 + steps

    class Ticks(nn.Module):
        """Says how many steps there are by a neuron that is called so often."""

        def __init__(self):
            super().__init__()
            self.neuron, self.steps = Surrogate(), Steps()

        def forward(self, x):
            for _ in range(T):
                self.neuron(x)
            return self.steps(x)

    samples = shape[1 - axis] if axis == 0 else shape[1]
    x = torch.rand(samples, 6, generator=torch.Generator().manual_seed(2))
    model = Ticks()
    drive = Drive(model, recognise(model, x[:2], Said()))
    assert torch.allclose(drive.logits(drive(x), samples), x[:, :3] * (1 + T) / 2)


def test_a_weight_that_is_not_in_use_leaves_the_count_complete_and_one_that_no_operator_shows_does_not():
    class Holds(nn.Module):
        def __init__(self, used):
            super().__init__()
            self.linear, self.scale, self.used = nn.Linear(6, 3), nn.Parameter(torch.full((1, 1, 3), 2.0)), used

        def forward(self, x):
            y = self.linear(x)
            return y * float(self.scale.detach().numpy()[0, 0, 0]) if self.used else y

    for used in (False, True):
        model = Holds(used).eval()
        plan = recognise(model, X, Said())
        sections = count(Drive(model, plan), [X], None, [], lambda done: None)
        assert [one.name for one in sections["synops"].uncounted] == [""] * used
        assert torch.equal(model.scale, torch.full((1, 1, 3), 2.0))


def test_an_encoder_of_a_library_is_no_neuron():
    encoder = type("PoissonEncoder", (nn.Module,), {"forward": lambda self, x: (torch.rand_like(x) <= x).to(x)})
    encoder.__module__ = "spikingjelly.activation_based.encoding"
    assert recognise(nn.Sequential(encoder(), nn.Linear(6, 3)), X, Said()).neurons == {}
