"""Graded inputs are told apart by what they hold, element by element, whatever the class of their operations is."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inflor_bench.measure.energy import EnergyModel, estimate
from inflor_bench.measure.synops import levels as module
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.levels import MOST, Magnitudes
from tests.measure.synops.cases import Function


def levels_of(*inputs, **options):
    layer = nn.Linear(inputs[0].shape[1], 3).to(inputs[0].dtype)
    with torch.no_grad(), SynOpCounter(layer, **options) as counter:
        for x in inputs:
            layer(x)
    (site,) = counter.result().layers.values()
    return site.levels


def row(*values, dtype=torch.float32):
    return torch.tensor([values], dtype=dtype)


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 6, 7, 8, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_quantised_activation_has_as_many_levels_as_steps(steps, dtype):
    x = torch.linspace(-0.2, 1.3, 4000, dtype=dtype)[None]
    assert levels_of(torch.ceil(steps * x - 0.5).clamp(0, steps) / steps) == steps


@pytest.mark.parametrize("scale", [1.0, 0.25, 1 / 3, 0.1, 0.7531, 12345.678, 1e-20])
def test_whole_multiples_of_one_scale_are_graded_of_either_sign(scale):
    assert levels_of(scale * torch.tensor([[0.0, 2.0, -3.0, 5.0, 2.0, -5.0]])) == 3


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([row(0, 1, -1)], None),
        ([row(0, 0, 0)], None),
        ([row(0, 0.25, -0.25)], 1),
        ([row(0, 1e30, 0)], 1),
        ([row(0, 1, 1), row(0, 2, 0)], 2),
        ([row(0, 2, 0), row(0, 1, 1)], 2),
        ([row(0, 0.5, 0), row(0, 1, 1), row(0, 1.5, 0)], 3),
        ([row(1000, 1001, 0)], 2),
        ([row(0.3, 0.7, 0)], 2),
        ([row(0.3, 0.3 * (1 + 2**-20), 0)], None),
        ([row(0.5, 1.0, 1.5)], 3),
        ([row(0.5, 1.0, np.nextafter(np.float32(1.5), np.float32(0)))], None),
        ([row(0.5, 1.0, 0), row(0, math.pi, 0)], None),
        ([row(2, math.inf, 0)], None),
        ([row(2, math.nan, 0)], None),
        ([row(1, 2, 3, dtype=torch.float16)], 3),
        ([row(0.5, 1.5, 0, dtype=torch.bfloat16)], 2),
    ],
)
def test_what_is_graded_is_decided_over_the_whole_run(inputs, expected):
    layer = nn.Linear(3, 2).to(inputs[0].dtype)
    with torch.no_grad(), SynOpCounter(layer) as counter:
        for x in inputs:
            layer(x)
    (site,) = counter.result().layers.values()
    assert site.levels == expected


def test_the_number_is_bounded():
    whole = torch.arange(MOST + 2, dtype=torch.float32)[None]
    assert levels_of(whole[:, : MOST + 1]) == MOST
    assert levels_of(whole) is None
    assert levels_of(row(1.5, 1.5 * (MOST + 1))) is None, "the scale is held more often than 8 bits say"


def test_the_class_does_not_matter_and_stays_what_it_is():
    x = row(0.0, 0.5, 1.5, 1.0)
    for options in ({}, {"scaled_spikes": "ac"}, {"integer_spikes": "ac"}):
        assert levels_of(x, **options) == 3
    layer = nn.Linear(4, 3)
    with torch.no_grad(), SynOpCounter(layer) as counter:
        layer(x)
    assert (counter.result().total.ac, counter.result().total.mac) == (0, 9)


@settings(max_examples=100, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    times=st.sets(st.integers(1, MOST), min_size=1, max_size=30),
    signs=st.integers(0, 2**30),
    dtype=st.sampled_from([torch.float32, torch.float16]),
)
def test_what_was_made_by_one_scale_is_counted_exactly(scale, times, signs, dtype):
    values = torch.tensor([scale * k for k in sorted(times)], dtype=torch.float64).to(dtype)
    values = values * torch.tensor([1 - 2 * (signs >> i & 1) for i in range(len(times))])
    seen = Magnitudes()
    for part in (values[::2], values, torch.zeros(5)):
        seen.see(part)
    expected = len({abs(value) for value in values.tolist()})
    if not bool(torch.isfinite(values).all()) or float(values.abs().min()) < 1e-4:
        return  # beyond what the format holds in full
    if {abs(value) for value in values.tolist()} != {1.0}:
        assert seen.levels(unit=False) == expected


def test_all_elements_count_also_those_that_come_late():
    x = torch.zeros(1, 3 * module.FEW)
    x[0, 1], x[0, -1] = 0.5, 1.0
    assert levels_of(x) == 2
    x[0, -2] = math.e
    assert levels_of(x) is None


def test_an_input_that_is_not_graded_costs_no_second_look(monkeypatch):
    seen = Magnitudes()
    seen.see(torch.randn(10_000))
    monkeypatch.setattr(module, "_not_in", None)
    seen.see(torch.randn(10_000))
    assert seen.levels(unit=False) is None


def test_products_of_two_activations_and_convolutions():
    q, k = torch.tensor([[[0.0, 2.0, 4.0]]]), torch.tensor([[[0.5, 1.0, 1.5]]])
    with torch.no_grad(), SynOpCounter(Function(lambda x: torch.matmul(q * x, k.mT))) as counter:
        counter._module(torch.ones(1, 1, 3))
    (site,) = counter.result().layers.values()
    assert site.levels == 2
    conv = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    with torch.no_grad(), SynOpCounter(conv) as counter:
        conv(torch.randint(0, 4, (2, 2, 8, 8)).float().to(memory_format=torch.channels_last))
    assert [site.levels for site in counter.result().layers.values()] == [3]


def test_a_model_of_energy_may_price_by_bits():
    layer = nn.Linear(4, 3)
    with torch.no_grad(), SynOpCounter(layer) as counter:
        layer(row(0.0, 1.0, 2.0, 3.0))
    by_bits = EnergyModel(
        "bits", "1", "a test", lambda site, spiking: site.mac * math.ceil(math.log2((site.levels or 1) + 1))
    )
    (found,) = estimate(counter.result().layers.values(), [], samples=1, models=[by_bits])
    assert found.joules == 9 * 2
