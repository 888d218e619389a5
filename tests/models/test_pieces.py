"""A network over a sequence in pieces against the same network over the whole of it."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from inflor_bench.models import create_model
from inflor_bench.models.functional import lif_piece
from inflor_bench.models.neurons import LIF
from inflor_bench.models.pieces import logits_in_pieces

T, N = 11, 3


def network(reset, mpr=False):
    torch.manual_seed(0)
    return create_model(
        "resnet8", neuron=f"{reset}-mpr" if mpr else reset, timesteps=T, num_classes=4, in_channels=2
    ).double()


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("mpr", [False, True])
@pytest.mark.parametrize("steps", [1, 4, 5])
def test_logits_and_gradients_are_those_of_the_whole_sequence(reset, mpr, steps):
    whole = network(reset, mpr)
    with torch.no_grad():  # statistics under which neurons fire
        whole.train()(torch.randn(T, N, 2, 8, 8, dtype=torch.float64))
    whole.eval()
    pieces = copy.deepcopy(whole)
    x = torch.randn(T, N, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 3, 1])
    expected = whole(x)
    logits = logits_in_pieces(pieces, x, steps)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-12)
    cross_entropy(expected, labels).backward()
    cross_entropy(logits, labels).backward()
    for (name, one), (_, other) in zip(whole.named_parameters(), pieces.named_parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-8, atol=1e-12, msg=name)
    assert max(parameter.grad.abs().max() for parameter in whole.parameters()) > 1e-3


def test_running_statistics_move_once_a_piece_although_each_runs_twice():
    model = network("soft").train()
    x = torch.randn(T, N, 2, 8, 8, dtype=torch.float64)
    alone = copy.deepcopy(model)
    logits_in_pieces(model, x, 4).sum().backward()
    with torch.no_grad():
        logits_in_pieces(alone, x, 4)
    for (name, one), (_, other) in zip(model.named_buffers(), alone.named_buffers(), strict=True):
        assert torch.equal(one, other), name
    assert model.norm.num_batches_tracked == 3
    assert all(module.momentum == 0.1 for module in model.modules() if isinstance(module, nn.BatchNorm2d))


def test_the_network_is_as_before_afterwards_and_also_after_a_failure():
    model = network("hard")
    with pytest.raises(RuntimeError):
        logits_in_pieces(model, torch.randn(T, N, 5, 8, 8, dtype=torch.float64), 4)
    neurons = [module for module in model.modules() if isinstance(module, LIF)]
    assert model.timesteps == T
    assert all(neuron.timesteps == T and neuron.carried is None for neuron in neurons)
    assert model(torch.randn(T, N, 2, 8, 8, dtype=torch.float64)).shape == (N, 4)


class Memory:
    """Counts the elements that autograd keeps between the passes."""

    kept = 0

    def __enter__(self):
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self._hooks.__enter__()
        return self

    def _pack(self, tensor):
        self.kept += tensor.numel()
        return tensor

    def __exit__(self, *error):
        self._hooks.__exit__(*error)


def test_what_is_kept_for_the_backward_pass_does_not_grow_with_the_steps_of_a_piece():
    x = torch.randn(T, N, 2, 8, 8, dtype=torch.float64)
    with Memory() as whole:
        network("soft")(x)
    with Memory() as pieces:
        logits_in_pieces(network("soft"), x, 4)
    assert pieces.kept < whole.kept / 10


def test_a_piece_carries_the_membrane_of_the_plain_formula():
    current = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    v = torch.randn(6, generator=torch.Generator().manual_seed(3))
    spikes, carried = lif_piece(current, v, decay=0.9, reset="soft")
    for step in range(5):
        u = 0.9 * v + current[step]
        fired = (u > 0.5).float()
        v = u - fired
        assert torch.equal(spikes[step], fired)
    torch.testing.assert_close(carried, v)


@pytest.mark.parametrize(("shape", "steps"), [((N, 2, 8, 8), 4), ((T, N, 2, 8, 8), 0), ((T, N, 2, 8, 8), 9)])
def test_what_it_cannot_do_is_refused(shape, steps):
    with pytest.raises(ValueError, match="steps at a time"):
        logits_in_pieces(network("hard"), torch.randn(shape), steps)
