"""The small cases' plain loops, against counts that torch makes by another way; and how a counter is judged."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, linear

from tests.peers.benchmark.comparison import is_exact
from tests.peers.benchmark.truth import cases

CASES = cases()


def by_torch(case):
    """Effective, dense, dense with padding: the operators themselves, run in float64 on masks of what is not zero."""
    layer, x = case.module[0], (case.x != 0).double()
    if not list(layer.parameters()):
        everything = torch.ones_like(x)
        return [(a @ a.transpose(1, 2)).sum() for a in (x, everything, everything)]
    weight = layer.weight.detach().double()

    def run(x, weight):
        if isinstance(layer, nn.Linear):
            return linear(x, weight)
        if isinstance(layer, nn.ConvTranspose2d):
            return conv_transpose2d(x, weight, stride=layer.stride)
        options = (layer.stride, layer.padding, 1, layer.groups) if isinstance(layer, nn.Conv2d) else (1, 1)
        return conv2d(x, weight, None, *options)

    output = run(x, weight)
    padded = output.numel() * weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):
        padded = x.numel() * weight[0].numel()
    ones = torch.ones_like(weight)
    return [run(x, (weight != 0).double()).sum(), run(torch.ones_like(x), ones).sum(), padded]


@pytest.mark.parametrize("name", CASES)
def test_the_loops_count_what_the_operators_add_up_on_masks(name):
    truth = CASES[name].truth()
    effective, dense, padded = (int(value) for value in by_torch(CASES[name]))
    assert (truth.ac + truth.mac, truth.dense, truth.dense_padded) == (effective, dense, padded)
    assert 0 < effective < dense
    assert min(truth.ac, truth.mac) == 0
    assert bool(truth.mac) == ("values" in name)


def test_the_cases_are_the_same_in_every_process():
    for name, again in cases().items():
        assert torch.equal(again.x, CASES[name].x)
        assert all(map(torch.equal, again.module.parameters(), CASES[name].module.parameters()))


TRUTH = {"ac": 7, "mac": 0, "dense": 9, "dense_padded": 12}


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        ({"ac": 7, "mac": 0}, True),
        ({"synops": 7}, True),
        ({"synops": 7.0000005}, True),
        ({"dense_padded": 12}, True),
        ({"ac": 7, "mac": 1}, False),
        ({"ac": 0}, False),
        ({}, False),
        ({"reason": "it failed"}, False),
    ],
)
def test_a_counter_is_judged_by_all_that_it_gives(given, exact):
    assert is_exact(given, TRUTH) is exact


def test_the_tolerance_hides_no_operation():
    for case in CASES.values():
        for name, value in vars(case.truth()).items():
            truth = {**vars(case.truth())}
            assert not is_exact({name: value + 1}, truth)
