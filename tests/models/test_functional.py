"""The paper's equations against plain loops, autograd and closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.models import functional, fused

RESETS = ("hard", "soft")


def numpy_lif(current, decay, reset, threshold, reset_by):
    """One neuron at a time, one step at a time."""
    spikes = np.zeros_like(current)
    flat, out = current.reshape(len(current), -1), spikes.reshape(len(current), -1)
    for neuron in range(flat.shape[1]):
        v = np.float32(0)
        for t in range(len(flat)):
            u = np.float32(np.float32(decay) * v + flat[t, neuron])
            out[t, neuron] = 1 if u > np.float32(threshold) else 0
            if reset == "hard":
                v = np.float32(0) if out[t, neuron] else u
            else:
                v = np.float32(u - np.float32(reset_by)) if out[t, neuron] else u
    return spikes


class Rectangular(torch.autograd.Function):
    """The released straight-through estimator on its own: fire above 1/2, gradient of a clamp to [0, 1]."""

    @staticmethod
    def forward(ctx, phi):
        ctx.save_for_backward(phi)
        return (phi > 0.5).to(phi.dtype)

    @staticmethod
    def backward(ctx, grad):
        (phi,) = ctx.saved_tensors
        return torch.where((phi < 0) | (phi > 1), torch.zeros_like(grad), grad)


def autograd_lif(current, decay, reset, mpr, reset_by):
    """The plain formula, differentiated by autograd."""
    v, spikes = torch.zeros_like(current[0]), []
    for c in current:
        u = decay * v + c
        o = Rectangular.apply(functional.mpr(u) if mpr else u)
        v = u * (1 - o) if reset == "hard" else u - reset_by * o
        spikes.append(o)
    return torch.stack(spikes)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    timesteps=st.integers(1, 6),
    decay=st.sampled_from([0.25, 0.5, 1.0, 0.9]),
    reset=st.sampled_from(RESETS),
    threshold=st.sampled_from([0.5, 1.0]),
    reset_by=st.sampled_from([1.0, 0.5]),
)
def test_forward_equals_a_plain_loop_to_the_bit(seed, timesteps, decay, reset, threshold, reset_by):
    current = np.random.default_rng(seed).normal(0.4, 1, (timesteps, 2, 3, 2)).astype(np.float32)
    expected = numpy_lif(current, decay, reset, threshold, reset_by)
    actual = functional.lif(torch.from_numpy(current), decay=decay, reset=reset, threshold=threshold, reset_by=reset_by)
    assert np.array_equal(actual.numpy(), expected)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("mpr", [False, True])
@pytest.mark.parametrize(("timesteps", "decay"), [(1, 0.25), (2, 0.25), (5, 0.25), (9, 0.9), (12, 0.9), (17, 0.9)])
def test_gradient_equals_autograd_through_the_plain_formula(reset, mpr, timesteps, decay):
    """Of long sequences, which go through in pieces, too."""
    torch.manual_seed(timesteps)
    current = torch.randn(timesteps, 3, 4, 5, dtype=torch.float64).add(0.4).requires_grad_()
    weights = torch.randn_like(current)
    actual = functional.lif(current, decay=decay, reset=reset, mpr=mpr, reset_by=0.7)
    expected = autograd_lif(current, decay, reset, mpr, 0.7)
    assert torch.equal(actual, expected)
    (grad,) = torch.autograd.grad((actual * weights).sum(), current)
    (expected_grad,) = torch.autograd.grad((expected * weights).sum(), current)
    assert expected_grad.abs().max() > 0.1
    torch.testing.assert_close(grad, expected_grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("timesteps", [4, 11])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reset", RESETS)
def test_a_16_bit_current_gives_the_spikes_and_gradient_of_its_float32_values(reset, dtype, timesteps):
    """The membrane is kept in float32, so that compiled and eager kernels round alike: once, at the end."""
    current = torch.randn(timesteps, 33, generator=torch.Generator().manual_seed(4)).add(0.4).to(dtype)
    weights = torch.randn(timesteps, 33, generator=torch.Generator().manual_seed(5)).to(dtype)
    narrow, wide = current.requires_grad_(), current.detach().float().requires_grad_()
    spikes, expected = (functional.lif(c, decay=0.9, reset=reset, mpr=True) for c in (narrow, wide))
    assert spikes.dtype is dtype
    assert torch.equal(spikes.float(), expected)
    (grad,) = torch.autograd.grad((spikes * weights).sum(), narrow)
    (expected_grad,) = torch.autograd.grad((expected * weights.float()).sum(), wide)
    torch.testing.assert_close(grad, expected_grad.to(dtype))


def test_under_autocast_a_network_gives_the_spikes_of_its_16_bit_currents():
    torch.manual_seed(0)
    convolution, x = torch.nn.Conv2d(3, 8, 3), torch.rand(8, 3, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        current = convolution(x)
        spikes = functional.lif(current.unflatten(0, (4, 2)), decay=0.5, reset="hard")
    assert current.dtype is spikes.dtype is torch.bfloat16
    expected = numpy_lif(current.detach().float().unflatten(0, (4, 2)).numpy(), 0.5, "hard", 0.5, 1.0)
    assert np.array_equal(spikes.detach().float().numpy(), expected)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    timesteps=st.integers(9, 60),
    decay=st.sampled_from([0.5, 0.9, 1.0]),
    reset=st.sampled_from(RESETS),
    mpr=st.booleans(),
)
def test_a_long_sequence_in_pieces_is_the_same_to_the_bit(seed, timesteps, decay, reset, mpr):
    current = torch.from_numpy(np.random.default_rng(seed).normal(0.4, 1, (timesteps, 2, 3))).requires_grad_()
    assert timesteps > fused.STEPS_AT_ONCE
    constants = {"decay": decay, "reset": reset, "threshold": 0.5, "reset_by": 1.0}
    spikes = functional.lif(current, mpr=mpr, **constants)
    whole = fused.lif_forward(current.detach(), **constants)
    assert torch.equal(spikes, whole)
    weights = torch.randn_like(current)
    (grad,) = torch.autograd.grad((spikes * weights).sum(), current)
    assert torch.equal(grad, fused.lif_backward(current.detach(), weights, mpr=mpr, **constants))
    single = current.detach().float()
    assert np.array_equal(
        functional.lif(single, **constants).numpy(), numpy_lif(single.numpy(), decay, reset, 0.5, 1.0)
    )


def test_a_sequence_of_500_steps_compiles_a_piece_and_not_500_steps():
    steps = fused.piece_of(500)
    assert steps == 5
    assert [fused.piece_of(timesteps) for timesteps in (9, 10, 12, 16, 300, 509)] == [8, 5, 6, 8, 6, 8]


@pytest.mark.parametrize("reset", RESETS)
def test_a_channels_last_current_gives_the_same_and_keeps_its_layout(reset):
    current = torch.randn(2, 3, 4, 5, 6)
    last = current.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    spikes = functional.lif(last, decay=0.25, reset=reset)
    assert torch.equal(spikes, functional.lif(current, decay=0.25, reset=reset))
    assert spikes.stride() == last.stride()


finite = st.floats(-1e4, 1e4, allow_nan=False, width=64)


def phi(u):
    return functional.mpr(torch.tensor(u, dtype=torch.float64)).item()


@given(finite)
def test_mpr_is_the_papers_piecewise_formula(u):
    if u > 1:
        expected = u ** (1 / 3)
    elif u < 0:
        expected = 1 - (1 - u) ** (1 / 3)
    else:
        expected = math.tanh(3 * (u - 0.5)) / (2 * math.tanh(1.5)) + 0.5
    assert phi(u) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(finite, finite)
def test_mpr_is_increasing(a, b):
    low, high = sorted((a, b))
    assert phi(low) <= phi(high)
    if high - low > 1e-6 * max(1, abs(low), abs(high)):
        assert phi(low) < phi(high)


@given(st.floats(0, 1))
def test_mpr_pushes_the_unit_interval_away_from_the_firing_level(u):
    assert abs(phi(u) - 0.5) >= abs(u - 0.5) - 1e-15
    assert 0 <= phi(u) <= 1


@given(finite)
def test_mpr_pulls_what_is_outside_towards_the_unit_interval(u):
    if u > 1:
        assert 1 <= phi(u) < u or u - 1 < 1e-12
    elif u < 0:
        assert u < phi(u) <= 0 or u > -1e-12


def test_mpr_fixes_0_the_firing_level_and_1_and_is_continuous():
    for u in (0.0, 0.5, 1.0):
        assert phi(u) == pytest.approx(u, abs=1e-15)
    for edge in (0.0, 1.0):
        assert abs(phi(edge + 1e-9) - phi(edge - 1e-9)) < 1e-7


def test_every_float32_around_the_firing_level_fires_with_and_without_mpr_alike():
    bits = np.float32(0.5).view(np.int32) + np.arange(-50_000, 50_001, dtype=np.int32)
    u = torch.from_numpy(bits.view(np.float32))
    assert torch.equal(functional.mpr(u) > 0.5, u > 0.5)
    assert torch.equal(functional.fire(u, 0.5).bool(), functional.mpr(u) > 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reset", RESETS)
def test_spikes_with_and_without_mpr_are_bit_identical(reset, dtype):
    current = torch.randn(6, 8, 400, generator=torch.Generator().manual_seed(1), dtype=dtype)
    rectified = autograd_lif(current, 0.25, reset, True, 1.0)  # computes phi and fires on it
    assert 0 < rectified.mean() < 1
    for mpr in (False, True):
        assert torch.equal(functional.lif(current, decay=0.25, reset=reset, mpr=mpr), rectified)


def test_the_surrogate_is_the_derivative_of_the_rectifier_on_the_unit_interval():
    u = torch.linspace(-0.5, 1.5, 401, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(functional.mpr(u).sum(), u)
    inside = (u >= 0) & (u <= 1)
    closed_form = 1.5 / math.tanh(1.5) / torch.cosh(3 * (u - 0.5)) ** 2
    expected = torch.where(inside, closed_form, 0.0).detach()
    torch.testing.assert_close(functional.surrogate(u.detach(), True), expected)
    within = (u > 0) & (u < 1)  # at the edges the rectifier has a kink
    torch.testing.assert_close(slope[within], expected[within])
    assert torch.equal(functional.surrogate(u.detach(), False), inside.double())


def test_what_is_not_defined_is_refused():
    current = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="'hard' or 'soft'"):
        functional.lif(current, decay=0.5, reset="none")
    with pytest.raises(ValueError, match=r"firing level 0\.5"):
        functional.lif(current, decay=0.5, reset="soft", mpr=True, threshold=1.0)
