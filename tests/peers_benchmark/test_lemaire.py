"""The model of Lemaire et al. beside SpikingJelly's own implementation, where there is no border to count."""

import pytest
import torch
from torch import nn

from inflor_bench.measure import SynOpCounter
from inflor_bench.measure.energy import estimate
from inflor_bench.measure.energy.lemaire import LEMAIRE2022
from inflor_bench.models.neurons import LIF

op_counter = pytest.importorskip("spikingjelly.activation_based.op_counter")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")


def ours(module, x):
    with SynOpCounter(module) as counter, torch.no_grad():
        module(x)
    layers = counter.result().layers.values()
    (found,) = estimate(layers, counter.neuron_ops(), samples=1, models=[LEMAIRE2022])
    return found.joules / 1e-12


def theirs(module, x):
    profiler = op_counter.LemaireEnergyProfiler(config=op_counter.LemaireEnergyConfig(strict=False))
    profiler.bind_model(module)
    with torch.no_grad(), profiler:
        module(x)
    return profiler.get_report().total_pj


def inside():
    """Spikes that every tap of a 3x3 kernel reaches."""
    x = torch.zeros(1, 2, 8, 8)
    x[:, :, 3:5, 3:5] = torch.tensor([[1.0, 0], [1, 1]])
    return x


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (nn.Conv2d(2, 3, 3), torch.rand(1, 2, 8, 8) + 0.1),
        (nn.Conv2d(2, 3, 2, stride=2), torch.rand(1, 2, 8, 8) + 0.1),
        (nn.Conv2d(2, 3, 3), inside()),
        (nn.Conv2d(2, 3, 3, bias=False), inside()),
        (nn.Linear(7, 5), torch.rand(1, 7) + 0.1),
        (nn.Linear(7, 5), torch.tensor([[1.0, 0, 0, 1, 1, 0, 0]])),
        (nn.Linear(7, 5, bias=False), torch.tensor([[1.0, 0, 0, 1, 1, 0, 0]])),
        (nn.Linear(700, 900), torch.rand(1, 700) + 0.1),
    ],
)
def test_a_layer_costs_what_spikingjelly_says(module, x):
    module = nn.Sequential(module)
    assert ours(module, x) == pytest.approx(theirs(module, x), rel=1e-9)


def test_a_spiking_network_costs_what_spikingjelly_says():
    first, last = nn.Linear(6, 40), nn.Linear(40, 3)
    x = torch.rand(1, 6) * 4
    lif = neuron.LIFNode(tau=4 / 3, decay_input=False, v_threshold=0.5, v_reset=0.0)
    by_ours = ours(nn.Sequential(first, LIF(1, reset="hard", decay=0.25), last), x)
    assert by_ours == pytest.approx(theirs(nn.Sequential(first, lif, last), x), rel=1e-9)
