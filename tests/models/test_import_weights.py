"""Released weights: every entry finds its place, and what does not fit is named."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models import load_model
from inflor_bench.models.checkpoints import read_tensors
from inflor_bench.models.create import ModelConfig, build
from inflor_bench.models.networks.released_resnet import ReleasedResNet
from inflor_bench.models.networks.vgg import VGG
from inflor_bench.models.neurons import LIF, activation_factory
from inflor_bench.models.released import convert, released_names
from tests.models import released as plain
from tests.models.released import import_as, write
from tests.refusal import one_sentence

ENTRIES = {"resnet20-modified": 134, "resnet19": 116, "vgg16": 93}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def table(network):
    """Each released entry beside its name here, written out from the description of the format."""
    pairs = {}

    def norm(released, ours):
        pairs.update({f"model.{released}.{entry}": f"{ours}.{entry}" for entry in NORM})

    def convolution(released, ours, *entries):
        pairs.update({f"model.{released}.pool.{entry}": f"{ours}.{entry}" for entry in entries})

    head = "classifier" if network == "vgg16" else "fc"
    pairs.update({f"model.{head}.conv.{entry}": f"linear.{entry}" for entry in ("weight", "bias")})
    if network == "vgg16":
        convolution("features.0", "conv", "weight", "bias")
        norm("features.1.bn", "norm")
        for index in (3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40):
            convolution(f"features.{index}", f"features.{index - 2}", "weight", "bias")
            norm(f"features.{index + 1}.bn", f"features.{index - 1}")
        return pairs
    if network == "resnet20-modified":
        blocks, shortcut, projection = (2, 2, 2, 2), 1, (2, 3, 4)
        for index, conv, bn in ((0, "conv", "norm"), (3, "stem.1", "stem.2"), (6, "stem.4", "stem.5")):
            convolution(f"conv1.{index}", conv, "weight")
            norm(f"conv1.{index + 1}.bn", bn)
    else:
        blocks, shortcut, projection = (3, 3, 2), 0, (2, 3)
        convolution("conv1", "conv", "weight")
        norm("bn1.bn", "norm")
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            released, ours = f"layer{stage}.{block}", f"stages.{stage - 1}.{block}"
            for number in (1, 2):
                convolution(f"{released}.conv{number}", f"{ours}.conv{number}", "weight")
                norm(f"{released}.bn{number}", f"{ours}.norm{number}")
            if stage in projection and block == 0:
                convolution(f"{released}.downsample.{shortcut}", f"{ours}.shortcut.{shortcut}", "weight")
                norm(f"{released}.downsample.{shortcut + 1}", f"{ours}.shortcut.{shortcut + 1}")
    return pairs


@pytest.fixture(scope="module", params=ENTRIES)
def weights(request):
    """A network and a state dict of its second implementation."""
    return request.param, plain.released(request.param).state_dict()


def test_every_entry_has_its_place(weights):
    network, tensors = weights
    model = build(ModelConfig(network, "soft", 2, 10, 3))
    names = released_names(model)
    assert names == table(network)
    assert len(names) == ENTRIES[network]
    assert names.keys() == tensors.keys()
    assert set(names.values()) == model.state_dict().keys()
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("kind", ["weights.safetensors", "weights.pth"])
def test_an_imported_network_predicts_what_the_second_implementation_does(tmp_path, weights, kind):
    network, tensors = weights
    model = load_model(import_as(network, write(tmp_path / kind, tensors), tmp_path / "out.safetensors"))
    for released, ours in table(network).items():
        assert torch.equal(model.state_dict()[ours], tensors[released]), released
    truth = plain.released(network).double().eval()
    truth.load_state_dict(tensors)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        logits, expected = model.double()(x), truth(x.expand(2, *x.shape))
    assert expected.std() > 0.01
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("network", "entries"), [("resnet18", 122), ("resnet34", 218)])
def test_imagenets_networks_follow_the_same_names(tmp_path, network, entries):
    tensors = plain.released(network, classes=1000).state_dict()
    assert len(tensors) == entries
    source = write(tmp_path / "a.safetensors", tensors)
    model = load_model(import_as(network, source, tmp_path / "b", num_classes=1000))
    assert torch.equal(model.stages[1][0].shortcut[0].weight, tensors["model.layer2.0.downsample.0.pool.weight"])
    with pytest.raises(ModelInputError, match=r"has the shape \[1000, 512\], not \[10, 512\]"):
        import_as(network, source, tmp_path / "c")


def test_the_checkpoint_says_what_it_is(tmp_path, weights):
    network, tensors = weights
    out = import_as(network, write(tmp_path / "w.pth", tensors), tmp_path / "o")
    metadata = read_tensors(out)[1]
    assert metadata["config"]["hyperparameters"] == {"decay": 1.0, "threshold": 0.5, "reset_by": 1.0}
    assert metadata["imported"]["file"] == "w.pth"
    assert {module.decay for module in load_model(out).modules() if isinstance(module, LIF)} == {1.0}
    twin = load_model(import_as(network, tmp_path / "w.pth", tmp_path / "twin", neuron="relu", timesteps=1))
    assert not any(isinstance(module, LIF) for module in twin.modules())
    assert any(isinstance(module, nn.ReLU) for module in twin.modules())


def changes(value):
    """What can be wrong with one entry, and the sentence about it."""
    yield "is missing", None
    yield "has the shape", torch.zeros(*value.shape, 2, dtype=value.dtype)
    if value.is_floating_point():
        yield "not finite", torch.full_like(value, torch.nan)
        yield "not finite", value.index_fill(0, torch.tensor([0]), torch.inf)
        yield "has the type torch.int64", torch.zeros_like(value, dtype=torch.int64)
    else:
        yield "has the type torch.float32", value.float()


@pytest.mark.parametrize("kind", ["deep", "cifar", "vgg"])
def test_each_wrong_entry_is_named(kind):
    activation = activation_factory("soft", 2)
    shape = {"activation": activation, "timesteps": 2, "num_classes": 3, "in_channels": 1}
    if kind == "vgg":
        model = VGG(((2, 3),), **shape)
        released = plain.VGG((2, 3, "pool"), 1, 3, 1.0)
    else:
        model = ReleasedResNet(kind, (1, 2), (2, 3), **shape)
        form = {"deep": plain.MODIFIED, "cifar": plain.RESNET19}[kind]
        released = plain.ResNet(form, (1, 2), (2, 3), 1, 3, 1.0)
    tensors, path = plain.as_trained(plain.Whole(released)).state_dict(), Path("w.pth")
    assert convert(path, tensors, kind, model).keys() == model.state_dict().keys()
    for name, value in tensors.items():
        for sentence, changed in changes(value):
            wrong = {**tensors, name: changed}
            if changed is None:
                del wrong[name]
            with one_sentence(ModelInputError, f"w.pth: the entry '{re.escape(name)}' .*{sentence}"):
                convert(path, wrong, kind, model)
    for name in ("model.extra", "extra", "conv.weight"):
        with pytest.raises(ModelInputError, match=f"'{name}' is unknown"):
            convert(path, {**tensors, name: torch.zeros(1)}, kind, model)


def test_another_network_is_named(tmp_path, weights):
    network, tensors = weights
    source = write(tmp_path / "w.pth", tensors)
    for other in ENTRIES.keys() - {network}:
        sentence = f"holds {ENTRIES[network]} entries, which are not the {ENTRIES[other]} of a released {other}"
        with pytest.raises(ModelInputError, match=sentence):
            import_as(other, source, tmp_path / "o")
    assert not (tmp_path / "o").exists()
