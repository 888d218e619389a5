"""The model of Lemaire et al. by hand, and by the published closed form where there are no borders."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from inflor_bench.measure import SynOpCounter
from inflor_bench.measure.energy import estimate
from inflor_bench.measure.energy.lemaire import LEMAIRE2022, access_cost
from inflor_bench.models.neurons import LIF

PJ = 1e-12
QUEUE = 4000  # bytes: 1000 spikes


def cost(size):
    """J per byte, from the four points, by a table look-up of its own."""
    if size <= 8192:
        return 2.5 * PJ * size / 8192
    if size <= 32768:
        return (2.5 + 2.5 * (size - 8192) / 24576) * PJ
    return (5 + 20 * (min(size, 1 << 20) - 32768) / (1048576 - 32768)) * PJ


def estimated(module, x, samples):
    with SynOpCounter(module) as counter, torch.no_grad():
        module(x)
    layers = list(counter.result().layers.values())
    (found,) = estimate(layers, counter.neuron_ops(), samples=samples, models=[LEMAIRE2022])
    return found


def test_a_spiking_convolution_by_hand():
    # 1x3x3 input, 2 output channels, 3x3 kernel, padding 1: a spike in the middle reaches 9 places of each channel, one
    # in a corner 4. F = 2 * (9 + 4) = 26, s = 2; 18 outputs, each with a bias; memories: 20 parameters, 18 membranes.
    module = nn.Conv2d(1, 2, 3, padding=1)
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = x[0, 0, 0, 0] = 1
    arithmetic = 0.1 * PJ * (26 + 18 + 26) + 3.2 * PJ * 2 * 2
    memory = 4 * (2 * cost(QUEUE) + (26 + 18) * cost(80) + 2 * 26 * cost(72))
    assert estimated(module, x, 1).joules == pytest.approx(arithmetic + memory, rel=1e-12)


def test_a_formal_convolution_by_hand():
    # Values into the same layer: M = 2 * 49 in-bounds pairs (4 corners of 4, 4 edges of 6, a middle of 9).
    module = nn.Conv2d(1, 2, 3, padding=1)
    x = torch.arange(9.0).view(1, 1, 3, 3) / 7
    arithmetic = 0.1 * PJ * (9 + 18 + 2 * 9 + 18) + 3.2 * PJ * 98
    memory = 4 * (98 * cost(36) + (98 + 18) * cost(80) + 18 * cost(72))
    assert estimated(module, x, 1).joules == pytest.approx(arithmetic + memory, rel=1e-12)


def test_a_spiking_linear_layer_by_hand():
    # 3 spikes of 6 inputs into 5 outputs: F = 15; no addressing by multiplication; no bias.
    x = torch.tensor([[1.0, 0, 1, 0, 0, 1]])
    memory = 4 * (3 * cost(QUEUE) + 15 * cost(120) + 30 * cost(20))
    assert estimated(nn.Linear(6, 5, bias=False), x, 1).joules == pytest.approx(0.1 * PJ * 30 + memory, rel=1e-12)


def test_a_formal_linear_layer_by_hand():
    x = torch.tensor([[0.5, 0, 2, 0, 0, 1]])
    arithmetic = 0.1 * PJ * (6 + 5 + 5) + 3.2 * PJ * 30
    memory = 4 * (6 * cost(24) + (30 + 5) * cost(140) + 5 * cost(20))
    assert estimated(nn.Linear(6, 5), x, 1).joules == pytest.approx(arithmetic + memory, rel=1e-12)


def test_a_spiking_network_by_hand():
    # An image of 4 values into 3 neurons over 2 steps, shown at both, then 2 outputs. Currents of 3 and 0: the first
    # two neurons fire at both steps, the third never. 2 samples of the same.
    first, last = nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[2.0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]))
    module = nn.Sequential(first, LIF(2, reset="soft", decay=0.5), last)
    x = torch.full((4, 4), 1.5)
    found = estimated(module, x, samples=2)
    # One sample: 2 rows of 4 values; the sums stay where they are computed, so no output is written.
    assert found.layers["0"] == pytest.approx(
        0.1 * PJ * 2 * (4 + 3) + 3.2 * PJ * 2 * 12 + 4 * (8 * cost(16) + 24 * cost(48)), rel=1e-12
    )
    # 6 updates that leak, each a read and a write of 3 membranes' memory; 4 spikes are reset and written out.
    assert found.layers["1"] == pytest.approx(
        0.1 * PJ * 4 + 3.2 * PJ * 6 + 4 * (12 * cost(12) + 4 * cost(QUEUE)), rel=1e-12
    )
    assert found.layers["2"] == pytest.approx(
        0.1 * PJ * 16 + 4 * (4 * cost(QUEUE) + 8 * cost(24) + 16 * cost(8)), rel=1e-12
    )


@given(
    channels=st.integers(1, 3), out=st.integers(1, 3), kernel=st.integers(1, 3), size=st.integers(4, 6), data=st.data()
)
def test_without_borders_it_is_the_published_formula(channels, out, kernel, size, data):
    # Spikes far enough inside reach every tap: F is s * C_out * k * k.
    x = torch.zeros(1, channels, size + 2 * kernel, size + 2 * kernel)
    inside = itertools.product(range(channels), range(kernel, kernel + size), range(kernel, kernel + size))
    for place in data.draw(st.lists(st.sampled_from(list(inside)), unique=True, min_size=1)):
        x[(0, *place)] = 1
    spikes = int(x.sum())
    fan_out = spikes * out * kernel * kernel
    outputs = out * (size + kernel + 1) ** 2
    expected = (
        0.1 * PJ * 2 * fan_out
        + 3.2 * PJ * 2 * spikes
        + 4 * spikes * cost(QUEUE)
        + 4 * fan_out * cost(4 * channels * out * kernel * kernel)
        + 4 * 2 * fan_out * cost(4 * outputs)
    )
    assert estimated(nn.Conv2d(channels, out, kernel, bias=False), x, 1).joules == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("module", "shape", "channels"),
    [
        (nn.Conv2d(4, 6, 3, groups=2), (4, 5, 5), 6),
        (nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2), (4, 5, 5), 6),
        (nn.Conv1d(2, 3, 2, bias=False), (2, 7), 3),
        (nn.Linear(7, 3), (2, 7), 3),
        (nn.Linear(7, 3, bias=False), (7,), 3),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_rows_outputs_and_bias_of_a_site_are_those_of_the_layer(module, shape, channels, inference):
    x = torch.rand(5, *shape)
    with SynOpCounter(module) as counter, torch.inference_mode(inference):
        output = module(x)
        module(x)
    (site,) = counter.result().layers.values()
    assert site.output_elements == 2 * output.numel()
    assert site.output_channels == channels
    assert site.bias == (module.bias is not None)
    assert site.input_rows == 2 * x.numel() // (7 if isinstance(module, nn.Linear) else x[0].numel())


def test_what_is_neither_convolution_nor_linear_is_named_and_priced_by_arithmetic():
    class Product(nn.Module):
        def forward(self, x):
            return x @ x.transpose(1, 2)

    found = estimated(Product(), torch.full((1, 3, 4), 0.5), 1)
    assert found.joules == pytest.approx(3.2 * PJ * 36, rel=1e-12)
    assert found.notes == ["not covered, priced by arithmetic alone: matmul (matmul)"]


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_larger_memory_never_costs_less(first, second):
    small, large = sorted((first, second))
    assert 0 <= access_cost(small) <= access_cost(large) <= 25 * PJ


@given(st.floats(0, 2e6))
def test_between_its_points_the_cost_is_linear(size):
    assert access_cost(size) == pytest.approx(cost(size), rel=1e-9, abs=1e-21)


@pytest.mark.parametrize(("size", "picojoules"), [(0, 0), (4096, 1.25), (8192, 2.5), (32768, 5), (1 << 20, 25)])
def test_the_cost_passes_through_its_points(size, picojoules):
    assert access_cost(size) == pytest.approx(picojoules * PJ, rel=1e-12)


@given(st.floats(1 << 20, 1e15))
def test_beyond_a_mebibyte_the_cost_is_constant(size):
    assert access_cost(size) == 25 * PJ
