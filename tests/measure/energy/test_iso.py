"""Prices at equal precision, every term by hand on a linear layer, a convolution and a small network."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from inflor_bench.measure import SynOpCounter
from inflor_bench.measure.energy import Bits, EnergyModel, at_bits, energy_models, estimate
from inflor_bench.measure.energy.iso import ISO_MODELS, Iso, add, iso_model, multiply
from inflor_bench.models.neurons import LIF, Quantiser

PJ = 1e-12
BITS = Bits(weight=8, sum=32, activation=3)
ADD, MULTIPLY, LEAK = 0.1 * PJ, 0.2 * PJ * 3 / 8, 0.2 * PJ * 4


def moved(times, bits, memory):
    """Moving values of so many bits in a memory of so many bits, by a table look-up of its own: below 8 KiB."""
    assert memory < 8 * 8192
    return times * bits / 8 * (2.5 * PJ * memory / 8 / 8192)


def estimated(module, x, samples, bits=BITS):
    with SynOpCounter(module) as counter, torch.no_grad():
        module(x)
    models = at_bits(ISO_MODELS, bits)
    found = estimate(list(counter.result().layers.values()), counter.neuron_ops(), samples=samples, models=models)
    return {one.name: one for one in found}


def test_adds_and_multiplies_are_the_published_ones():
    assert (add(8), add(32), multiply(8, 8)) == pytest.approx((0.03 * PJ, 0.1 * PJ, 0.2 * PJ), rel=1e-12)
    assert add(20) == pytest.approx(0.065 * PJ, rel=1e-12)
    assert multiply(32, 32) == pytest.approx(3.1 * PJ, rel=0.04)
    assert multiply(3, 8) == pytest.approx(0.075 * PJ, rel=1e-12)


def test_a_linear_layer_of_spikes_by_hand():
    # 3 spikes of 6 inputs into 5 outputs: F = 15. Weights 30 of 8 bits, sums 5 of 32, inputs 6 of 1.
    found = estimated(nn.Linear(6, 5), torch.tensor([[1.0, 0, 1, 0, 0, 1]]), 1)
    memory = moved(15, 8, 240) + moved(30, 32, 160) + moved(2 * 3, 1, 6)
    assert found["iso-arithmetic"].joules == pytest.approx(15 * ADD, rel=1e-12)
    assert found["iso-event"].joules == pytest.approx(15 * ADD + memory, rel=1e-12)


def test_a_linear_layer_of_values_by_hand():
    # 3 values of 6 that are not 0, of 3 bits each.
    found = estimated(nn.Linear(6, 5), torch.tensor([[0.5, 0, 0.25, 0, 0, 1]]), 1)
    product = MULTIPLY + ADD
    event = moved(15, 8, 240) + moved(30, 32, 160) + moved(2 * 3, 3, 18)
    dense = moved(30, 8, 240) + moved(6, 3, 18) + moved(5, 3, 15)
    assert found["iso-arithmetic"].joules == pytest.approx(15 * product, rel=1e-12)
    assert found["iso-event"].joules == pytest.approx(15 * product + event, rel=1e-12)
    assert found["iso-dense"].joules == pytest.approx(30 * product + dense, rel=1e-12)


def test_a_convolution_by_hand():
    # 1x3x3 into 2 channels, 3x3 taps, padding 1: a value in the middle reaches 9 places of each channel, one in a
    # corner 4: F = 26; dense 2 * 49. Two samples of the same: nothing changes for one of them.
    x = torch.zeros(2, 1, 3, 3)
    x[:, 0, 1, 1], x[:, 0, 0, 0] = 0.75, 0.5
    found = estimated(nn.Conv2d(1, 2, 3, padding=1), x, 2)
    product = MULTIPLY + ADD
    event = moved(26, 8, 18 * 8) + moved(52, 32, 18 * 32) + moved(2 * 2, 3, 9 * 3)
    dense = moved(18, 8, 18 * 8) + moved(9, 3, 9 * 3) + moved(18, 3, 18 * 3)
    assert found["iso-arithmetic"].joules == pytest.approx(26 * product, rel=1e-12)
    assert found["iso-event"].joules == pytest.approx(26 * product + event, rel=1e-12)
    assert found["iso-dense"].joules == pytest.approx(98 * product + dense, rel=1e-12)


def test_a_spiking_network_by_hand_also_on_a_chip_that_computes_its_twin_densely():
    # 4 values into 3 neurons over 2 steps, then 2 outputs. Two of the neurons fire at both steps.
    first, last = nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[2.0, 1, 1, 1], [2, 1, 1, 1], [-1, -1, -1, -1]]))
        last.weight.fill_(1.0)
    found = estimated(nn.Sequential(first, LIF(2, reset="soft", decay=0.5), last), torch.full((2, 4), 1.5), 1)
    layers = found["iso-event"].layers
    stem = 24 * (MULTIPLY + ADD) + moved(24, 8, 96) + moved(48, 32, 96) + moved(16, 3, 12)
    assert layers["0"] == pytest.approx(stem, rel=1e-12)
    assert layers["1"] == pytest.approx(moved(12, 32, 96) + 6 * LEAK, rel=1e-12)
    assert layers["2"] == pytest.approx(8 * ADD + moved(8, 8, 48) + moved(16, 32, 64) + moved(8, 1, 3), rel=1e-12)
    assert found["iso-dense"].layers == layers
    assert found["iso-arithmetic"].joules == pytest.approx(24 * (MULTIPLY + ADD) + 8 * ADD, rel=1e-12)


def test_a_twin_of_one_level_needs_no_multiplier_where_its_zeros_are_skipped():
    module = nn.Sequential(Quantiser(1), nn.Linear(6, 5))
    found = estimated(module, torch.tensor([[1.0, 0, 1, 0, 0, 1]]), 1, Bits(activation=1))
    assert found["iso-arithmetic"].joules == pytest.approx(15 * ADD, rel=1e-12)


def test_the_bits_are_in_version_and_source():
    (model, *_) = at_bits(ISO_MODELS, Bits(4, 16, 2))
    assert model.version == "1-w4-m16-b2"
    assert "weights 4, sums and membranes 16, activations 2 bits" in model.source


def test_models_of_one_number_format_stay_as_they_are():
    fixed = EnergyModel("mine", "1", "s", lambda layer, spiking: 0.0)
    assert at_bits([fixed], BITS) == (fixed,)


FILE = """
[[models]]
name = "mine"
version = "7"
source = "data sheet"
dataflow = "event"
weight_bits = 4
sum_bits = 16
memory = [[64, 1e-12], [4096, 3e-12]]
"""


def test_a_file_may_give_bits_and_memory(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(FILE)
    (mine,) = (model for model in at_bits(energy_models([path]), BITS) if model.name == "mine")
    assert mine.version == "7-w4-m16-b3"  # its own bits stay, the activation's are the network's
    with SynOpCounter(module := nn.Linear(6, 5)) as counter, torch.no_grad():
        module(torch.tensor([[0.5, 0, 0.25, 0, 0, 1]]))
    (found,) = estimate(list(counter.result().layers.values()), [], samples=1, models=[mine])
    # 15 weights of 15 bytes in all, 10 bytes of sums, 2.25 bytes of inputs: each on the line from 0 to 1 pJ at 64.
    memory = (15 * 4 / 8 * 15 + 30 * 16 / 8 * 10 + 6 * 3 / 8 * 2.25) / 64 * PJ
    arithmetic = 15 * (0.2 * 3 * 4 / 64 + 0.03 + 8 * 0.07 / 24) * PJ
    assert found.joules == pytest.approx(arithmetic + memory, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('dataflow = "event"', "weight_bits|memory|sum_bits"),
        ("sum_bits = 16", "ac is a constant"),
        ("[4096", "memory is to grow"),
        ("weight_bits = 4", "weight_bits"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, line, sentence):
    changed = {
        'dataflow = "event"': "",
        "sum_bits = 16": "ac = 1e-12",
        "[4096": "[32",
        "weight_bits = 4": "weight_bits = 0",
    }
    path = tmp_path / "chip.toml"
    path.write_text(FILE.replace(line, changed[line]))
    with pytest.raises(Exception, match=sentence) as caught:
        energy_models([path])
    assert type(caught.value).__name__ == "MeasureInputError"
    assert str(path) in str(caught.value)


def test_a_layer_that_was_not_told_is_priced_by_arithmetic_and_named():
    from inflor_bench.measure.synops.result import SynOpSite

    layer = SynOpSite(name="scores", kind="matmul", ac=0, mac=10, dense=20)
    event = iso_model(replace(Iso("event"), bits=BITS))
    (found,) = estimate([layer], [], samples=1, models=[event])
    assert found.joules == pytest.approx(10 * (MULTIPLY + ADD), rel=1e-12)
    assert found.notes == ["not covered, priced by arithmetic alone: scores (matmul)"]
