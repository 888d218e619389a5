"""Kinds of case with a brute-force truth: a module, how it is run, and what each of its sites must count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from tests.measure.synops import oracle
from tests.measure.synops.oracle import Counted


@dataclass
class Case:
    module: nn.Module
    run: Callable[[nn.Module], Any]
    ac: list[Counted]
    mac: list[Counted]


CASES: dict[str, Callable[[], Case]] = {}


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    """Keep a case under its function's name."""
    CASES[build.__name__] = build
    return build


def cases(**builders: Callable[[], Case]) -> None:
    """Keep cases of one expression under their names."""
    CASES.update(builders)


def spikes(*shape: int, rate: float = 0.4) -> Tensor:
    return (torch.rand(*shape) < rate).float()


def ternary(*shape: int) -> Tensor:
    return torch.randint(-1, 2, shape).float()


def real(*shape: int) -> Tensor:
    return torch.relu(torch.randn(*shape))


def holes(weight: Tensor) -> Tensor:
    """Set a part of a weight to zero, for good."""
    with torch.no_grad():
        weight[torch.rand_like(weight) < 0.4] = 0
    return weight


def one(module: nn.Module, x: Tensor, counted: Counted) -> Case:
    """A module of one site, run once on x."""
    classes = ([counted], []) if oracle.is_unit(x) else ([], [counted])
    return Case(module, lambda m: m(x), *classes)


class Function(nn.Module):
    """A function of x and of one weight."""

    def __init__(self, function: Callable[..., Tensor], *weights: Tensor) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(weights)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, *self.weights)


# Linear


def _linear(x: Tensor, *, bias: bool = True, zeros: bool = False) -> Case:
    layer = nn.Linear(x.shape[-1], 4, bias=bias)
    if zeros:
        holes(layer.weight)
    return one(layer, x, oracle.linear(x, layer.weight))


def _one_value(value: float) -> Case:
    x = spikes(5, 7)
    x[2, 3] = value
    return _linear(x)


cases(
    linear_binary=lambda: _linear(spikes(5, 7)),
    linear_ternary=lambda: _linear(ternary(5, 7)),
    linear_real=lambda: _linear(real(5, 7)),
    linear_scaled=lambda: _linear(spikes(5, 7) * 0.5),
    linear_integer=lambda: _linear(torch.randint(0, 4, (5, 7)).float() + torch.eye(5, 7) * 2),
    linear_without_bias=lambda: _linear(spikes(5, 7), bias=False),
    linear_zeros_in_weight=lambda: _linear(spikes(5, 7), zeros=True),
    linear_of_tokens=lambda: _linear(spikes(2, 3, 7), zeros=True),
    linear_of_tokens_without_bias=lambda: _linear(real(2, 3, 7), bias=False),
    linear_of_one_vector=lambda: _linear(spikes(7)),
    linear_of_zeros=lambda: _linear(torch.zeros(3, 7)),
    linear_of_a_transposed_input=lambda: _linear(spikes(7, 5).t()),
    linear_of_an_expanded_input=lambda: _linear(spikes(1, 7).expand(4, 7)),
    linear_one_value_is_not_a_spike=lambda: _one_value(1 - 2**-24),
    linear_one_value_is_tiny=lambda: _one_value(1e-30),
    linear_one_value_just_above_one=lambda: _one_value(1 + 2**-23),
    linear_more_rows_than_a_byte_counts=lambda: _linear(spikes(603, 3, rate=0.9)),
)


# Convolutions


def _conv(dimensions: int, x: Tensor, out: int, kernel: Any, *, zeros: bool = False, **options: Any) -> Case:
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](x.shape[1], out, kernel, **options)
    if zeros:
        holes(layer.weight)
    options.pop("bias", None)
    return one(layer, x, oracle.convolution(x, layer.weight, **options))


def _transposed(dimensions: int, x: Tensor, out: int, kernel: Any, *, zeros: bool = False, **options: Any) -> Case:
    layer = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1](
        x.shape[1], out, kernel, **options
    )
    if zeros:
        holes(layer.weight)
    return one(layer, x, oracle.transposed_convolution(x, layer.weight, **options))


cases(
    conv1d=lambda: _conv(1, spikes(2, 3, 9), 4, 3, padding=1),
    conv1d_strided_dilated=lambda: _conv(1, real(2, 3, 11), 4, 3, stride=2, dilation=2, padding=2),
    conv2d_binary=lambda: _conv(2, spikes(2, 3, 6, 5), 4, 3),
    conv2d_ternary=lambda: _conv(2, ternary(2, 3, 6, 5), 4, 3, padding=1),
    conv2d_real=lambda: _conv(2, real(2, 3, 6, 5), 4, 3, padding=1),
    conv2d_padded_borders=lambda: _conv(2, spikes(2, 3, 4, 4, rate=0.9), 4, 3, padding=2),
    conv2d_strided=lambda: _conv(2, spikes(2, 3, 7, 6), 4, 3, stride=2, padding=1),
    conv2d_stride_leaves_pixels_unread=lambda: _conv(2, spikes(2, 3, 7, 8), 4, 1, stride=3),
    conv2d_dilated=lambda: _conv(2, spikes(2, 3, 8, 7), 4, 3, dilation=2, padding=2),
    conv2d_grouped=lambda: _conv(2, spikes(2, 4, 5, 5), 6, 3, groups=2, padding=1, zeros=True),
    conv2d_depthwise=lambda: _conv(2, real(2, 4, 5, 5), 8, 3, groups=4, padding=1),
    conv2d_pointwise=lambda: _conv(2, spikes(2, 4, 5, 5), 6, 1, bias=False),
    conv2d_uneven=lambda: _conv(2, spikes(2, 2, 7, 8), 3, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 3)),
    conv2d_zeros_in_weight=lambda: _conv(2, spikes(2, 3, 6, 6), 4, 3, padding=1, zeros=True),
    conv2d_channels_last=lambda: _conv(
        2, spikes(2, 3, 6, 5).to(memory_format=torch.channels_last), 4, 3, padding=1, zeros=True
    ),
    conv2d_of_a_view_with_odd_strides=lambda: _conv(
        2, spikes(2, 3, 12, 10)[:, :, ::2, ::2].transpose(2, 3), 4, 3, padding=1, zeros=True
    ),
    conv2d_more_rows_than_a_byte_counts=lambda: _conv(2, spikes(258, 1, 3, 3, rate=0.9), 2, 2),
)


@case
def conv2d_unbatched() -> Case:
    x = spikes(3, 5, 5)
    layer = nn.Conv2d(3, 4, 3, padding=1)
    return one(layer, x, oracle.convolution(x[None], layer.weight, padding=1))


cases(
    conv3d=lambda: _conv(3, spikes(1, 2, 4, 5, 4), 3, (2, 3, 2), padding=1, stride=(1, 2, 1), zeros=True),
    conv2d_valid=lambda: one(
        layer := nn.Conv2d(3, 4, 3, padding="valid"), x := spikes(2, 3, 6, 5), oracle.convolution(x, layer.weight)
    ),
    conv2d_same=lambda: one(
        layer := nn.Conv2d(3, 4, 3, padding="same", dilation=2),
        x := spikes(2, 3, 6, 5),
        oracle.convolution(x, layer.weight, padding=2, dilation=2),
    ),
    conv2d_same_with_an_even_kernel=lambda: one(
        layer := nn.Conv2d(3, 4, 2, padding="same"), x := spikes(2, 3, 6, 5), _bordered(x, layer.weight, (0, 1, 0, 1))
    ),
)


def _bordered(x: Tensor, weight: Tensor, pads: tuple[int, ...]) -> Counted:
    """Explicit zero padding: dense pairs are those of a convolution that reads ones with a border of zeros."""
    padded = F.pad(x, pads)
    counted = oracle.convolution(padded, weight)
    dense = oracle.convolution(F.pad(torch.ones_like(x), pads), torch.ones_like(weight)).effective
    return Counted(counted.effective, dense, counted.padded)


@case
def conv2d_after_zero_padding() -> Case:
    x = spikes(2, 2, 4, 5)
    model = nn.Sequential(nn.ZeroPad2d((2, 0, 1, 3)), nn.Conv2d(2, 3, 3))
    return one(model, x, _bordered(x, model[1].weight, (2, 0, 1, 3)))


def _padding_mode(mode: str) -> Case:
    x = spikes(2, 2, 5, 4)
    layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode)
    return one(layer, x, oracle.convolution(F.pad(x, (2, 2, 1, 1), mode=mode), layer.weight))


cases(
    conv2d_circular=lambda: _padding_mode("circular"),
    conv2d_reflect=lambda: _padding_mode("reflect"),
    conv2d_replicate=lambda: _padding_mode("replicate"),
    conv_transpose1d=lambda: _transposed(1, spikes(2, 3, 6), 4, 3, stride=2),
    conv_transpose2d=lambda: _transposed(
        2, spikes(2, 4, 4, 3), 3, 3, stride=2, padding=1, output_padding=1, zeros=True
    ),
    conv_transpose2d_dilated_grouped=lambda: _transposed(
        2, real(2, 4, 4, 3), 6, 3, stride=3, padding=2, dilation=2, groups=2, output_padding=1, zeros=True
    ),
    conv_transpose3d=lambda: _transposed(3, ternary(1, 2, 3, 2, 3), 2, 2, stride=2, padding=1),
)


# Functional calls and products of activations


def weighted(function: Callable[..., Tensor], x: Tensor, weight: Tensor, counted: Callable[..., Counted]) -> Case:
    """A function of an input and a parameter, whose pairs are `counted` of both."""
    return one(Function(function, weight), x, counted(x, weight))


def product(function: Callable[..., Tensor], left: Tensor, right: Tensor) -> Case:
    """A function that multiplies left [B, n, k] with right [B, k, m], both activations."""
    counted = [oracle.product(left, right)]
    classes = (counted, []) if oracle.is_unit(left) or oracle.is_unit(right) else ([], counted)
    return Case(Function(function), lambda m: m(left, right), *classes)


cases(
    functional_linear=lambda: weighted(F.linear, spikes(5, 7), torch.randn(4, 7), oracle.linear),
    functional_conv2d=lambda: weighted(
        lambda x, w: F.conv2d(x, w, padding=1),
        spikes(2, 3, 5, 5),
        torch.randn(4, 3, 3, 3),
        partial(oracle.convolution, padding=1),
    ),
    functional_linear_with_a_weight_made_on_the_fly=lambda: weighted(
        lambda x, w: F.linear(x, torch.relu(w)),
        spikes(5, 7),
        torch.randn(4, 7),
        lambda x, w: oracle.linear(x, torch.relu(w)),
    ),
    matmul_operator_with_a_parameter=lambda: weighted(
        lambda x, w: x @ w, real(2, 3, 7), torch.randn(7, 4), lambda x, w: oracle.linear(x, w.t())
    ),
    parameter_on_the_left=lambda: weighted(
        lambda x, w: w @ x, spikes(7, 5), torch.randn(4, 7), lambda x, w: oracle.linear(x.t(), w)
    ),
    einsum_with_a_parameter=lambda: weighted(
        lambda x, w: torch.einsum("bi,oi->bo", x, w), spikes(3, 5), holes(torch.randn(4, 5)), oracle.linear
    ),
    bmm_of_activations_one_of_them_spikes=lambda: product(torch.bmm, real(3, 2, 5), spikes(3, 5, 4)),
    bmm_of_real_activations=lambda: product(torch.bmm, real(3, 2, 5), real(3, 5, 4)),
    baddbmm=lambda: product(lambda a, b: torch.baddbmm(torch.ones(3, 2, 4), a, b), spikes(3, 2, 5), real(3, 5, 4)),
    addmm_of_activations=lambda: product(
        lambda a, b: torch.addmm(torch.ones(4), a[0], b[0]), real(1, 2, 5), real(1, 5, 4)
    ),
    einsum_of_activations=lambda: product(
        lambda a, b: torch.einsum("bik,bjk->bij", a, b.transpose(1, 2)), real(2, 3, 4), real(2, 4, 5)
    ),
)


@case
def mv_and_dot() -> Case:
    x = spikes(7)
    module = Function(lambda x, w: torch.mv(w, x).sum() + torch.dot(x, x), torch.randn(4, 7))
    return Case(
        module,
        lambda m: m(x),
        [oracle.linear(x, module.weights[0]), oracle.product(x[None, None], x[None, :, None])],
        [],
    )


@case
def two_products_on_one_line() -> Case:
    """Spiking self-attention without softmax: each product is a site of its own class."""
    query, key, value = spikes(2, 3, 4), spikes(2, 3, 4), real(2, 3, 4)
    scores = query @ key.transpose(1, 2) * 0.5
    return Case(
        Function(lambda q, k, v: (q @ k.transpose(1, 2) * 0.5) @ v),
        lambda m: m(query, key, value),
        [oracle.product(query, key.transpose(1, 2))],
        [oracle.product(scores, value)],
    )


@case
def bilinear_layer() -> Case:
    first, second = spikes(3, 4), spikes(3, 5)
    layer = nn.Bilinear(4, 5, 2)
    holes(layer.weight)
    return Case(layer, lambda m: m(first, second), [oracle.bilinear(first, layer.weight, second)], [])


@case
def bilinear_layer_of_one_real_input() -> Case:
    first, second = spikes(3, 4), real(3, 5)
    layer = nn.Bilinear(4, 5, 2)
    return Case(layer, lambda m: m(first, second), [], [oracle.bilinear(first, layer.weight, second)])


def _attention(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> tuple[Counted, Counted]:
    """Scores over all pairs; values over the pairs whose probability is not 0."""
    length, sources = query.shape[-2], key.shape[-2]
    hidden = torch.zeros(length, sources, dtype=torch.bool)
    for i in range(length):
        for j in range(sources):
            causal = options.get("is_causal", False) and j > i
            masked = "attn_mask" in options and not bool(options["attn_mask"][i, j])
            hidden[i, j] = causal or masked
    shown = (~hidden).float().expand(*query.shape[:-2], length, sources)
    flat = [x.reshape(-1, *x.shape[-2:]) for x in (query, key, value, shown)]
    return oracle.product(flat[0], flat[1].transpose(1, 2)), oracle.product(flat[3], flat[2])


def _sdpa(make: Callable[..., Tensor], **options: Any) -> Case:
    query, key, value = make(2, 2, 4, 3), make(2, 2, 5, 3), make(2, 2, 5, 6)
    scores, values = _attention(query, key, value, **options)
    spiking = oracle.is_unit(query)
    return Case(
        Function(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)),
        lambda m: m(query, key, value),
        [scores, values] if spiking else [],
        [] if spiking else [scores, values],
    )


cases(
    attention_of_spikes=lambda: _sdpa(spikes),
    attention_of_real_values=lambda: _sdpa(real),
    attention_causal=lambda: _sdpa(real, is_causal=True),
    attention_masked=lambda: _sdpa(
        spikes, attn_mask=torch.tensor([[True, False, True, True, False]] * 3 + [[True] * 5])
    ),
)


@case
def multihead_attention_module() -> Case:
    x = spikes(2, 3, 4)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    weight = layer.in_proj_weight
    with torch.no_grad():
        q, k, v = F.linear(x, weight, layer.in_proj_bias).chunk(3, -1)
        heads = [y.unflatten(-1, (2, 2)).transpose(1, 2) for y in (q, k, v)]
        scores, values = _attention(*heads)
        mixed = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    return Case(
        layer,
        lambda m: m(x, x, x),
        [oracle.linear(x, weight)],
        [scores, values, oracle.linear(mixed, layer.out_proj.weight)],
    )


@case
def transformer_encoder_layer() -> Case:
    x = real(2, 3, 4)
    layer = nn.TransformerEncoderLayer(4, 1, 6, batch_first=True, dropout=0.0).eval()
    with torch.no_grad():
        hidden = layer.norm1(x + layer.self_attn(x, x, x)[0])
        raised = torch.relu(layer.linear1(hidden))
        q, k, v = F.linear(x, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias).chunk(3, -1)
        scores, values = _attention(q, k, v)
        dense = torch.ones(2, 3, 4)
    return Case(
        layer,
        lambda m: m(x),
        [],
        [
            oracle.linear(x, layer.self_attn.in_proj_weight),
            scores,
            values,
            oracle.linear(dense, layer.self_attn.out_proj.weight),
            oracle.linear(hidden, layer.linear1.weight),
            oracle.linear(raised, layer.linear2.weight),
        ],
    )


# Recurrent


def _states(step: Callable[[Tensor, Tensor], Tensor], x: Tensor, width: int) -> tuple[Tensor, list[Tensor]]:
    """Hidden states before each step, and after."""
    hidden, before, after = torch.zeros(x.shape[1], width), [], []
    for value in x:
        before.append(hidden)
        hidden = step(value, hidden)
        after.append(hidden)
    return torch.stack(before), after


def _recurrent(layer: nn.RNNBase, x: Tensor) -> Case:
    """One layer, one direction, time first: the states come from the layer itself, the counting does not."""
    with torch.no_grad():
        states, _ = layer(x)
    before = torch.cat((torch.zeros(1, *states.shape[1:]), states[:-1]))
    inputs = oracle.linear(x, layer.weight_ih_l0)
    hidden = oracle.linear(before, layer.weight_hh_l0)
    return Case(
        layer, lambda m: m(x), [inputs] if oracle.is_unit(x) else [], [hidden] + ([] if oracle.is_unit(x) else [inputs])
    )


cases(
    rnn=lambda: _recurrent(nn.RNN(3, 4), spikes(5, 2, 3)),
    gru=lambda: _recurrent(nn.GRU(3, 4), real(5, 2, 3)),
    lstm=lambda: _recurrent(nn.LSTM(3, 4), spikes(5, 2, 3)),
)


@case
def lstm_bidirectional() -> Case:
    x = spikes(4, 2, 3)
    layer = nn.LSTM(3, 4, bidirectional=True)
    with torch.no_grad():
        states, _ = layer(x)
    zero = torch.zeros(1, 2, 4)
    forward, backward = states[..., :4], states[..., 4:]
    return Case(
        layer,
        lambda m: m(x),
        [oracle.linear(x, layer.weight_ih_l0), oracle.linear(x, layer.weight_ih_l0_reverse)],
        [
            oracle.linear(torch.cat((zero, forward[:-1])), layer.weight_hh_l0),
            oracle.linear(torch.cat((backward[1:], zero)), layer.weight_hh_l0_reverse),
        ],
    )


def _cell(cell: nn.Module) -> Case:
    x = spikes(4, 2, 3)

    def run(module: nn.Module) -> None:
        state = None
        for value in x:
            state = module(value, state)

    hidden, before, state = torch.zeros(2, 4), [], None
    with torch.no_grad():
        for value in x:
            before.append(hidden)
            state = cell(value, state)
            hidden = state[0] if isinstance(state, tuple) else state
    return Case(cell, run, [oracle.linear(x, cell.weight_ih)], [oracle.linear(torch.stack(before), cell.weight_hh)])


cases(
    rnn_cell=lambda: _cell(nn.RNNCell(3, 4)),
    gru_cell=lambda: _cell(nn.GRUCell(3, 4)),
    lstm_cell=lambda: _cell(nn.LSTMCell(3, 4)),
)


@case
def spiking_recurrent_cell() -> Case:
    """A recurrent spiking layer that feeds its own spikes back."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.back = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            spike, u, seen = torch.zeros(x.shape[1], 4), torch.zeros(x.shape[1], 4), []
            for current in x:
                seen.append(spike)
                u = 0.5 * u + self.input(current) + self.back(spike)
                spike = (u > 0.1).float()
                u = u - spike
            return torch.stack(seen)

    x = spikes(4, 2, 3)
    module = Recurrent()
    with torch.no_grad():
        fed_back = module(x)
    return Case(
        module, lambda m: m(x), [oracle.linear(x, module.input.weight), oracle.linear(fed_back, module.back.weight)], []
    )


# Weights that are shared, pruned or made


@case
def one_module_under_two_names() -> Case:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = self.first

        def forward(self, x: Tensor) -> Tensor:
            return self.second((self.first(x) > 0).float())

    x = spikes(3, 4)
    module = Shared()
    with torch.no_grad():
        between = (module.first(x) > 0).float()
    return Case(
        module,
        lambda m: m(x),
        [oracle.linear(x, module.first.weight) + oracle.linear(between, module.first.weight)],
        [],
    )


@case
def one_weight_in_two_modules() -> Case:
    """Tied weights are two sites: one sees spikes, the other real values."""
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    x = spikes(3, 4)
    with torch.no_grad():
        between = module[0](x)
    return Case(
        module, lambda m: m(x), [oracle.linear(x, module[0].weight)], [oracle.linear(between, module[0].weight)]
    )


@case
def called_twice_with_spikes_and_real_values() -> Case:
    """One site that saw both is MAC throughout."""
    layer = nn.Linear(4, 3)
    first, second = spikes(3, 4), real(3, 4)

    def run(module: nn.Module) -> None:
        module(first)
        module(second)

    return Case(layer, run, [], [oracle.linear(first, layer.weight) + oracle.linear(second, layer.weight)])


@case
def pruned_linear() -> Case:
    layer = nn.Linear(6, 5)
    prune.random_unstructured(layer, "weight", 0.5)
    return one(layer, x := spikes(4, 6), oracle.linear(x, layer.weight))


@case
def pruned_conv2d() -> Case:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    prune.ln_structured(layer, "weight", 0.5, 2, 0)
    return one(layer, x := spikes(2, 3, 5, 5), oracle.convolution(x, layer.weight, padding=1))


@case
def parametrized_linear() -> Case:
    class Symmetric(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight.triu() + weight.triu(1).t()

    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return one(layer, x := spikes(3, 4), oracle.linear(x, layer.weight))


@case
def binary_weights_of_real_inputs() -> Case:
    """The class is that of the input: weights of -1 and 1 alone do not make accumulates."""

    class Sign(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return torch.sign(weight)

    layer = nn.Linear(4, 3)
    parametrize.register_parametrization(layer, "weight", Sign())
    return one(layer, x := real(3, 4), oracle.linear(x, layer.weight))


@case
def weight_normalised_conv() -> Case:
    layer = parametrizations.weight_norm(nn.Conv2d(2, 3, 3))
    return one(layer, x := spikes(2, 2, 5, 5), oracle.convolution(x, layer.weight))


@case
def weight_changed_between_calls() -> Case:
    layer = nn.Linear(4, 3)
    x, before = spikes(3, 4), layer.weight.detach().clone()
    after = holes(before.clone())

    def run(module: nn.Module) -> None:
        module.weight.data.copy_(before)
        module(x)
        # Through `.data`, which hides the change from the weight's own version counter.
        module.weight.data.copy_(after)
        module(x)

    return Case(layer, run, [oracle.linear(x, before) + oracle.linear(x, after)], [])


@case
def embedding_is_a_look_up() -> Case:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
    index = torch.tensor([[0, 3, 3]])
    return Case(model, lambda m: m(index), [], [oracle.linear(model[0].weight[index].detach(), model[1].weight)])


# Pooled inputs, time, networks


def _pooled(pool: nn.Module) -> Case:
    x = spikes(2, 2, 6, 6)
    model = nn.Sequential(pool, nn.Conv2d(2, 3, 2))
    seen = pool(x)
    counted = oracle.convolution(seen, model[1].weight)
    return Case(model, lambda m: m(x), *(([counted], []) if oracle.is_unit(seen) else ([], [counted])))


cases(after_average_pooling=lambda: _pooled(nn.AvgPool2d(2)), after_max_pooling=lambda: _pooled(nn.MaxPool2d(2)))


class Looped(nn.Module):
    """A layer, a neuron, a layer; time in a loop or flattened into the batch."""

    def __init__(self, looped: bool, soft: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(32, 3)
        self.looped, self.soft = looped, soft

    def neuron(self, current: Tensor) -> Tensor:
        u, out = torch.zeros_like(current[0]), []
        for c in current:
            u = 0.5 * u + c
            spike = (u > 0.2).float()
            u = u - spike if self.soft else u * (1 - spike)
            out.append(spike)
        return torch.stack(out)

    def forward(self, x: Tensor) -> Tensor:
        if self.looped:
            spike = self.neuron(torch.stack([self.first(step) for step in x]))
            return torch.stack([self.second(step.flatten(1)) for step in spike])
        current = self.first(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.second(self.neuron(current).flatten(0, 1).flatten(1))


def _network(looped: bool, soft: bool) -> Case:
    torch.manual_seed(3)
    model = Looped(looped, soft)
    x = spikes(3, 2, 1, 4, 4)
    with torch.no_grad():
        spike = model.neuron(model.first(x.flatten(0, 1)).unflatten(0, (3, 2)))
    counted = [
        oracle.convolution(x.flatten(0, 1), model.first.weight, padding=1),
        oracle.linear(spike.flatten(2), model.second.weight),
    ]
    return Case(model, lambda m: m(x), counted, [])


cases(
    time_in_a_loop_hard=lambda: _network(True, False),
    time_in_a_loop_soft=lambda: _network(True, True),
    time_flattened_hard=lambda: _network(False, False),
    time_flattened_soft=lambda: _network(False, True),
)


@case
def loop_over_products_with_a_changing_class() -> Case:
    """Activations multiplied in a loop are one site; one real step makes all of them MAC."""
    steps = [spikes(2, 3), spikes(2, 3), real(2, 3)]
    right = real(3, 4)

    class Loop(nn.Module):
        def forward(self) -> list[Tensor]:
            return [torch.mm(step, right) for step in steps]

    total = sum((oracle.product(step[None], right[None]) for step in steps), Counted())
    return Case(Loop(), lambda m: m(), [], [total])


@case
def unfold_and_matmul() -> Case:
    x = spikes(2, 2, 5, 5)
    module = Function(lambda x, w: w.flatten(1) @ F.unfold(x, 3, padding=1), torch.randn(3, 2, 3, 3))
    effective = oracle.convolution(x, module.weights[0], padding=1)
    # The columns hold the padding as zeros of their own.
    return Case(module, lambda m: m(x), [Counted(effective.effective, effective.padded, effective.padded)], [])


@case
def elementwise_product_is_not_synaptic() -> Case:
    x = spikes(3, 4)
    model = nn.Sequential(Function(lambda x, w: x * w, torch.randn(4)), nn.Linear(4, 2))
    return Case(model, lambda m: m(x), [], [oracle.linear(x * model[0].weights[0].detach(), model[1].weight)])
