"""Layers that are written as an elementwise product or a choice of weights, and a sum."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.synops import oracle
from tests.measure.synops.cases import Case, Function, case, cases, holes, one, real, spikes, ternary
from tests.measure.synops.oracle import Counted


def _weighted(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, counted: Counted) -> Case:
    return one(Function(function, weight), x, counted)


def _summed(x: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> Case:
    """`function` is a linear layer of x [N, 7] with a weight [4, 7] in some spelling."""
    weight = holes(torch.randn(4, x.shape[1]))
    with torch.no_grad():
        assert torch.allclose(function(x.clone(), weight), x @ weight.t(), atol=1e-5)
    return _weighted(function, x, weight, oracle.linear(x, weight))


cases(
    product_and_sum=lambda: _summed(spikes(3, 7), lambda x, w: (w * x[:, None]).sum(-1)),
    product_and_sum_of_real_values=lambda: _summed(real(3, 7), lambda x, w: (x.unsqueeze(1) * w).sum(dim=-1)),
    product_and_mean=lambda: _summed(ternary(3, 7), lambda x, w: (w * x[:, None]).mean(2) * 7),
    product_and_sum_arranged_anew_between=lambda: _summed(
        spikes(3, 7), lambda x, w: (w * x[:, None]).permute(2, 0, 1).contiguous().flatten(1).sum(0).view(3, 4)
    ),
    product_and_sum_scaled_between=lambda: _summed(
        spikes(3, 7), lambda x, w: -((w * x[:, None] / 2).double().neg() * 2).sum(-1).float()
    ),
)


@case
def product_and_sum_of_three_factors() -> Case:
    """A scale for each output is none of the weights that are summed over."""
    return _summed(spikes(3, 7), lambda x, w: (w * x[:, None] * torch.full((4, 1), 2.0)).sum(-1) / 2)


@case
def product_in_place_and_sum() -> Case:
    return _summed(spikes(3, 7), lambda x, w: x[:, None].repeat(1, 4, 1).mul_(w).sum(-1))


@case
def product_whose_factor_is_written_over_before_the_sum() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        x = x.clone()
        product = w * x[:, None]
        x.fill_(0.5)
        return product.sum(-1)

    return _summed(spikes(3, 7), function)


@case
def products_stacked_and_summed() -> Case:
    return _summed(spikes(3, 7), lambda x, w: torch.stack([x[:, i, None] * w[:, i] for i in range(7)]).sum(0))


@case
def product_written_to_a_place_and_summed() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        room = torch.empty(3, 4, 7)
        room.copy_(w * x[:, None])
        return room.sum(-1)

    return _summed(spikes(3, 7), function)


@case
def sum_of_products_written_out() -> Case:
    return _summed(spikes(3, 7), lambda x, w: sum(x[:, i, None] * w[:, i] for i in range(7)))


@case
def sum_of_products_written_out_in_place() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        total = torch.zeros(3, 4)
        for i in range(7):
            total += x[:, i : i + 1] * w[:, i]
        return total

    return _summed(spikes(3, 7), function)


@case
def product_added_to_zeros_and_summed() -> Case:
    return _summed(spikes(3, 7), lambda x, w: torch.addcmul(torch.zeros(3, 4, 7), x[:, None], w).sum(-1))


@case
def product_added_in_place_and_summed() -> Case:
    return _summed(spikes(3, 7), lambda x, w: torch.zeros(3, 4, 7).addcmul_(w, x[:, None], value=0.5).sum(-1) * 2)


def _beside(add: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Case:
    """A product [N, 4, 7] is added to something that an input came into, and both are summed."""

    def function(x: Tensor, w: Tensor) -> Tensor:
        residual = x[:, None].exp().expand(3, 4, 7).clone()
        return add(residual, x[:, None], w).sum(-1) - x.exp().sum(-1, keepdim=True)

    return _summed(spikes(3, 7), function)


cases(
    product_added_to_a_residual_and_summed=lambda: _beside(lambda residual, x, w: residual + x * w),
    residual_added_to_a_product_and_summed=lambda: _beside(lambda residual, x, w: (x * w).add_(residual)),
    product_added_to_a_residual_in_place_and_summed=lambda: _beside(lambda residual, x, w: residual.add_(x * w)),
    product_added_to_a_residual_in_one_operator=lambda: _beside(lambda residual, x, w: residual.addcmul(x, w)),
    product_between_residuals_and_summed=lambda: _beside(lambda residual, x, w: residual + (x * w + x) - x),
)


@case
def sum_of_products_written_out_with_a_residual_between() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        total = x[:, :1] * w[:, 0]
        for i in range(1, 7):
            total = total + x[:, i : i + 1] * w[:, i]
            if i in (2, 5):
                total = total + x.exp().sum(-1, keepdim=True)
        return total - 2 * x.exp().sum(-1, keepdim=True)

    return _summed(real(3, 7), function)


class LeakyReadout(nn.Module):
    """Membranes that leak by decays of their own, and their mean over the steps: nothing is weighed against another."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:  # [T, N, 4]
        u, steps = torch.zeros_like(x[0]), []
        for current in x:
            u = self.decay * u + current
            steps.append(u)
        return torch.stack(steps).mean(0)


@case
def a_readout_of_leaky_membranes_weighs_nothing() -> Case:
    x = real(3, 2, 4)
    return Case(LeakyReadout(), lambda m: m(x), [], [])


@case
def sum_of_products_written_out_in_one_operator_each() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        total = torch.zeros(3, 4)
        for i in range(7):
            total = torch.addcmul(total, x[:, i : i + 1], w[:, i])
        return total

    return _summed(spikes(3, 7), function)


@case
def sum_of_products_written_out_in_one_operator_each_in_place() -> Case:
    def function(x: Tensor, w: Tensor) -> Tensor:
        total = x[:, :1] * w[:, 0]
        for i in range(1, 7):
            total.addcmul_(x[:, i : i + 1], w[:, i])
        return total

    return _summed(real(3, 7), function)


@case
def product_and_pool_of_everything() -> Case:
    """A pool that leaves one value is a mean."""
    x, weight = spikes(2, 3, 5, 5), holes(torch.randn(3, 5, 5))
    return _weighted(lambda x, w: F.adaptive_avg_pool2d(x * w, 1), x, weight, oracle.pairs(x, weight))


@case
def sum_of_products_written_out_from_a_bias_on() -> Case:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(holes(torch.randn(4, 7))), nn.Parameter(torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            total = self.bias
            for i in range(6):
                total = total + x[:, i, None] * self.weight[:, i]
            return total + 1.0 + x[:, 6, None] * self.weight[:, 6]

    x, model = real(3, 7), Biased()
    return one(model, x, oracle.linear(x, model.weight))


@case
def depthwise_convolution_written_out() -> Case:
    x, weight = spikes(2, 4, 9), holes(torch.randn(4, 3, 1))
    return _weighted(
        lambda x, w: sum(w[:, k] * x[..., k : k + 7] for k in range(3)),
        x,
        weight,
        oracle.convolution(x, weight.view(4, 1, 3), groups=4),
    )


@case
def two_products_added_and_summed() -> Case:
    x, first, second = spikes(3, 7), holes(torch.randn(7)), holes(torch.randn(7))
    model = Function(lambda x, a, b: (a * x + b * (1 - x)).sum(-1), first, second)
    return Case(model, lambda m: m(x), [oracle.pairs(x, first), oracle.pairs(1 - x, second)], [])


cases(
    weights_that_a_mask_chooses=lambda: _summed(spikes(3, 7), lambda x, w: torch.where(x[:, None] > 0, w, 0.0).sum(-1)),
    weights_that_a_mask_hides=lambda: _summed(
        spikes(3, 7), lambda x, w: w.expand(3, 4, 7).masked_fill(x[:, None] == 0, 0).sum(-1)
    ),
)


@case
def locally_connected_layer() -> Case:
    x, weight = spikes(2, 2, 5, 5), holes(torch.randn(3, 18, 9))
    columns = F.unfold(x, 3)
    return _weighted(
        lambda x, w: (F.unfold(x, 3).unsqueeze(1) * w).sum(2).unflatten(-1, (3, 3)),
        x,
        weight,
        oracle.pairs(columns[:, None], weight),
    )


@case
def locally_connected_layer_of_windows() -> Case:
    x, weight = real(2, 6), holes(torch.randn(4, 3))
    return _weighted(lambda x, w: (x.unfold(1, 3, 1) * w).sum(-1), x, weight, oracle.pairs(x.unfold(1, 3, 1), weight))


def _chosen(weight: Tensor, index: Tensor) -> Case:
    """Columns of a weight [4, 7], chosen by the indices of what fired."""
    columns = weight[:, index]
    counted = oracle.pairs(torch.ones(columns.shape[1]), columns)
    return Case(Function(lambda i, w: w[:, i].sum(1), weight), lambda m: m(index), [counted], [])


cases(
    columns_that_spikes_choose=lambda: _chosen(holes(torch.randn(4, 7)), torch.tensor([0, 2, 2, 6])),
    columns_that_a_mask_chooses=lambda: _chosen(holes(torch.randn(4, 7)), spikes(7).bool()),
)


@case
def rows_that_spikes_choose() -> Case:
    index, weight = torch.tensor([[0, 2, 4], [1, 1, 3]]), holes(torch.randn(5, 4))
    counted = oracle.pairs(torch.ones(2, 3, 1), weight[index])
    model = Function(lambda i, w: torch.index_select(w, 0, i.flatten()).view(2, 3, 4).sum(1), weight)
    return Case(model, lambda m: m(index), [counted], [])


@case
def embeddings_summed() -> Case:
    """A bag of words is a linear layer whose spikes are given by their places."""
    index, layer = torch.tensor([[0, 2, 4], [1, 1, 3]]), nn.Embedding(5, 4)
    holes(layer.weight)
    counted = oracle.pairs(torch.ones(2, 3, 1), layer.weight[index])

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, index: Tensor) -> Tensor:
            return self.layer(index).sum(1)

    return Case(Bag(), lambda m: m(index), [counted], [])


SOURCES, TARGETS = torch.tensor([0, 0, 3, 5, 6, 6]), torch.tensor([1, 2, 2, 0, 3, 1])


def _sparse(add: Callable[[Tensor, Tensor], Tensor]) -> Case:
    """Synapses one by one: x [N, 7] to [N, 4] through a weight for each pair of a source and a target."""
    x, weight = spikes(3, 7), holes(torch.randn(6))
    full = torch.zeros(4, 7)
    full[TARGETS, SOURCES] = weight
    with torch.no_grad():
        assert torch.allclose(add(torch.zeros(3, 4), weight * x[:, SOURCES]), x @ full.t(), atol=1e-6)
    return _weighted(
        lambda x, w: add(torch.zeros(3, 4), w * x[:, SOURCES]), x, weight, oracle.pairs(x[:, SOURCES], weight)
    )


cases(
    synapses_scattered=lambda: _sparse(lambda out, current: out.scatter_add_(1, TARGETS.expand(3, -1), current)),
    synapses_added_at_indices=lambda: _sparse(lambda out, current: out.index_add(1, TARGETS, current)),
)


@case
def synapses_put_and_accumulated() -> Case:
    rows = torch.arange(3)[:, None]
    return _sparse(lambda out, current: out.index_put_((rows, TARGETS), current, accumulate=True))


def _masked(function: Callable[[Tensor, Tensor], Tensor]) -> Case:
    """Attention as spikes that choose values: [N, tokens, channels] each."""
    keys, values = spikes(2, 5, 4), real(2, 5, 4)
    return Case(Function(function), lambda m: m(keys, values), [oracle.pairs(keys, values)], [])


cases(
    attention_by_mask_and_sum=lambda: _masked(lambda k, v: (k * v).sum(-2)),
    attention_by_mask_and_mean=lambda: _masked(lambda k, v: k.mul(v).mean(dim=1, keepdim=True)),
    attention_by_einsum=lambda: _masked(lambda k, v: torch.einsum("ntc,ntc->nc", k, v)),
)


@case
def attention_of_real_values_by_mask_and_sum() -> Case:
    keys, values = real(2, 5, 4), real(2, 5, 4)
    return Case(Function(lambda k, v: (k * v).sum((1, 2))), lambda m: m(keys, values), [], [oracle.pairs(keys, values)])


class Scaled(nn.Module):
    """Scales, gates, masks and decays before sums: none of them weighs what is summed against something else."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.decay = nn.Parameter(torch.randn(4, 1, 1)), nn.Parameter(torch.rand(4, 5, 5))
        self.mixing = nn.Parameter(torch.rand(2, 4, 1, 1))
        self.register_buffer("mask", (torch.rand(5, 5) < 0.5).float())

    def forward(self, x: Tensor) -> Tensor:  # [N, 4, 5, 5]
        squeezed = torch.sigmoid(x.mean((2, 3), keepdim=True))
        gated = (x * squeezed).mean((2, 3))
        scaled = (x * self.gain).sum((2, 3)) + (x * self.mask).sum((2, 3))
        centred = x - x.mean((2, 3), keepdim=True)
        normalised = centred / ((centred * centred).mean((2, 3), keepdim=True) + 1e-5).sqrt() * self.gain
        u = torch.zeros_like(x)
        for _ in range(2):
            u = self.decay * u + x
            u = torch.addcmul(x, self.decay, u)
            u = self.mixing[0] * u + self.mixing[1] * x
        return gated + scaled + normalised.sum((2, 3)) + u.sum((2, 3))


@case
def scales_gates_masks_and_decays_weigh_nothing() -> Case:
    x = real(2, 4, 5, 5)
    return Case(Scaled(), lambda m: m(x), [], [])
