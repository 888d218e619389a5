"""Norse networks, whose state is passed from call to call, measured by `inflor-bench measure`."""

import pytest
import torch

from tests.peers.watch import Watched, linear_operations

pytest.importorskip("norse")

SOURCE = """
import norse.torch as norse
import torch
from torch import nn
p = norse.LIFParameters(v_th=torch.tensor(0.05))
def cells():
    return norse.SequentialState(nn.Linear(6, 8), norse.LIFCell(p), nn.Linear(8, 3), norse.LICell())
def sequences():
    return norse.SequentialState(nn.Linear(6, 8), norse.LIF(p), nn.Linear(8, 3), norse.LI())
"""
X = torch.rand(7, 6, generator=torch.Generator().manual_seed(0))
STEPS = 6


@pytest.mark.parametrize("factory", ["cells", "sequences"])
def test_a_norse_network_is_driven_through_its_states(measure, load, factory):
    record = measure(SOURCE, factory, "--shape", "6", "--samples", 7, "--batch", 3, "--timesteps", STEPS)
    model = load(SOURCE, factory)
    watched = Watched(model)
    with torch.no_grad():
        if factory == "cells":
            state = None
            for _ in range(STEPS):
                _, state = model(X, state)
            current, spikes = (torch.stack(kept["1"]) for kept in (watched.inputs, watched.outputs))
        else:
            model(X.expand(STEPS, 7, 6))
            current, spikes = watched.inputs["1"][0], watched.outputs["1"][0]
    (layer,) = record.spikes.layers  # the leaky integrator at the end does not spike
    assert layer.spikes_per_step == [int(step.sum()) for step in spikes]
    assert layer.spikes_per_step[0] != layer.spikes_per_step[-1]
    synops = {layer.name: layer for layer in record.synops.layers}
    assert synops["2"].per_step == [linear_operations(step, model[2].weight) for step in spikes]
    assert synops["2"].mac == 0

    v, i, errors = torch.zeros(7, 8, dtype=torch.float64), torch.zeros(7, 8, dtype=torch.float64), []
    for x_t, o in zip(current.double(), spikes.double(), strict=True):
        i = i + x_t
        u = v + 0.001 * 100 * (i - v)
        i = i - 0.001 * 200 * i
        v = u * (1 - o)
        errors.append((u - o).square())
    (found,) = record.information.layers
    assert found.quantisation_error == pytest.approx(torch.stack(errors).mean().item(), rel=1e-5)
    (update,) = record.neuron_ops.layers
    assert (update.updates, update.leak_multiplies) == (STEPS * 7 * 8, 2 * STEPS * 7 * 8)
    assert record.model.timesteps == STEPS
