"""The fair twin's activation against the spiking neuron that it stands for, exact fractions, and its window."""

from fractions import Fraction
from math import ceil, log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.models import functional
from inflor_bench.models.create import build, config_for
from inflor_bench.models.neurons import LIF, Quantiser

CONSTANT = torch.empty(100_000, dtype=torch.float64).uniform_(-0.3, 1.3, generator=torch.Generator().manual_seed(0))
# Share of CONSTANT-like currents in [-0.3, 1.3] whose spike count differs from the quantiser's level, and the mean
# distance in levels, of the hard reset: an independent prototype's.
HARD = {2: (0.156, 0.16), 3: (0.209, 0.21), 4: (0.313, 0.39), 7: (0.364, 0.63), 8: (0.430, 0.82)}


def spikes_of(current, steps, reset):
    """How often a neuron fires in so many steps of a constant current."""
    return functional.lif(current.expand(steps, *current.shape).contiguous(), decay=1.0, reset=reset).sum(0)


def levels_of(current, steps):
    return (functional.quantise(current, steps) * steps).round()


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 8])
def test_the_soft_reset_without_a_leak_is_the_quantiser(steps):
    assert torch.equal(spikes_of(CONSTANT, steps, "soft"), levels_of(CONSTANT, steps))


@pytest.mark.parametrize("steps", HARD)
def test_the_hard_reset_is_not(steps):
    distance = (spikes_of(CONSTANT, steps, "hard") - levels_of(CONSTANT, steps)).abs()
    share, mean = HARD[steps]
    # Of 100,000 draws each, so that two of them agree within 5 standard errors; the mean was told to two digits.
    assert (distance > 0).double().mean().item() == pytest.approx(share, abs=0.0005 + 5 * (2 * 0.25 / 100_000) ** 0.5)
    assert distance.mean().item() == pytest.approx(mean, abs=0.005 + 5 * (2 * distance.var().item() / 100_000) ** 0.5)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.integers(1, 16),
    tie=st.integers(-2, 18),
    away=st.floats(1e-5, 0.4),
    side=st.sampled_from([-1, 1]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_on_both_sides_of_every_tie_the_level_is_the_exact_one(steps, tie, away, side, dtype):
    x = torch.tensor([(tie + 0.5 + side * away) / steps], dtype=dtype)
    exact = min(max(ceil(steps * Fraction(x.item()) - Fraction(1, 2)), 0), steps)
    assert levels_of(x, steps).item() == exact
    assert spikes_of(x, steps, "soft").item() == exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16])
def test_a_tie_itself_does_not_fire(steps, dtype):
    ties = (torch.arange(steps, dtype=dtype) + 0.5) / steps  # exact, for powers of two
    assert torch.equal(levels_of(ties, steps), torch.arange(steps, dtype=dtype))
    assert torch.equal(spikes_of(ties, steps, "soft"), torch.arange(steps, dtype=dtype))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_the_gradient_is_that_of_a_clamp_to_0_and_1_its_ends_included(levels):
    x = torch.tensor([-2.0, -1e-6, 0.0, 0.3, 0.5, 1.0, 1.0 + 1e-6, 5.0], requires_grad=True)
    weights = torch.arange(1.0, 9.0)
    (functional.quantise(x, levels) * weights).sum().backward()
    assert torch.equal(x.grad, torch.tensor([0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0]))


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 7])
def test_the_mean_slope_over_the_window_is_the_straight_line_s(levels):
    # q rises from 0 to 1 over the window on which the estimator says that it does: the mean of its gradient is that.
    x = torch.linspace(-0.5, 1.5, 20_001, dtype=torch.float64, requires_grad=True)
    out = functional.quantise(x, levels)
    out.sum().backward()
    assert (x.grad.mean() * 2).item() == pytest.approx((out[-1] - out[0]).item(), abs=1e-3)


def test_it_takes_as_many_bits_as_its_values_need():
    for levels in range(1, 40):
        assert Quantiser(levels).activation_bits == ceil(log2(levels + 1))
        assert len(np.unique(Quantiser(levels)(torch.linspace(-1, 2, 1000)).numpy())) == levels + 1


def test_values_of_16_bits_are_rounded_in_32():
    x = torch.linspace(-0.2, 1.2, 999).bfloat16()
    assert torch.equal(functional.quantise(x, 7), functional.quantise(x.float(), 7).bfloat16())


def test_a_network_of_it_has_one_time_step_and_its_levels():
    network = build(config_for("resnet8", "quant", 4, 10, 1), seed=0)
    activations = [module for module in network.modules() if isinstance(module, Quantiser)]
    assert {module.levels for module in activations} == {4}
    assert not [module for module in network.modules() if isinstance(module, LIF)]
    assert network.timesteps == 1
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 10)
