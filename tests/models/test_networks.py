"""Networks: their size by hand, time as it should be, and what is refused."""

import pytest
import torch
from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models import create_model
from inflor_bench.models.neurons import LIF, NEURONS, Quantiser


def make(name="resnet8", neuron="soft", timesteps=2, **kwargs):
    torch.manual_seed(0)
    return create_model(name, neuron=neuron, timesteps=timesteps, num_classes=10, in_channels=3, **kwargs).eval()


def parameters_by_hand(blocks, times=1, in_channels=3, classes=10):
    """Convolutions, two values a norm channel, projection shortcuts where the shape changes, the linear layer."""
    channels = 16 * times
    total = 9 * in_channels * channels + 2 * channels
    for width in (16 * times, 32 * times, 64 * times):
        for block in range(blocks):
            before = channels if block == 0 else width
            total += 9 * before * width + 9 * width * width + 2 * 2 * width
            if before != width:
                total += before * width + 2 * width
        channels = width
    return total + channels * classes + classes


@pytest.mark.parametrize(("name", "blocks", "times"), [("resnet8", 1, 1), ("resnet20", 3, 1), ("resnet8x4", 1, 4)])
@pytest.mark.parametrize("neuron", ["relu", "soft-mpr"])
def test_parameter_counts(name, blocks, times, neuron):
    model = make(name, neuron, 1)
    assert sum(p.numel() for p in model.parameters()) == parameters_by_hand(blocks, times)


@pytest.mark.parametrize("neuron", NEURONS)
def test_every_nonlinearity_is_the_neuron(neuron):
    model = make(neuron=neuron, timesteps=1)
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.ReLU | LIF | Quantiser)]
    assert kinds == [{"relu": nn.ReLU, "quant": Quantiser}.get(neuron, LIF)] * 7


def test_an_image_is_the_same_as_the_same_frame_at_every_step():
    model = make(timesteps=3)
    x = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(model(x), model(x.expand(3, *x.shape)))


def test_the_flattened_time_axis_equals_a_loop_over_time_with_carried_membranes():
    """The same network, one step at a time: each neuron keeps its membrane between the steps."""
    model = make(timesteps=3, neuron="hard", decay=0.5)
    frames = torch.randn(3, 4, 3, 8, 8) * 2
    membranes = {}

    def stepped(neuron):
        def forward(current):
            u = neuron.decay * membranes.get(neuron, 0) + current
            spikes = (u > 0.5).float()
            membranes[neuron] = u * (1 - spikes)
            return spikes

        return forward

    expected_logits = []
    with torch.no_grad():
        together = model(frames)
        model.timesteps = 1
        for module in list(model.modules()):
            if isinstance(module, LIF):
                module.forward = stepped(module)
        for frame in frames:
            expected_logits.append(model(frame))
    assert together.std() > 0
    torch.testing.assert_close(together, torch.stack(expected_logits).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_mpr_never_changes_a_prediction_of_the_same_weights(reset):
    plain, rectified = make(neuron=reset), make(neuron=f"{reset}-mpr")
    x = torch.randn(8, 3, 8, 8)
    assert torch.equal(plain(x), rectified(x))


def test_all_parameters_of_a_spiking_network_learn():
    model = make(timesteps=4).train()
    model(torch.randn(16, 3, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "resnet9"}, "Unknown network 'resnet9': choose one of resnet8, resnet8x4, resnet20"),
        ({"neuron": "lif"}, "Unknown neuron 'lif': choose one of relu"),
        ({"timesteps": 0}, "give at least 1"),
        ({"neuron": "relu", "timesteps": 2}, "has no time"),
        ({"tau": 2.0}, "Unknown hyper-parameter 'tau'"),
    ],
)
def test_what_does_not_exist_is_named(change, sentence):
    with pytest.raises(ModelInputError, match=sentence):
        make(**change)


def test_input_of_another_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="2 time steps"):
        make(timesteps=2)(torch.zeros(3, 1, 3, 8, 8))
