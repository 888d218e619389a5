"""The ledger of what is not synaptic, against closed forms and plain counting."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.operations import OtherOps
from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import oracle
from tests.measure.synops.cases import Function, spikes


class Neuron(nn.Module):
    """A neuron of the test's own: what the ledger needs is what it offers."""

    def __init__(self, timesteps, *, decay=0.5, reset="soft", mpr=False, hidden=None):
        super().__init__()
        self.timesteps, self.decay, self.threshold, self.reset, self.mpr = timesteps, decay, 0.5, reset, mpr
        self.hidden, self.modes = hidden, []

    def membrane(self, current):
        return current

    def forward(self, current):
        self.modes.append(torch.utils._python_dispatch._get_current_dispatch_mode() is None)
        v, out = 0, []
        for step in current.unflatten(0, (self.timesteps, -1)):
            u = self.decay * v + step
            if self.hidden is not None:
                u = u @ self.hidden
            spike = (u > self.threshold).to(u.dtype)
            v = u - spike if self.reset == "soft" else u * (1 - spike)
            out.append(spike)
        return torch.cat(out)


def count(module, *inputs):
    with torch.no_grad(), SynOpCounter(module) as counter:
        for x in inputs:
            module(x)
    return counter


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize(("decay", "leaks"), [(0.5, 1), (1, 0), (1.0, 0), (torch.ones(1), 0), (torch.tensor(0.9), 1)])
def test_neuron_updates(reset, decay, leaks):
    neuron = Neuron(3, decay=decay, reset=reset, mpr=True)
    x = torch.randn(6, 2, 5)
    fired = int(neuron(x).sum())
    (row,) = count(neuron, x, x[:3]).neuron_ops()
    fired += int(neuron(x[:3]).sum())
    updates = 6 * 10 + 3 * 10
    assert fired > 0
    assert (row.name, row.reset, row.mpr) == ("Neuron", reset, True)
    assert (row.updates, row.leak_multiplies, row.integrate_adds) == (updates, leaks * updates, updates)
    assert (row.compares, row.reset_operations) == (updates, fired)


def test_the_rectifier_costs_nothing():
    x = torch.randn(6, 4)
    with_mpr, without = (count(Neuron(3, mpr=mpr), x).neuron_ops()[0] for mpr in (True, False))
    assert {**vars(with_mpr), "mpr": None} == {**vars(without), "mpr": None}


def test_an_unknown_reset_is_refused():
    with pytest.raises(MeasureInputError, match="'zero'"):
        count(Neuron(1, reset="zero"), torch.randn(2, 3))


def test_spikes_reach_the_next_layer_and_the_ledger_alike():
    model = nn.Sequential(nn.Linear(4, 6, bias=False), Neuron(2), nn.Linear(6, 3, bias=False))
    counter = count(model, torch.randn(4, 4))
    (row,) = counter.neuron_ops()
    assert counter.result().layers["2"].input_nonzero == row.reset_operations


def test_a_watched_neuron_is_left_alone_afterwards():
    model = nn.Sequential(nn.Linear(4, 6), Neuron(2), nn.Linear(6, 3))
    x = torch.randn(4, 4)
    with torch.no_grad():
        spike = model[:2](x)
        model[1].modes.clear()
        counter = SynOpCounter(model)
        with counter:
            for _ in range(3):
                model(x)
    assert model[1].modes == [False, True, True]
    assert counter.result().total.ac == 3 * oracle.linear(spike, model[2].weight).effective
    assert counter.neuron_ops()[0].updates == 3 * 24


def test_a_neuron_with_synapses_inside_is_counted_in_every_call():
    neuron = Neuron(2, hidden=torch.randn(6, 6))
    x = torch.randn(4, 6)
    once, thrice = count(neuron, x), count(neuron, x, x, x)
    assert once.result().total.effective > 0
    assert thrice.result().total.effective == 3 * once.result().total.effective
    assert neuron.modes[-3:] == [False, False, False]


def test_an_error_inside_a_neuron_left_alone_does_not_end_the_counting():
    model = nn.Sequential(nn.Linear(4, 6), Neuron(2))
    x = torch.randn(4, 4)
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(x)
        with pytest.raises(RuntimeError):
            model(x[:3])
        model(x)
    assert counter.result().layers["0"].calls == 3


def test_compiled_neurons_stay_compiled():
    torch.compiler.reset()
    calls = []

    def backend(graph, inputs):
        return lambda *args: (calls.append(1), graph(*args))[1]

    class Fused(Neuron):
        def __init__(self):
            super().__init__(2)
            self.kernel = torch.compile(lambda u: (u > 0.5).float(), backend=backend, fullgraph=True)

        def forward(self, current):
            return self.kernel(current)

    model, x = nn.Sequential(nn.Linear(4, 6), Fused()), torch.randn(4, 4)
    with torch.no_grad():
        model(x)
        assert len(calls) == 1
        with SynOpCounter(model):
            model(x)
            assert len(calls) == 1
            model(x)
            assert len(calls) == 2
        model(x)
    assert len(calls) == 3


def others(module, x):
    return {(row.name, row.kind): row for row in count(module.eval(), x).other_ops()}


def test_bias_normalisation_and_activation():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    rows = others(model, torch.randn(5, 1, 4, 4))
    assert rows == {
        ("0", "bias"): OtherOps("0", "bias", 1, 5 * 8, 0, 0),
        ("1", "normalisation"): OtherOps("1", "normalisation", 1, 5 * 8, 5 * 8, 0),
        ("2", "activation"): OtherOps("2", "activation", 1, 0, 0, 5 * 8),
        ("4", "bias"): OtherOps("4", "bias", 1, 5 * 3, 0, 0),
    }


def test_folded_normalisation_is_gone():
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2)).eval()
    folded = nn.Sequential(fuse_conv_bn_eval(model[0], model[1]))
    x = torch.randn(5, 1, 4, 4)
    assert [kind for _, kind in others(model, x)] == ["normalisation"]
    assert [kind for _, kind in others(folded, x)] == ["bias"]


def test_every_way_to_run_gives_one_ledger():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 3)).eval()
    x, results = torch.randn(5, 1, 4, 4), []
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode(), SynOpCounter(model) as counter:
            model(x)
        results.append(counter.other_ops())
    assert results[0] == results[1] == results[2]


def test_residual_and_elementwise():
    x = torch.randn(3, 4)
    assert others(Function(lambda x: x + x), x)[("", "residual")].adds == 12
    rows = others(Function(lambda x: x * 2 - 1), x)
    assert (rows[("", "elementwise")].adds, rows[("", "elementwise")].multiplies) == (12, 12)


def windows(x, kernel, stride, padding):
    """Elements read and windows, by pooling a map of ones."""
    ones = torch.ones_like(x)
    taps = torch.ones(1, 1, *kernel)
    reads = F.conv2d(ones.flatten(0, 1)[:, None], taps, stride=stride, padding=padding)
    return int(reads.sum()), int((reads > 0).sum())


@pytest.mark.parametrize(("kernel", "stride", "padding"), [((2, 2), 2, 0), ((3, 2), (2, 1), (1, 0)), ((3, 3), 3, 1)])
def test_pooling(kernel, stride, padding):
    x = torch.randn(2, 3, 7, 6)
    reads, number = windows(x, kernel, stride, padding)
    average = others(nn.AvgPool2d(kernel, stride, padding), x)[("", "pooling")]
    assert (average.adds, average.multiplies, average.compares) == (reads - number, number, 0)
    largest = others(nn.MaxPool2d(kernel, stride, padding), x)[("", "pooling")]
    assert (largest.adds, largest.multiplies, largest.compares) == (0, 0, reads - number)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_adaptive_pooling(size):
    x = torch.randn(2, 3, 5, 7)
    row = others(nn.AdaptiveAvgPool2d(size), x)[("", "pooling")]
    reads = 0
    for i in range(size):
        for j in range(size):
            # What an output reads has a gradient.
            probe = x[:1, :1].clone().requires_grad_()
            F.adaptive_avg_pool2d(probe, size)[0, 0, i, j].backward()
            reads += int((probe.grad != 0).sum()) * 6
    assert (row.adds, row.multiplies) == (reads - 6 * size**2, 6 * size**2)


def test_neuron_arithmetic_is_in_the_neurons_row_alone():
    assert count(Neuron(2), torch.randn(4, 3)).other_ops() == []


def test_neuron_rows_fit_the_record():
    from inflor_bench.record.counted import NeuronOps as Section
    from inflor_bench.record.counted import NeuronOpsLayer

    rows = count(Neuron(2), spikes(4, 3)).neuron_ops()
    section = Section(samples=2, layers=[NeuronOpsLayer(**vars(row)) for row in rows])
    assert section.updates == 12


def test_a_failure_of_the_ledger_inside_a_suspended_neuron_leaves_torch_as_it_was():
    neuron, call = Neuron(2), nn.Module.__call__
    counter = SynOpCounter(neuron)
    with torch.no_grad(), counter:
        neuron(torch.ones(4, 3))
        neuron(torch.ones(4, 3))
    assert neuron.modes == [False, True]  # watched once, then left alone
    neuron.reset = "odd"
    with pytest.raises(MeasureInputError, match="'odd'"), torch.no_grad(), counter:
        neuron(torch.ones(4, 3))
    assert nn.Module.__call__ is call
    assert torch._C._len_torch_dispatch_stack() == torch._C._len_torch_function_stack() == 0
    assert count(Neuron(2), torch.ones(4, 3)).neuron_ops()[0].updates == 12
