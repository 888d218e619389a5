"""SpikingJelly's own networks, measured by `inflor-bench measure` and by SpikingJelly."""

import pytest
import torch
from torch import nn

from tests.peers.watch import Watched, conv_operations, linear_operations

pytest.importorskip("spikingjelly")

RESNET = """
from spikingjelly.activation_based import functional, neuron, surrogate
from spikingjelly.activation_based.model import spiking_resnet
def build():
    net = spiking_resnet.spiking_resnet18(
        num_classes=10, spiking_neuron=neuron.LIFNode, surrogate_function=surrogate.ATan(), detach_reset=True,
        v_threshold=0.2,
    )
    functional.set_step_mode(net, "m")
    return net
"""
SMALL = """
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
def net(mode, **constants):
    made = nn.Sequential(
        layer.Linear(6, 8), neuron.LIFNode(v_threshold=0.1, **constants),
        layer.Linear(8, 4), neuron.IFNode(v_threshold=0.1),
    )
    functional.set_step_mode(made, mode)
    return made
def single(): return net("s")
def multi(): return net("m")
def soft(): return net("m", v_reset=None, decay_input=False)
"""
STEPS = 3


def test_a_spiking_resnet18_has_the_counts_of_spikingjelly_where_those_are_right(measure, load):
    record = measure(RESNET, "build", "--shape", "3x33x33", "--samples", 2, "--batch", 2, "--timesteps", STEPS)
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.op_counter import DispatchCounterMode
    from spikingjelly.activation_based.op_counter import SynOpCounter as TheirSynOpCounter

    model, x = load(RESNET, "build"), torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    sequence = x.expand(STEPS, *x.shape).contiguous()
    theirs = TheirSynOpCounter()
    with torch.no_grad(), DispatchCounterMode([theirs]):
        model(sequence)
    by_module = {name: sum(counts.values()) for name, counts in theirs.get_counts().items()}
    functional.reset_net(model)
    watched = Watched(model)
    with torch.no_grad():
        model(sequence)

    modules = dict(model.named_modules())
    layers = {layer.name: layer for layer in record.synops.layers}
    assert len(layers) == 21
    assert record.synops.uncounted == []
    for name, layer in layers.items():
        (seen,) = watched.inputs[name]
        count = linear_operations if isinstance(modules[name], nn.Linear) else conv_operations
        argument = modules[name].weight if isinstance(modules[name], nn.Linear) else modules[name]
        assert layer.ac + layer.mac == count(seen, argument), name
        assert layer.per_step == [count(step[None], argument) for step in seen], name
        spikes_in = bool(((seen == 0) | (seen == 1)).all())
        assert (layer.mac == 0) == spikes_in, name

    # Theirs is right where all inputs are spikes and no zero padding is taken for input; there the two agree.
    compared = 0
    for scope, count in by_module.items():
        name = scope.partition(".")[2]
        if name in layers and layers[name].ac and layers[name].mac == 0:
            unpadded = not any(getattr(modules[name], "padding", (0,)))
            assert not unpadded or count == layers[name].ac, name
            compared += unpadded
    assert compared >= 3

    assert [layer.name for layer in record.spikes.layers]
    for layer in record.spikes.layers:
        name, _, call = layer.name.partition("#")
        spikes = watched.outputs[name][int(call or 1) - 1]
        assert layer.spikes_per_step == [int(step.sum()) for step in spikes], layer.name
    assert record.neuron_ops.updates == sum(
        spikes.numel() for name, calls in watched.outputs.items() if "sn" in name.split(".")[-1] for spikes in calls
    )
    assert record.information.status == "measured"
    assert record.provenance.versions["spikingjelly"]
    assert (record.model.timesteps, record.model.threshold, record.model.reset) == (STEPS, 0.2, "hard")


@pytest.mark.parametrize("factory", ["single", "multi", "soft"])
def test_both_step_modes_give_spikes_and_membranes(measure, load, factory):
    record = measure(SMALL, factory, "--shape", "6", "--samples", 5, "--batch", 2, "--timesteps", 4)
    model, x = load(SMALL, factory), torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    watched = Watched(model)
    with torch.no_grad():
        if factory == "single":
            for _ in range(4):
                model(x)
            current, spikes = (torch.stack(kept["1"]) for kept in (watched.inputs, watched.outputs))
        else:
            model(x.expand(4, 5, 6).contiguous())
            current, spikes = watched.inputs["1"][0], watched.outputs["1"][0]
    lif, _ = record.spikes.layers
    assert lif.spikes_per_step == [int(step.sum()) for step in spikes]
    assert 0 < lif.spikes < 4 * 5 * 8
    synops = {layer.name: layer for layer in record.synops.layers}
    assert synops["2"].per_step == [linear_operations(step[None], model[2].weight) for step in spikes]

    v, errors, lost = torch.zeros(5, 8, dtype=torch.float64), [], []
    for x_t, o in zip(current.double(), spikes.double(), strict=True):
        u = v - v / 2 + x_t if factory == "soft" else v + (x_t - v) / 2
        v = u - 0.1 * o if factory == "soft" else u * (1 - o)
        errors.append((u - o).square())
        lost.append(((u - v - o).abs() * o).sum())
    found = record.information.layers[0]
    assert found.quantisation_error == pytest.approx(torch.stack(errors).mean().item(), rel=1e-5)
    assert found.reset_loss == pytest.approx((sum(lost) / spikes.sum()).item(), rel=1e-5)
    assert [(n.name, n.reset, n.updates, n.leak_multiplies) for n in record.neuron_ops.layers] == [
        ("1", "soft" if factory == "soft" else "hard", 160, 160),
        ("3", "hard", 80, 0),
    ]


@pytest.mark.parametrize(("factory", "said"), [("single", "one time step a call"), ("multi", "--time-axis inside")])
def test_without_the_number_of_steps_it_is_asked_for(measure, factory, said):
    refusal = measure(SMALL, factory, "--shape", "6", check=2)
    assert said in refusal
    assert "--timesteps" in refusal
    assert refusal.count("\n") == 1
