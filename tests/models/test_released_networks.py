"""The paper's networks: sizes, the equation of their norms, a second implementation, operations, both forms."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from inflor_bench.cell.name import Cell
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.models import create_model
from inflor_bench.models.deploy import deploy
from inflor_bench.models.networks.released_resnet import ReleasedResNet
from inflor_bench.models.networks.tdbn import TdBatchNorm2d
from inflor_bench.models.networks.vgg import VGG
from inflor_bench.models.neurons import LIF, activation_factory
from inflor_bench.models.released import convert
from inflor_bench.run.suite import PlannedCell, check_names
from tests.measure.synops import oracle
from tests.models import released as plain

PARAMETERS = {  # as the paper's code has them, with 10 classes, for ImageNet 1000
    "resnet20-modified": 11_247_946,
    "resnet19": 12_569_226,
    "vgg16": 14_728_266,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
}
NETWORKS = tuple(PARAMETERS)
NARROW = {  # every kind of stem, shortcut and stage, few channels
    "cifar": (ReleasedResNet, "cifar", (2, 2), (2, 3)),
    "deep": (ReleasedResNet, "deep", (1, 2), (2, 3)),
    "imagenet": (ReleasedResNet, "imagenet", (1, 1), (2, 3)),
    "vgg": (VGG, ((2, 3), (2,))),
}


def make(name, neuron="soft-mpr", timesteps=1, **constants):
    torch.manual_seed(0)
    classes = 1000 if name in ("resnet18", "resnet34") else 10
    return create_model(name, neuron=neuron, timesteps=timesteps, num_classes=classes, in_channels=3, **constants)


def image(name, batch=1):
    size = 224 if name in ("resnet18", "resnet34") else 32
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


def narrow(name, neuron="soft", timesteps=2, **constants):
    torch.manual_seed(0)
    kind, *plan = NARROW[name]
    activation = activation_factory(neuron, timesteps, **constants)
    return plain.as_trained(kind(*plan, activation=activation, timesteps=timesteps, num_classes=4, in_channels=2))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("neuron", ["relu", "soft-mpr"])
def test_parameter_counts_are_the_papers_codes(name, neuron):
    model = make(name, neuron)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    kinds = {type(m) for m in model.modules() if isinstance(m, nn.ReLU | LIF)}
    assert kinds == {nn.ReLU if neuron == "relu" else LIF}


def test_a_suite_may_name_them():
    check_names([PlannedCell(Cell.parse(f"fashion-mnist/{name}/soft-mpr/T2/s0"), "train") for name in NETWORKS])


@pytest.mark.parametrize(("name", "neurons"), [("cifar", 9), ("deep", 9), ("imagenet", 5), ("vgg", 3)])
def test_every_nonlinearity_is_the_neuron(name, neurons):
    assert sum(isinstance(m, LIF) for m in narrow(name).modules()) == neurons
    twin = [m for m in narrow(name, "relu", 1).modules() if isinstance(m, nn.ReLU | LIF)]
    assert [type(m) for m in twin] == [nn.ReLU] * neurons


@pytest.mark.parametrize("alpha", [1.0, 0.5**0.5])
def test_tdbn_is_its_equation(alpha):
    torch.manual_seed(0)
    norm, truth = TdBatchNorm2d(3, alpha).double(), plain.TdNorm(3, alpha).double()
    plain.as_trained(truth)
    norm.load_state_dict(truth.state_dict())
    x = torch.randn(4, 2, 3, 5, 5, dtype=torch.float64) * 3 + 1
    for training in (True, True, False):
        norm.train(training)
        truth.train(training)
        flat = x.flatten(0, 1).clone().requires_grad_()
        deep = x.clone().requires_grad_()
        y, expected = norm(flat), truth(deep)
        torch.testing.assert_close(y, expected.flatten(0, 1))
        (y.sin().sum()).backward()
        (expected.sin().sum()).backward()
        torch.testing.assert_close(flat.grad, deep.grad.flatten(0, 1))
        torch.testing.assert_close(norm.weight.grad, truth.weight.grad)
    for name, value in truth.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)
    torch.testing.assert_close(norm.plain()(flat), norm(flat))


def test_a_current_starts_with_half_the_firing_scale():
    x = torch.randn(64, 2, 8, 8) * 5 - 3
    torch.testing.assert_close(TdBatchNorm2d(2)(x).std(), torch.tensor(0.5), rtol=0, atol=1e-3)
    torch.testing.assert_close(TdBatchNorm2d(2, 0.5**0.5)(x).var(), torch.tensor(0.125), rtol=0, atol=1e-3)


@pytest.mark.parametrize("neuron", ["relu", "soft"])
def test_norms_start_as_released(neuron):
    for name, zero in (("resnet20-modified", True), ("resnet19", False)):
        for path, module in make(name, neuron).named_modules():
            if isinstance(module, nn.BatchNorm2d):
                starts_at = 0 if zero and path.endswith("norm2") else 1
                assert module.weight.unique().tolist() == [starts_at], path


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NARROW)
def test_the_networks_equal_a_second_implementation_that_loops_over_time(name, training):
    """Layer by layer, frame by frame, step by step; in training also the running statistics."""
    kind, *plan = NARROW[name]
    if kind is VGG:
        truth = plain.VGG((2, 3, "pool", 2, "pool"), 2, 4, 0.5)
    else:
        form = {"cifar": plain.RESNET19, "deep": plain.MODIFIED, "imagenet": plain.IMAGENET}[name]
        truth = plain.ResNet(form, *plan[1:], 2, 4, 0.5)
    truth = plain.as_trained(plain.Whole(truth)).double().train(training)
    model = narrow(name, timesteps=3, decay=0.5).double().train(training)
    model.load_state_dict(convert(name, truth.state_dict(), name, model))
    frames = torch.randn(3, 4, 2, 16, 16, dtype=torch.float64) * 2
    with torch.no_grad():
        logits, expected = model(frames), truth(frames)
    assert expected.std() > 0.01
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)
    after = convert(name, truth.state_dict(), name, model)
    for entry, value in model.state_dict().items():
        torch.testing.assert_close(value, after[entry], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NARROW)
def test_an_image_is_the_same_as_the_same_frame_at_every_step(name):
    model, x = narrow(name, timesteps=3).double().eval(), torch.randn(2, 2, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(x), model(x.expand(3, *x.shape)))


@pytest.mark.parametrize("size", [13, 14])  # 14 is 7 after the pool of the deep stem
def test_odd_sizes_fit_both_branches_of_a_block(size):
    for name in NARROW:
        assert narrow(name)(torch.randn(2, 2, size, size)).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "neuron", "timesteps", "batch"),
    [
        ("resnet20-modified", "soft-mpr", 2, 2),
        ("resnet20-modified", "relu", 1, 2),
        ("resnet19", "hard", 2, 1),
        ("vgg16", "soft-mpr", 2, 2),
        ("resnet18", "soft", 1, 1),
        ("resnet34", "soft-mpr", 1, 1),
    ],
)
def test_forward_and_backward_at_the_true_size_in_both_forms(name, neuron, timesteps, batch):
    model, x = plain.as_trained(make(name, neuron, timesteps)).train(), image(name, batch)
    classes = 1000 if name in ("resnet18", "resnet34") else 10
    logits = model(x)
    assert logits.shape == (batch, classes)
    nn.functional.cross_entropy(logits, torch.arange(batch)).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
    assert model.conv.weight.grad.abs().sum() > 0
    deployed = deploy(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deployed.modules())
    logits = deployed(x)
    assert logits.shape == (batch, classes)
    nn.functional.cross_entropy(logits, torch.arange(batch)).backward()
    assert all(module.weight.grad.isfinite().all() for module in deployed.modules() if isinstance(module, nn.Conv2d))


def count(model, x):
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(x)
    return counter.result()


@pytest.mark.parametrize("form", ["trained", "deployed"])
@pytest.mark.parametrize("name", NARROW)
def test_operations_equal_brute_force(name, form):
    model = narrow(name).eval()
    if form == "deployed":
        model = deploy(model)
    x, seen, handles = torch.randn(1, 2, 8, 8), {}, []
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            handles.append(
                module.register_forward_pre_hook(lambda _, inputs, path=path: seen.update({path: inputs[0].detach()}))
            )
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    found = count(model, x)
    expected, spikes = oracle.Counted(), 0
    for path, inputs in seen.items():
        layer = model.get_submodule(path)
        if isinstance(layer, nn.Linear):
            truth = oracle.linear(inputs, layer.weight)
        else:
            truth = oracle.convolution(inputs, layer.weight, layer.stride, layer.padding)
        spikes += truth.effective if oracle.is_unit(inputs) else 0
        expected += truth
    assert 0 < spikes < expected.effective < expected.dense < expected.padded
    assert (found.total.ac, found.total.mac) == (spikes, expected.effective - spikes)
    assert (found.total.dense, found.total.dense_padded) == (expected.dense, expected.padded)
    assert not found.uncounted


@pytest.mark.parametrize("name", NETWORKS)
def test_dense_operations_at_full_size_equal_fvcores(name):
    model, x = make(name, "relu").eval(), image(name)
    analysis = FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    assert count(model, x).total.dense_padded == by_operator["conv"] + by_operator["linear"]
