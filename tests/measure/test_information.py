import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.information import BINS, HIGH, LOW, InformationRecorder, bin_counts
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record import counted
from tests.measure.lif import Network, PlainLIF, RectifiedLIF, images, network

EDGES = np.arange(BINS + 1) / 16 - 2


def record(module, batches):
    with InformationRecorder(module) as recorder, torch.no_grad():
        for batch in batches:
            module(batch)
    return recorder.result()


def by_hand(current, timesteps, decay, reset):
    """The paper's equations, one neuron after the other, in Python floats: (u, o, v) of every neuron and step."""
    steps = current.unflatten(0, (timesteps, -1)).flatten(1).double().numpy()
    found = []
    for neuron in range(steps.shape[1]):
        v = 0.0
        for t in range(timesteps):
            u = decay * v + steps[t, neuron]
            o = 1 if u > 0.5 else 0
            v = u * (1 - o) if reset == "hard" else u - o
            found.append((u, o, v))
    return found


def histogram_by_hand(values):
    inside = np.bincount(np.searchsorted(EDGES, values, side="right"), minlength=BINS + 2)
    return inside[0], tuple(inside[1:-1]), inside[-1]


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_every_value_matches_the_equations_neuron_by_neuron(reset):
    neuron = RectifiedLIF(3, reset, decay=0.25).double()
    current = torch.randn(3 * 4, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1.5
    layer = record(neuron, [current]).layers[0]
    found = by_hand(current, 3, 0.25, reset)
    fired = [(u, v) for u, o, v in found if o]
    assert (layer.elements, layer.fired) == (len(found), len(fired))
    assert layer.quantisation_error == pytest.approx(
        math.fsum((o - u) ** 2 for u, o, _ in found) / len(found), rel=1e-12
    )
    rectified = [math.tanh(2 * u) for u, _, _ in found]
    expected = math.fsum((o - phi) ** 2 for phi, (_, o, _) in zip(rectified, found, strict=True)) / len(found)
    assert layer.quantisation_error_rectified == pytest.approx(expected, rel=1e-12)
    loss = math.fsum(abs(u - v - 1) for u, v in fired) / len(fired)
    assert layer.reset_loss == pytest.approx(loss, rel=1e-12, abs=1e-15)
    if reset == "hard":
        assert layer.reset_loss == pytest.approx(math.fsum(abs(u - 1) for u, _ in fired) / len(fired), rel=1e-12)
    else:
        assert layer.reset_loss == pytest.approx(0, abs=1e-15)
    for histogram, values in ((layer.membrane, [u for u, _, _ in found]), (layer.rectified, rectified)):
        assert (histogram.below, histogram.counts, histogram.above) == histogram_by_hand(np.array(values))
        assert (histogram.low, histogram.high) == (LOW, HIGH)


def levels_by_hand(current, timesteps, found):
    """How many levels each neuron is off, in Python floats: its spikes against those of the rounded mean current."""
    steps = current.unflatten(0, (timesteps, -1)).flatten(1).double().numpy()
    off = []
    for neuron in range(steps.shape[1]):
        fired = sum(o for _, o, _ in found[neuron * timesteps : (neuron + 1) * timesteps])
        off.append(abs(fired - min(max(math.ceil(math.fsum(steps[:, neuron]) - 0.5), 0), timesteps)))
    return math.fsum(off) / len(off)


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("timesteps", [1, 2, 5])
def test_levels_that_are_off_are_counted_neuron_by_neuron(reset, timesteps):
    current = torch.randn(timesteps * 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 1.5
    layer = record(RectifiedLIF(timesteps, reset, decay=0.5).double(), [current]).layers[0]
    expected = levels_by_hand(current, timesteps, by_hand(current, timesteps, 0.5, reset))
    assert layer.level_error == pytest.approx(expected, rel=1e-12)
    assert (expected > 0) == (timesteps > 1)


# Of 100,000 constant currents in [-0.3, 1.3], by the fair twin's reference.
HARD_LEVELS = {2: 0.16, 3: 0.21, 4: 0.39, 7: 0.63, 8: 0.82}


@pytest.mark.parametrize("timesteps", [1, *HARD_LEVELS, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_a_constant_current_and_no_leak_the_soft_reset_rounds_and_the_hard_one_does_not(timesteps, dtype):
    ticks = 2.0**-12
    constant = torch.arange(-0.3 // ticks, 1.3 // ticks, dtype=dtype) * ticks  # also the ties, exactly
    current = constant.expand(timesteps, -1).reshape(timesteps, -1)
    soft = record(RectifiedLIF(timesteps, "soft", decay=1.0), [current]).layers[0]
    assert soft.level_error == 0
    hard = record(RectifiedLIF(timesteps, "hard", decay=1.0), [current]).layers[0]
    if timesteps == 1:
        assert hard.level_error == 0
    elif timesteps in HARD_LEVELS:
        assert hard.level_error == pytest.approx(HARD_LEVELS[timesteps], abs=0.006)


def test_a_neuron_that_starts_elsewhere_than_its_first_current_has_no_level_error():
    class Scaled(RectifiedLIF):
        def membrane(self, current):
            return super().membrane(current / 2)

        def forward(self, current):
            return super().forward(current / 2)

    assert record(Scaled(2), [torch.ones(4, 3)]).layers[0].level_error is None
    assert record(RectifiedLIF(2), [torch.ones(4, 3)]).layers[0].level_error is not None


def test_a_neuron_that_nothing_reaches_at_first_has_no_level_error():
    """Whether its membrane is its current, or half of it, cannot be seen from zeros."""
    late = torch.cat([torch.zeros(2, 3), torch.ones(2, 3)])
    assert record(RectifiedLIF(2), [late]).layers[0].level_error is None
    assert record(RectifiedLIF(2), [late, torch.ones(4, 3)]).layers[0].level_error is not None


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-4, 5, width=32)),
    st.lists(st.tuples(st.integers(0, BINS), st.sampled_from([-1, 0, 1])), max_size=20),
)
def test_bins_are_half_open_to_the_last_bit(values, near):
    """Also on an edge, and one float below and above it."""
    beside = [
        np.nextafter(np.float32(EDGES[k]), np.float32(np.inf * side)) if side else np.float32(EDGES[k])
        for k, side in near
    ]
    values = np.concatenate([values, np.array(beside, dtype=np.float32)])
    below, inside, above = histogram_by_hand(values.astype(np.float64))
    assert bin_counts(torch.from_numpy(values)).tolist() == [below, *inside, above]


def test_huge_values_fall_outside_and_break_nothing():
    assert bin_counts(torch.tensor([3e38, -3e38, 0.0])).tolist() == [1] + [0] * 32 + [1] + [0] * 47 + [1]


@pytest.mark.parametrize("sizes", [[1] * 12, [5, 7], [12]])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_batches_change_nothing_but_rounding(sizes, reset):
    module, batch = network(reset=reset), images(12)
    whole = record(module, [batch])
    other = record(module, batch.split(sizes))
    assert (other.samples, other.firing_level) == (12, 0.5)
    for a, b in zip(whole.layers, other.layers, strict=True):
        assert (a.name, a.elements, a.fired, a.membrane, a.rectified) == (
            b.name,
            b.elements,
            b.fired,
            b.membrane,
            b.rectified,
        )
        for field in ("quantisation_error", "quantisation_error_rectified", "reset_loss", "level_error"):
            assert getattr(a, field) == pytest.approx(getattr(b, field), rel=1e-6, abs=1e-9)


def test_many_pieces_and_threads_add_up_to_the_whole():
    neuron = RectifiedLIF(2)
    current = torch.randn(2 * 8, 3, 40, 40, generator=torch.Generator().manual_seed(3))
    result = record(neuron, [current]).layers[0]
    u, o = neuron.membrane(current).double(), neuron(current).double()
    assert (result.elements, result.fired) == (u.numel(), int(o.sum()))
    assert result.quantisation_error == pytest.approx(float((o - u).square().mean()), rel=1e-6)
    assert result.membrane.counts == histogram_by_hand(u.flatten().numpy())[1]
    last = record(neuron, [current.contiguous(memory_format=torch.channels_last)]).layers[0]
    assert last.membrane == result.membrane


def test_measuring_gives_the_threads_back():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        record(RectifiedLIF(2), [torch.ones(2, 3)])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_the_result_becomes_the_record_section():
    section = counted.Information(**asdict(record(network(), [images(4)])))
    assert [layer.name for layer in section.layers] == ["neuron1", "neuron2"]


def test_what_a_neuron_does_not_offer_is_none():
    class Bare(torch.nn.Module):
        timesteps, decay, threshold, reset, mpr = 2, 0.5, 0.5, "soft", False

        def __init__(self):
            super().__init__()
            self.membrane = PlainLIF(2).membrane

        def forward(self, current):
            return (self.membrane(current) > 0.5).float()

    layer = record(Bare(), [torch.ones(2, 3)]).layers[0]
    assert (layer.fired, layer.reset_loss, layer.quantisation_error_rectified, layer.rectified) == (6, None, None, None)
    layer = record(PlainLIF(2, "hard"), [torch.full((2, 3), -1.0)]).layers[0]
    assert (layer.fired, layer.reset_loss) == (0, None)


def test_gradients_and_the_output_are_left_alone():
    module, batch = network(), images(3)
    plain = module(batch)
    with InformationRecorder(module):
        watched = module(batch)
    assert torch.equal(plain, watched)
    assert watched.requires_grad


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_membrane_that_is_no_number_is_an_error(bad, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr("inflor_bench.measure.native.distance", lambda values, spikes: None)
    neuron = PlainLIF(1)
    with InformationRecorder(neuron) as recorder:
        neuron(torch.tensor([[0.0, bad]]))
    with pytest.raises(MeasureInputError, match="NaN or infinity"):
        recorder.result()


def test_graded_outputs_are_an_error():
    class Graded(PlainLIF):
        def forward(self, current):
            return super().forward(current) * 0.5

    neuron = Graded(1)
    with InformationRecorder(neuron) as recorder:
        neuron(torch.tensor([[0.0, 1.0]]))
    with pytest.raises(MeasureInputError, match="no spikes"):
        recorder.result()


def test_neurons_of_different_levels_are_measured_each_at_its_own():
    first, second = PlainLIF(2), PlainLIF(2)
    model = Network(first, second, 2)
    second.threshold = 0.75
    apart = record(model, [images(6)])
    assert (apart.firing_level, [layer.firing_level for layer in apart.layers]) == (None, [0.5, 0.75])
    second.threshold = 0.5
    alike = record(model, [images(6)])
    assert alike.firing_level == 0.5
    assert alike.layers[0] == apart.layers[0]


def test_without_neurons_it_is_unavailable():
    assert isinstance(record(torch.nn.ReLU(), [torch.ones(2)]), Unavailable)


def test_only_fired_neurons_lose_at_the_reset():
    class Forgetful(PlainLIF):
        """Halves every membrane, fired or not."""

        def forward(self, current):
            return (current > 0.5).float()

        def membrane(self, current):
            return current

        def after_reset(self, u, spikes):
            return u / 2

    layer = record(Forgetful(1), [torch.tensor([[0.25, -3.0, 0.75, 3.0]])]).layers[0]
    assert layer.reset_loss == pytest.approx((abs(0.375 - 1) + abs(1.5 - 1)) / 2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("most", [1, 5, 6, 7, 13, 99])
def test_the_first_samples_alone_are_what_a_recorder_of_them_alone_finds(most, layout):
    """Whatever the batches are, and also where a batch is only begun."""
    module = network(3)
    whole = images(13).contiguous(memory_format=layout)
    with InformationRecorder(module, most) as recorder, torch.no_grad():
        for batch in whole.split(6):
            module(batch)
    limited, alone = recorder.result(), record(module, [whole[:most]])
    assert limited.samples == min(most, 13)
    for ours, theirs in zip(limited.layers, alone.layers, strict=True):
        assert (ours.elements, ours.fired) == (theirs.elements, theirs.fired)
        assert (ours.membrane, ours.rectified) == (theirs.membrane, theirs.rectified)
        assert ours.quantisation_error == pytest.approx(theirs.quantisation_error, rel=1e-12)
        assert ours.reset_loss == pytest.approx(theirs.reset_loss, rel=1e-12)
