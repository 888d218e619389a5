"""Small cases and their true counts, in plain loops: one Python step for every pair of an input and a weight."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


@dataclass(frozen=True)
class Truth:
    """Effective operations by class, pairs inside the borders, and pairs with padding taps."""

    ac: int
    mac: int
    dense: int
    dense_padded: int


@dataclass(frozen=True)
class Case:
    """One layer (in a container, as peers expect), an input [N, ...], and what gives its pairs in plain loops."""

    module: nn.Module
    x: Tensor
    pairs: Callable[[], tuple[int, int, int]]

    def truth(self) -> Truth:
        """Count in plain loops."""
        effective, dense, padded = self.pairs()
        is_unit = all(value in (-1, 0, 1) for value in self.x.flatten().tolist())
        return Truth(effective if is_unit else 0, 0 if is_unit else effective, dense, padded)


def _linear(x: Tensor, weight: Tensor) -> tuple[int, int, int]:
    effective = dense = 0
    for row in x.flatten(0, -2).tolist():
        for synapses in weight.tolist():
            for value, synapse in zip(row, synapses, strict=True):
                dense += 1
                effective += value != 0 and synapse != 0
    return effective, dense, dense


def _convolution(x: Tensor, weight: Tensor, stride: int, padding: int, groups: int) -> tuple[int, int, int]:
    """x [N, C, H, W], weight [C_out, C / groups, k, k]: what every output position reads."""
    effective = dense = padded = 0
    data, weights, kernel = x.tolist(), weight.tolist(), weight.shape[2]
    height, width = x.shape[2:]
    rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
    for image, out, row, column in itertools.product(data, range(len(weights)), range(rows), range(columns)):
        first = out // (len(weights) // groups) * weight.shape[1]
        for channel, tap_row, tap_column in itertools.product(range(weight.shape[1]), range(kernel), range(kernel)):
            padded += 1
            i, j = row * stride - padding + tap_row, column * stride - padding + tap_column
            if 0 <= i < height and 0 <= j < width:
                dense += 1
                effective += image[first + channel][i][j] != 0 and weights[out][channel][tap_row][tap_column] != 0
    return effective, dense, padded


def _transposed(x: Tensor, weight: Tensor) -> tuple[int, int, int]:
    """x [N, C, H, W], weight [C, C_out, k, k], no padding: every input position is added to all its outputs."""
    effective = dense = 0
    for image in x.tolist():
        for plane, outputs in zip(image, weight.tolist(), strict=True):
            for value in itertools.chain.from_iterable(plane):
                for synapse in itertools.chain.from_iterable(itertools.chain.from_iterable(outputs)):
                    dense += 1
                    effective += value != 0 and synapse != 0
    return effective, dense, dense


def _self_product(x: Tensor) -> tuple[int, int, int]:
    """x [N, n, k] times its transpose."""
    effective = dense = 0
    for matrix in x.tolist():
        for left, right in itertools.product(matrix, matrix):
            for a, b in zip(left, right, strict=True):
                dense += 1
                effective += a != 0 and b != 0
    return effective, dense, dense


class _Functional(nn.Module):
    """A convolution that is called as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(6, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 4, H, W]."""
        return conv2d(x, self.weight, padding=1)


class _Product(nn.Module):
    """A product of two activations, as in attention."""

    def forward(self, x: Tensor) -> Tensor:
        """x [N, n, k]."""
        return x @ x.transpose(1, 2)


def cases() -> dict[str, Case]:
    """The cases, the same in every process."""
    generator = torch.Generator().manual_seed(0)

    def spikes(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) < 0.4).float()

    def real(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).sub(0.5).relu()

    def filled(layer: nn.Module, *, pruned: bool = False) -> tuple[nn.Sequential, Tensor]:
        """Fill a layer with weights that are not zero, or half of them; return it in a container, and its weight."""
        (weight,) = (parameter for name, parameter in layer.named_parameters() if name == "weight")
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.1)
            if pruned:
                weight[torch.rand(weight.shape, generator=generator) < 0.5] = 0
        return nn.Sequential(layer), weight

    def linear(x: Tensor, *, pruned: bool = False) -> Case:
        module, weight = filled(nn.Linear(x.shape[-1], 5), pruned=pruned)
        return Case(module, x, lambda: _linear(x, weight))

    def convolution(x: Tensor, stride: int = 1, padding: int = 1, groups: int = 1, *, pruned: bool = False) -> Case:
        module, weight = filled(nn.Conv2d(4, 6, 3, stride, padding, groups=groups), pruned=pruned)
        return Case(module, x, lambda: _convolution(x, weight, stride, padding, groups))

    def functional(x: Tensor) -> Case:
        module, weight = filled(_Functional())
        return Case(module, x, lambda: _convolution(x, weight, 1, 1, 1))

    def transposed(x: Tensor) -> Case:
        module, weight = filled(nn.ConvTranspose2d(4, 6, 2, 2))
        return Case(module, x, lambda: _transposed(x, weight))

    def product(x: Tensor) -> Case:
        return Case(nn.Sequential(_Product()), x, lambda: _self_product(x))

    image = (3, 4, 6, 6)
    return {
        "linear, spikes": linear(spikes(3, 7)),
        "linear, values": linear(real(3, 7)),
        "linear, spikes, pruned": linear(spikes(3, 7), pruned=True),
        "linear, {-1, 0, 1}": linear(spikes(3, 7) - spikes(3, 7)),
        "linear, tokens": linear(spikes(3, 2, 7)),
        "convolution, spikes": convolution(spikes(*image)),
        "convolution, values": convolution(real(*image)),
        "convolution, spikes, pruned": convolution(spikes(*image), pruned=True),
        "convolution, spikes, stride 2": convolution(spikes(*image), stride=2),
        "convolution, spikes, groups": convolution(spikes(*image), groups=2),
        "convolution, called as a function": functional(spikes(*image)),
        "transposed convolution, spikes": transposed(spikes(*image)),
        "product of activations": product(spikes(3, 4, 5)),
    }
