"""Operations by sample and by step: right wherever samples and steps are, or None and a reason.

The independent way by sample is a counter for each sample alone; by step it is the pairs of what the test itself cuts
out of what a layer was given.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import oracle

T = 3
MODES = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}


class Written(nn.Module):
    """Layers, and a forward that is written down beside them."""

    def __init__(self, forward: Callable[[nn.Module, Tensor], object], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.written = forward

    def forward(self, x: Tensor) -> object:
        return self.written(self, x)


def _linear() -> nn.Linear:
    return nn.Linear(5, 4, bias=False)


def _spikes(samples: int, *shape: int) -> Tensor:
    """The first sample is nearly full, the others are sparser and sparser."""
    generator = torch.Generator().manual_seed(samples)
    rates = torch.linspace(0.9, 0.1, samples).view(-1, *[1] * len(shape))
    return (torch.rand(samples, *shape, generator=generator) < rates).float()


def _fires(x: Tensor) -> Tensor:
    return (x > 0.1).float()


def _loop(module: nn.Module, x: Tensor) -> Tensor:
    u, out = torch.zeros(len(x), 4), []
    for _ in range(T):
        u = 0.5 * u + module.one(x)
        spikes = _fires(u)
        u = u - spikes
        out.append(module.two(spikes))
    return torch.stack(out).mean(0)


def _heads(module: nn.Module, x: Tensor) -> Tensor:
    q = module.one(x).unflatten(-1, (2, 2)).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)


# Models [N, ...], by how they move samples on their way to a layer.
BY_SAMPLE: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "tokens": ((4, 5), lambda: Written(lambda m, x: m.one(x), one=_linear())),
    "tokens first": ((4, 5), lambda: Written(lambda m, x: m.one(x.transpose(0, 1)), one=_linear())),
    "tokens first and flat": (
        (4, 5),
        lambda: Written(lambda m, x: m.one(x.transpose(0, 1).flatten(0, 1)), one=_linear()),
    ),
    "as many tokens as samples": ((2, 5), lambda: Written(lambda m, x: m.one(x.transpose(0, 1)), one=_linear())),
    "features first": ((5,), lambda: Written(lambda m, x: m.one.weight @ x.t(), one=_linear())),
    "recurrent": ((4, 5), lambda: Written(lambda m, x: m.one(x.transpose(0, 1))[0], one=nn.LSTM(5, 3, bias=False))),
    "recurrent, batch first": ((4, 5), lambda: Written(lambda m, x: m.one(x)[0], one=nn.GRU(5, 3, batch_first=True))),
    "repeated": ((5,), lambda: Written(lambda m, x: m.one(x.unsqueeze(0).repeat(T, 1, 1)), one=_linear())),
    "repeated behind samples": (
        (5,),
        lambda: Written(lambda m, x: m.one(x.unsqueeze(1).repeat(1, T, 1).flatten(0, 1)), one=_linear()),
    ),
    "expanded": ((5,), lambda: Written(lambda m, x: m.one(x.expand(T, *x.shape).reshape(-1, 5)), one=_linear())),
    "joined": ((5,), lambda: Written(lambda m, x: m.one(torch.cat([x] * T)), one=_linear())),
    "convolved": (
        (2, 6, 6),
        lambda: Written(
            lambda m, x: m.two(_fires(F.max_pool2d(m.norm(m.one(torch.cat([x] * T))), 2)).flatten(1)),
            one=nn.Conv2d(2, 3, 3, padding=1),
            norm=nn.BatchNorm2d(3).eval(),
            two=nn.Linear(27, 4),
        ),
    ),
    "convolved over tokens": ((4, 5), lambda: Written(lambda m, x: m.one(x.transpose(1, 2)), one=nn.Conv1d(5, 4, 2))),
    "a loop": ((5,), lambda: Written(_loop, one=_linear(), two=nn.Linear(4, 3))),
    "attention": ((4, 5), lambda: Written(_heads, one=_linear())),
    "scores": ((4, 5), lambda: Written(lambda m, x: _fires(x @ x.transpose(1, 2)) @ m.one(x), one=_linear())),
    "weighted sums": ((5,), lambda: Written(lambda m, x: (m.one.weight * x[:, None]).sum(-1), one=_linear())),
    "masked sums": ((4, 5), lambda: Written(lambda m, x: (x * m.one(x)[..., :1]).sum(1), one=_linear())),
}
# Here it cannot be known, by what is written down of operators, so that it must not be told.
LOST: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "samples turned over": ((5,), lambda: Written(lambda m, x: m.one(x.flip(0)), one=_linear())),
    "samples sorted": ((5,), lambda: Written(lambda m, x: m.one(x.sort(0)[0]), one=_linear())),
    "samples chosen": ((5,), lambda: Written(lambda m, x: m.one(x[torch.randperm(len(x))]), one=_linear())),
    "samples cut": ((5,), lambda: Written(lambda m, x: m.one(x[1:]), one=_linear())),
    "samples shared out": (
        (4, 5),
        lambda: Written(lambda m, x: m.one(x.reshape(2, -1, 5).transpose(0, 1)), one=_linear()),
    ),
    "samples as channels": ((5,), lambda: Written(lambda m, x: m.one(x[None]), one=nn.Conv1d(4, 3, 2))),
}


def _count(model: nn.Module, x: Tensor, **options: object):
    with SynOpCounter(model, **options) as counter:
        model(x)
    return counter.result()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BY_SAMPLE)
def test_operations_of_each_sample_are_those_of_a_counter_of_its_own(name, mode):
    torch.manual_seed(0)
    shape, make = BY_SAMPLE[name]
    model, x = make(), _spikes(2, *shape)
    with MODES[mode]():
        together = _count(model, x, timesteps=T, per_sample=True)
        apart = [_count(model, sample[None]) for sample in x]
    for layer, site in together.layers.items():
        # The hidden states of a fused layer are put together outside the model.
        if "weight_hh" in layer:
            assert site.per_sample is None or sum(site.per_sample) == site.ac + site.mac
            continue
        assert site.per_sample == [one.layers[layer].effective for one in apart]
        assert len(set(site.per_sample)) > 1 or "two" in layer


@pytest.mark.parametrize("name", LOST)
def test_what_is_not_known_is_not_told(name):
    torch.manual_seed(0)
    shape, make = LOST[name]
    (site,) = _count(make(), _spikes(4, *shape), timesteps=1, per_sample=True).layers.values()
    assert site.per_sample is None
    assert site.per_step is None
    assert site.unattributed


# [N, 5] to the spikes that a linear layer is given at each step, as [T, N, 5]; None where time cannot be known.
def _noisy(x: Tensor) -> Tensor:
    """Steps that differ."""
    return torch.stack([x * (torch.arange(5) > step) for step in range(T)])


BY_STEP = {
    "time first": (lambda m, x: m.one(_noisy(x)), _noisy),
    "time first and flat": (lambda m, x: m.one(_noisy(x).flatten(0, 1)), _noisy),
    "time behind samples": (lambda m, x: m.one(_noisy(x).transpose(0, 1)), _noisy),
    "time behind samples and flat": (lambda m, x: m.one(_noisy(x).transpose(0, 1).reshape(-1, 5)), _noisy),
    "a step at a time": (lambda m, x: [m.one(step) for step in _noisy(x)], _noisy),
    "the same at every step": (lambda m, x: m.one(x.unsqueeze(1).repeat(1, T, 1)), lambda x: x.expand(T, *x.shape)),
    "joined": (lambda m, x: m.one(torch.cat([x] * T)), lambda x: x.expand(T, *x.shape)),
    "once for all": (lambda m, x: m.one(x).expand(T, -1, -1), None),
    "twice a step": (lambda m, x: [m.one(m.one(step)[:, [0, 1, 2, 3, 0]]) for step in _noisy(x)], None),
    "steps in pairs": (lambda m, x: m.one(_noisy(x)[:2]), None),
}


@pytest.mark.parametrize("samples", [1, 2, T])
@pytest.mark.parametrize("name", BY_STEP)
def test_operations_of_each_step_are_those_that_the_test_cuts_out(name, samples):
    torch.manual_seed(0)
    forward, steps = BY_STEP[name]
    model, x = Written(forward, one=_linear()), _spikes(samples, 5)
    (site,) = _count(model, x, timesteps=T).layers.values()
    if steps is None:
        assert site.per_step is None
        assert site.unattributed
    else:
        assert site.per_step == [oracle.linear(step, model.one.weight).effective for step in steps(x)]
        assert site.unattributed is None


@pytest.mark.parametrize("samples", [2, 3, 6])
@pytest.mark.parametrize("flat", [False, True])
def test_sequences_of_as_many_steps_as_samples(samples, flat):
    """A model that takes [N, T, ...], where T tells nothing from N."""
    torch.manual_seed(0)
    model = Written(lambda m, x: m.one(x.flatten(0, 1) if flat else x), one=_linear())
    x = _spikes(samples, T, 5)
    (site,) = _count(model, x, timesteps=T, per_sample=True).layers.values()
    assert site.per_sample == [oracle.linear(sample, model.one.weight).effective for sample in x]
    assert site.per_step is None
