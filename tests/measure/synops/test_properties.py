"""What must hold for any geometry, batch, dtype, thread count and way of running."""

import math

import pytest
import torch
import torch.nn.functional as F
from fvcore.nn import FlopCountAnalysis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import oracle
from tests.measure.synops.cases import holes, spikes

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def count(module, *inputs):
    with torch.no_grad(), SynOpCounter(module) as counter:
        for x in inputs:
            module(x)
    return counter.result()


def totals(result):
    return vars(result.total)


@st.composite
def geometries(draw, transposed):
    dimensions = draw(st.integers(1, 3))
    small = st.integers(1, 3)
    each = lambda values: tuple(draw(values) for _ in range(dimensions))  # noqa: E731
    groups = draw(st.integers(1, 2))
    options = {
        "stride": each(small),
        "padding": each(st.integers(0, 2)),
        "dilation": each(st.integers(1, 2)),
        "groups": groups,
    }
    if transposed:
        limits = zip(options["stride"], options["dilation"], strict=True)
        options["output_padding"] = tuple(draw(st.integers(0, max(limit) - 1)) for limit in limits)
    return (
        dimensions,
        groups * draw(st.integers(1, 2)),
        groups * draw(small),
        each(small),
        each(st.integers(1, 5)),
        options,
    )


@QUICK
@given(geometries(False), st.integers(0, 2**32 - 1))
def test_any_convolution(geometry, seed):
    dimensions, channels, out, kernel, spatial, options = geometry
    reach = [d * (k - 1) for d, k in zip(options["dilation"], kernel, strict=True)]
    assume(all(n + 2 * p > r for n, p, r in zip(spatial, options["padding"], reach, strict=True)))
    torch.manual_seed(seed)
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](channels, out, kernel, **options)
    holes(layer.weight)
    x = spikes(2, channels, *spatial)
    truth = oracle.convolution(x, layer.weight, **options)
    assert totals(count(layer, x)) == {
        "ac": truth.effective,
        "mac": 0,
        "dense": truth.dense,
        "dense_padded": truth.padded,
    }


@QUICK
@given(geometries(True), st.integers(0, 2**32 - 1))
def test_any_transposed_convolution(geometry, seed):
    dimensions, channels, out, kernel, spatial, options = geometry
    sizes = zip(
        spatial, kernel, *(options[n] for n in ("stride", "padding", "dilation", "output_padding")), strict=True
    )
    assume(all((n - 1) * s - 2 * p + d * (k - 1) + e + 1 > 0 for n, k, s, p, d, e in sizes))
    torch.manual_seed(seed)
    layer = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1](
        channels, out, kernel, **options
    )
    holes(layer.weight)
    x = torch.randn(2, channels, *spatial) * spikes(2, channels, *spatial)
    truth = oracle.transposed_convolution(x, layer.weight, **options)
    found = count(layer, x).total
    unit = oracle.is_unit(x)
    assert (found.ac, found.mac) == ((truth.effective, 0) if unit else (0, truth.effective))
    assert (found.dense, found.dense_padded) == (truth.dense, truth.padded)


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4, bias=False),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    ).eval()


@pytest.mark.parametrize("x_shape", [(1, 2, 8, 8), (5, 2, 8, 8)])
def test_padded_equals_fvcore_and_torch(x_shape):
    model, x = network(), torch.randn(x_shape)
    analysis = FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    with FlopCounterMode(display=False) as flops:
        model(x)
    found = count(model, x).total.dense_padded
    assert found == by_operator["conv"] + by_operator["linear"]
    assert 2 * found == flops.get_total_flops()


@pytest.mark.parametrize(
    "layer", [nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), nn.Conv3d(4, 2, (1, 2, 3), padding=1, dilation=2)]
)
def test_padded_equals_torch_on_unusual_convolutions(layer):
    x = torch.randn(2, 4, 5, 6) if isinstance(layer, nn.ConvTranspose2d) else torch.randn(2, 4, 5, 6, 7)
    with FlopCounterMode(display=False) as flops:
        layer(x)
    if isinstance(layer, nn.ConvTranspose2d):
        # torch multiplies channels in by channels out of the weight, [C, C_out / groups].
        assert layer.weight.shape == (4, 3, 3, 3)
    assert 2 * count(layer, x).total.dense_padded == flops.get_total_flops()


@pytest.mark.parametrize("size", [1, 7])
def test_the_same_for_every_batch_size(size):
    model, x = network(), torch.cat((spikes(11, 2, 8, 8), torch.randn(10, 2, 8, 8)))
    whole = count(model, x)
    parts = count(model, *x.split(size))
    assert totals(whole) == totals(parts)
    for name, layer in whole.layers.items():
        other = parts.layers[name]
        assert (layer.ac, layer.mac, layer.mixed, layer.unit_share) == (
            other.ac,
            other.mac,
            other.mixed,
            other.unit_share,
        )
    assert whole.layers["0"].mixed
    assert whole.layers["0"].ac == 0


def test_the_same_for_one_thread_and_two():
    model, x = network(), torch.randn(9, 2, 8, 8)
    threads = torch.get_num_threads()
    try:
        results = []
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(totals(count(model, x)))
    finally:
        torch.set_num_threads(threads)
    assert results[0] == results[1]


def test_more_than_two_to_the_31_operations_are_exact():
    layer = nn.Conv2d(16, 64, 3, padding=1, bias=False)
    x = torch.ones(1, 16, 32, 32)
    x[0, 3, 5, 7] = 0
    inside = 16 * 64 * (32 * 3 - 2) ** 2
    calls = 250
    with torch.no_grad(), SynOpCounter(layer) as counter:
        for _ in range(calls):
            layer(x)
    # The zero stands in the interior, where 9 taps of 64 outputs read it.
    assert counter.result().total.ac == calls * (inside - 9 * 64) > 2**31


def test_one_call_beyond_float32_is_exact():
    layer = nn.Linear(4097, 4099, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.ones(257, 4097)
    x[0, 0] = 0
    assert count(layer, x).total.ac == (257 * 4097 - 1) * 4099 > 2**32


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [1.0, 0.75])
def test_every_dtype(dtype, value):
    layer = nn.Conv2d(3, 4, 3, padding=1).to(dtype)
    x = spikes(300, 3, 4, 4) * value
    truth = oracle.convolution(x, layer.weight.float(), padding=1)
    total = count(layer, x.to(dtype)).total
    assert (total.ac, total.mac) == ((truth.effective, 0) if value == 1 else (0, truth.effective))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_autocast(mode):
    model, x = network(), spikes(3, 2, 8, 8)
    truth = oracle.convolution(x, model[0].weight, padding=1)
    with mode(), torch.autocast("cpu", torch.bfloat16), SynOpCounter(model) as counter:
        model(x)
    result = counter.result()
    assert result.layers["0"].ac == truth.effective
    assert set(result.layers) == {"0", "3", "6"}
    assert result.layers["6"].kind == "linear"


def test_the_backward_pass_is_not_counted():
    model, x = network().train(), spikes(3, 2, 8, 8)
    with SynOpCounter(model) as forward:
        model(x)
    with SynOpCounter(model) as both:
        model(x).sum().backward()
    assert model[0].weight.grad is not None
    assert totals(forward.result()) == totals(both.result())


def test_checkpointed_forward_is_counted_once():
    from torch.utils.checkpoint import checkpoint

    layer = nn.Linear(4, 3)
    x = spikes(2, 4).requires_grad_()
    with SynOpCounter(layer) as counter:
        checkpoint(layer, x, use_reentrant=False).sum().backward()
    assert counter.result().total.ac == oracle.linear(x, layer.weight).effective


def test_nothing_of_the_model_is_changed():
    model, x = network(), torch.randn(3, 2, 8, 8)
    before = model(x)
    hooks = lambda: [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]  # noqa: E731
    fast = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match="stop"), SynOpCounter(model):  # noqa: PT012
        assert torch.equal(model(x), before)
        raise RuntimeError("stop")
    assert torch.equal(model(x), before)
    assert sum(hooks()) == 0
    assert torch.backends.mha.get_fastpath_enabled() is fast


def test_a_failed_forward_does_not_shift_names():
    class Picky(nn.Module):
        def forward(self, x):
            if x.shape[0] > 2:
                raise RuntimeError("too many")
            return x

    model = nn.Sequential(nn.Linear(4, 4), Picky(), nn.Linear(4, 2))
    with torch.no_grad(), SynOpCounter(model) as counter:
        with pytest.raises(RuntimeError, match="too many"):
            model(spikes(3, 4))
        model(spikes(2, 4))
    assert list(counter.result().layers) == ["0", "2"]


def test_weights_changed_in_place_between_two_uses_of_a_counter():
    layer = nn.Linear(4, 3)
    x = spikes(3, 4)
    counter = SynOpCounter(layer)
    with torch.no_grad():
        with counter:
            layer(x)
        first = oracle.linear(x, layer.weight)
        layer.weight.data.numpy()[:] *= spikes(3, 4).numpy()
        with counter:
            layer(x)
    assert counter.result().total.ac == first.effective + oracle.linear(x, layer.weight).effective


def test_inference_tensors_as_weights():
    with torch.inference_mode():
        layer = nn.Conv2d(2, 3, 3)
        x = spikes(2, 2, 5, 5)
        with SynOpCounter(layer) as counter:
            layer(x)
            layer.weight[0, 0] = 0
            layer(x)
    full, less = torch.ones(3, 2, 3, 3), torch.ones(3, 2, 3, 3)
    less[0, 0] = 0
    truth = oracle.convolution(x, full) + oracle.convolution(x, less)
    assert counter.result().total.ac == truth.effective


def test_inputs_changed_in_place_between_two_sites():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            out = self.first(x)
            x.mul_(torch.tensor([0.0, 1.0, 0.5, 1.0]))
            return out + self.second(x)

    model, x = Reused(), torch.ones(2, 4)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), SynOpCounter(model) as counter:
            model(x.clone())
        result = counter.result()
        assert (result.layers["first"].ac, result.layers["second"].mac) == (2 * 4 * 3, 2 * 3 * 3)
        assert result.layers["second"].unit_share == pytest.approx(2 / 3)


def test_padding_of_a_tensor_that_is_then_changed_is_input():
    x = torch.zeros(1, 1, 2, 2)

    class Raised(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, bias=False)

        def forward(self, x):
            return self.conv(F.pad(x, (1, 1, 1, 1)).add_(1))

    total = count(Raised(), x).total
    assert (total.ac, total.dense) == (4 * 9, 4 * 9)


def test_channels_last_and_contiguous_agree():
    model, x = network(), spikes(3, 2, 8, 8)
    last = network().to(memory_format=torch.channels_last)
    assert totals(count(model, x)) == totals(count(last, x.to(memory_format=torch.channels_last)))


def test_dense_is_a_convolution_of_ones():
    layer = nn.Conv2d(3, 5, 3, stride=2, padding=2, dilation=2)
    x = torch.randn(2, 3, 9, 8)
    inside = F.conv2d(torch.ones_like(x).double(), torch.ones(5, 3, 3, 3).double(), stride=2, padding=2, dilation=2)
    total = count(layer, x).total
    assert total.dense == inside.sum()
    assert total.dense_padded == math.prod(inside.shape) * 27
