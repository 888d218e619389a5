"""snnTorch networks as its tutorials write them, measured by `inflor-bench measure`."""

import pytest
import torch

from tests.peers.watch import Watched, linear_operations

pytest.importorskip("snntorch")

SOURCE = """
import snntorch as snn
import torch
from torch import nn
class Loop(nn.Module):
    def __init__(self, mechanism):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(6, 8), snn.Leaky(beta=0.9, threshold=0.4, reset_mechanism=mechanism)
        self.fc2, self.lif2 = nn.Linear(8, 3), snn.Leaky(beta=0.8, threshold=0.4, reset_mechanism=mechanism)
    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for _ in range(5):
            spikes, mem1 = self.lif1(self.fc1(x), mem1)
            spikes, mem2 = self.lif2(self.fc2(spikes), mem2)
            out.append(spikes)
        return torch.stack(out), mem2
def subtract(): return Loop("subtract")
def zero(): return Loop("zero")
def hidden():
    return nn.Sequential(
        nn.Linear(6, 8), snn.Leaky(beta=0.9, threshold=0.4, init_hidden=True),
        nn.Linear(8, 3), snn.Synaptic(alpha=0.5, beta=0.8, threshold=0.4, init_hidden=True),
    )
"""
X = torch.rand(7, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factory", ["subtract", "zero"])
def test_a_loop_over_steps_inside_the_model_is_recognised(measure, load, factory):
    record = measure(SOURCE, factory, "--shape", "6", "--samples", 7, "--batch", 3)
    model = load(SOURCE, factory)
    watched = Watched(model)
    with torch.no_grad():
        model(X)
    assert record.model.timesteps == 5
    for layer in record.spikes.layers:
        assert layer.spikes_per_step == [int(step.sum()) for step in watched.outputs[layer.name]]
    assert record.spikes.layers[0].spikes
    synops = {layer.name: layer for layer in record.synops.layers}
    for name in ("fc1", "fc2"):
        weight = getattr(model, name).weight
        assert synops[name].per_step == [linear_operations(step, weight) for step in watched.inputs[name]]
    assert (synops["fc1"].ac, synops["fc2"].mac) == (0, 0)

    u, o, errors = torch.zeros(7, 8, dtype=torch.float64), torch.zeros(7, 8, dtype=torch.float64), []
    for x_t, spikes in zip(watched.inputs["lif1"], watched.outputs["lif1"], strict=True):
        kept = 0.9 * (u * (1 - o)) if factory == "zero" else 0.9 * u - 0.4 * o
        u, o = kept + x_t.double(), spikes.double()
        errors.append((u - o).square())
    (found, _) = record.information.layers
    assert found.quantisation_error == pytest.approx(torch.stack(errors).mean().item(), rel=1e-5)
    assert (found.reset_loss is None) == (factory == "subtract")
    assert record.neuron_ops.updates == 5 * 7 * (8 + 3)


def test_hidden_states_are_reset_between_batches_and_unknown_membranes_say_so(measure, load):
    record = measure(SOURCE, "hidden", "--shape", "6", "--samples", 7, "--batch", 3, "--timesteps", 4)
    model = load(SOURCE, "hidden")
    watched = Watched(model)
    with torch.no_grad():
        for _ in range(4):
            model(X)
    for layer in record.spikes.layers:
        assert layer.spikes_per_step == [int(step.sum()) for step in watched.outputs[layer.name]]
    assert sum(layer.spikes for layer in record.spikes.layers)
    assert record.information.status == "unavailable"
    assert "Synaptic" in record.information.reason
    assert [layer.leak_multiplies / layer.updates for layer in record.neuron_ops.layers] == [1, 2]


def test_a_model_of_one_step_a_call_needs_the_number_of_steps(measure):
    refusal = measure(SOURCE, "hidden", "--shape", "6", check=2)
    assert "--timesteps" in refusal
    assert refusal.count("\n") == 1
