"""Weights that are made of weights, into which nothing came; and state that is kept in buffers, which is no weight."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from tests.measure.synops import oracle
from tests.measure.synops.cases import Case, Function, case, cases, holes, one, real, spikes
from tests.measure.synops.oracle import Counted

# Weights made of weights


def _made(layer: nn.Linear) -> Case:
    x = spikes(4, layer.in_features)
    return one(layer, x, oracle.linear(x, layer.weight.detach()))


@case
def spectral_norm() -> Case:
    layer = parametrizations.spectral_norm(nn.Conv2d(2, 3, 3, padding=1)).eval()
    x = spikes(2, 2, 5, 5)
    return one(layer, x, oracle.convolution(x, layer.weight.detach(), padding=1))


@case
def spectral_norm_that_iterates() -> Case:
    """While training it works on its buffers too, which it makes of the weight alone."""
    layer = nn.Linear(5, 4)
    holes(layer.weight)
    x, truth = spikes(4, 5), layer.weight.detach().clone()
    return one(parametrizations.spectral_norm(layer).train(), x, oracle.linear(x, truth))


cases(
    orthogonal_weight=lambda: _made(parametrizations.orthogonal(nn.Linear(5, 4), orthogonal_map="cayley")),
    orthogonal_weight_by_householder=lambda: _made(
        parametrizations.orthogonal(nn.Linear(5, 4), orthogonal_map="householder")
    ),
)


class LowRank(nn.Module):
    """W + B A, as LoRA writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Parameter(torch.randn(2, 5)), nn.Parameter(torch.randn(4, 2))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + 0.5 * (self.up @ self.down)


@case
def low_rank_weight() -> Case:
    layer = nn.Linear(5, 4)
    parametrize.register_parametrization(layer, "weight", LowRank())
    return _made(layer)


@case
def product_of_parameters_on_the_way() -> Case:
    x, up, down = spikes(3, 5), torch.randn(4, 2), torch.randn(2, 5)
    return one(Function(lambda x, up, down: x @ (up @ down).t(), up, down), x, oracle.linear(x, up @ down))


@case
def weight_of_a_sum_of_products() -> Case:
    x, parts, shares = spikes(3, 5), torch.randn(3, 4, 5), torch.rand(3)
    weight = (parts * shares[:, None, None]).sum(0)
    model = Function(lambda x, parts, shares: F.linear(x, (parts * shares[:, None, None]).sum(0)), parts, shares)
    return one(model, x, oracle.linear(x, weight))


@case
def angles_of_positions() -> Case:
    """Rotary positions times a table of frequencies: nothing comes in."""

    class Rotary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("frequencies", torch.rand(2))
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:  # [N, L, 4]
            angles = torch.outer(torch.arange(x.shape[1]).float(), self.frequencies)
            return self.layer(x * torch.cat((angles.cos(), angles.sin()), -1))

    x, model = spikes(2, 3, 4), Rotary()
    angles = torch.arange(3.0)[:, None] * model.frequencies
    turned = x * torch.cat((angles.cos(), angles.sin()), -1)
    return (
        one(model, x, oracle.linear(turned, model.layer.weight))
        if oracle.is_unit(turned)
        else Case(model, lambda m: m(x), [], [oracle.linear(turned, model.layer.weight)])
    )


@case
def binary_weight_made_of_a_parameter() -> Case:
    """What is made of a weight is a weight: its values make no accumulates of a real input."""
    x, weight = real(3, 5), torch.randn(4, 5)
    return one(Function(lambda x, w: x @ w.sign().t(), weight), x, oracle.linear(x, weight.sign()))


@case
def zeros_are_a_state_before_anything_came_in() -> Case:
    x, weight = spikes(3, 2, 4), torch.randn(4, 4)

    def run(x: Tensor, w: Tensor) -> Tensor:
        spike = torch.zeros(2, 4)
        for step in x:
            spike = (step + spike @ w > 0.5).float()
        return spike

    seen, spike = [], torch.zeros(2, 4)
    for step in x:
        seen.append(spike)
        spike = (step + spike @ weight > 0.5).float()
    counted = oracle.linear(torch.stack(seen), weight.t())
    return Case(Function(run, weight), lambda m: m(x), [counted], [])


@case
def steps_that_run_through_layers_one_after_the_other() -> Case:
    """Every layer takes what the one before fired a step earlier: a bias makes the later ones fire before an input."""

    class Pipeline(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            for layer in self.layers:
                nn.init.constant_(layer.bias, 0.4)

        def forward(self, x: Tensor) -> list[Tensor]:  # [T, N, 4]
            fired, seen = [torch.zeros(2, 4) for _ in range(4)], []
            for step in x:
                fired = [step, *fired[:-1]]
                seen.append(fired[:3])
                fired = [step, *((layer(one) > 0.2).float() for layer, one in zip(self.layers, fired, strict=False))]
            return [torch.stack(inputs) for inputs in zip(*seen, strict=True)]

    x, model = spikes(4, 2, 4), Pipeline()
    with torch.no_grad():
        seen = model(x)
    counted = [oracle.linear(inputs, layer.weight) for inputs, layer in zip(seen, model.layers, strict=True)]
    return Case(model, lambda m: m(x), counted, [])


@case
def places_that_the_model_makes_itself() -> Case:
    """A constant that meets a layer of parameters is its input."""

    class Field(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            places = torch.stack(torch.meshgrid(torch.arange(3.0), torch.arange(2.0), indexing="ij"), -1)
            return self.second(torch.relu(self.first(places))) + x

    x, model = torch.zeros(3), Field()
    places = torch.tensor([[i, j] for i in range(3) for j in range(2)]).float()
    with torch.no_grad():
        hidden = torch.relu(model.first(places))
    counted = [oracle.linear(places, model.first.weight), oracle.linear(hidden, model.second.weight)]
    return Case(model, lambda m: m(x), [], counted)


# State in buffers


class Reservoir(nn.Module):
    """Neurons first, as in the textbook: the spikes [H, N] of the step before stand in a buffer."""

    def __init__(self, write: Callable[[nn.Module, Tensor], None], feed: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.recurrent = nn.Parameter(holes(torch.randn(6, 6)))
        self.register_buffer("state", torch.zeros(6, 2))
        self.write, self.feed = write, feed

    def forward(self, x: Tensor) -> Tensor:  # [T, H, N]
        seen = []
        for step in x:
            seen.append(self.state.clone())
            self.write(self, step + self.feed(self.recurrent, self.state))
        return torch.stack(seen)


def _reservoir(
    write: Callable[[nn.Module, Tensor], None],
    feed: Callable[[Tensor, Tensor], Tensor] = lambda w, state: w @ state,
    batches: int = 1,
    start: float = 0.0,
) -> Case:
    model, inputs = Reservoir(write, feed), [torch.rand(4, 6, 2) for _ in range(batches)]

    def run(module: nn.Module) -> list[Tensor]:
        module.state.fill_(start)
        return [module(x) for x in inputs]

    with torch.no_grad():
        seen = torch.cat(run(model))
        model.state = model.state.detach().clone()
        model.state.fill_(start)
    weight = model.recurrent.detach()
    counted = sum((oracle.product(weight[None], step[None]) for step in seen), Counted())
    unit = oracle.is_unit(seen)
    return Case(model, run, [counted] if unit else [], [] if unit else [counted])


def _copy(module: nn.Module, u: Tensor) -> None:
    module.state.copy_((u > 0.5).float())


def _replace(module: nn.Module, u: Tensor) -> None:
    module.state = (u > 0.5).float()


def _integrate(module: nn.Module, u: Tensor) -> None:
    module.state.mul_(0.5).add_(u)


cases(
    spikes_in_a_buffer=lambda: _reservoir(_copy),
    spikes_in_a_buffer_that_is_replaced=lambda: _reservoir(_replace),
    spikes_in_a_buffer_of_several_batches=lambda: _reservoir(_copy, batches=3),
    spikes_in_a_buffer_that_all_fired_before=lambda: _reservoir(_copy, start=1.0),
    membranes_in_a_buffer=lambda: _reservoir(_integrate, start=0.25),
    spikes_in_a_buffer_times_a_weight_and_summed=lambda: _reservoir(
        _copy, feed=lambda w, state: (w[..., None] * state).sum(1), start=1.0
    ),
    spikes_in_a_buffer_of_a_linear_layer=lambda: _reservoir(_copy, feed=lambda w, state: F.linear(state.t(), w).t()),
)


@case
def a_buffer_that_nobody_writes_is_a_weight() -> Case:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.randn(4, 5).sign())

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight.t()

    x, model = real(3, 5), Fixed()
    return one(model, x, oracle.linear(x, model.weight))


@case
def weights_that_learn_while_they_are_counted() -> Case:
    """A rule of plasticity writes into the weight what came in; spikes into it stay accumulates."""

    class Plastic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.randn(4, 5))

        def forward(self, x: Tensor) -> Tensor:
            for step in x:
                current = F.linear(step, self.weight)
                self.weight.add_(0.1 * current.mean(0)[:, None] * step.mean(0))
            return current

    x, model = spikes(3, 2, 5), Plastic()
    return Case(model, lambda m: m(x), [oracle.linear(x.flatten(0, 1), torch.ones(4, 5))], [])


@case
def spikes_in_a_buffer_that_is_zeroed_in_every_pass() -> Case:
    class Zeroed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = nn.Linear(4, 4, bias=False)
            self.register_buffer("state", torch.ones(2, 4))

        def forward(self, x: Tensor) -> Tensor:
            self.state.zero_()
            seen = []
            for step in x:
                seen.append(self.state.clone())
                self.state.copy_((step + self.recurrent(self.state) > 0.5).float())
            return torch.stack(seen)

    inputs, model = [torch.rand(3, 2, 4) for _ in range(2)], Zeroed()
    with torch.no_grad():
        seen = torch.cat([model(x) for x in inputs])
    return Case(model, lambda m: [m(x) for x in inputs], [oracle.linear(seen, model.recurrent.weight)], [])
