"""The deployed form predicts what the trained form does."""

import pytest
import torch
from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models import create_model, load_model
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.deploy import deploy
from inflor_bench.models.neurons import LIF
from inflor_bench.models.zoo import shipped_checkpoint
from tests.models.released import as_trained
from tests.models.test_released_networks import NARROW, narrow


def trained(name, neuron, timesteps):
    """A network with statistics and scales as after training, not the 0 and 1 that it starts with."""
    if name in NARROW:
        return narrow(name, neuron, timesteps)
    torch.manual_seed(3)
    return as_trained(create_model(name, neuron=neuron, timesteps=timesteps, num_classes=5, in_channels=2))


@pytest.mark.parametrize(("neuron", "timesteps"), [("relu", 1), ("hard", 3), ("soft-mpr", 3)])
@pytest.mark.parametrize("name", ["resnet8", *NARROW])
def test_logits_are_equal_and_nothing_of_training_is_left(name, neuron, timesteps):
    model = trained(name, neuron, timesteps).double().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    deployed = deploy(model)
    x = torch.randn(6, 2, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        logits = model(x)
        torch.testing.assert_close(deployed(x), logits, rtol=0, atol=1e-12)
    assert logits.std() > 0.01
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deployed.modules())
    assert not any(module.mpr for module in deployed.modules() if isinstance(module, LIF))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("images", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", ["relu/T1", "hard/T2"])
def test_every_shipped_prediction_stays_the_same(cell, images):
    model = load_model(shipped_checkpoint(f"fashion-mnist/resnet8/{cell}/s0"))
    data = load_dataset("fashion-mnist")
    deployed = deploy(model)
    differ = []
    with torch.inference_mode():
        for batch in data.test.images[:images].split(1000):
            logits, folded = model(data.normalise(batch)), deployed(data.normalise(batch))
            assert torch.equal(folded.argmax(1), logits.argmax(1))
            differ.append((folded - logits).abs().amax(1) > 1e-4)
    # A membrane that rounding takes across the firing level is another spike; no sum of other order can avoid it.
    assert int(torch.cat(differ).sum()) <= (0 if cell.startswith("relu") else images // 100)


def test_a_normalisation_that_nothing_can_carry_is_named():
    with pytest.raises(ModelInputError, match="'1' does not follow a convolution"):
        deploy(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def test_wide_convolutions_are_contiguous_and_others_channels_last_with_the_same_results():
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 256, 3, stride=2), nn.BatchNorm2d(256)]
    model = nn.Sequential(*layers, nn.Conv2d(256, 8, 3)).double().eval()
    nn.init.uniform_(layers[1].running_var, 0.3, 2)
    deployed = deploy(model)
    layouts = []
    for module in deployed:
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, out: layouts.append(out.is_contiguous()))
    x = torch.randn(3, 2, 12, 12, dtype=torch.float64)
    torch.testing.assert_close(deployed(x), model(x), rtol=0, atol=1e-12)
    assert layouts == [False, True, False]
