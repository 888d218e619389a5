"""Brute-force counting in plain loops, sharing nothing with the counter: one Python step for every pair."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Counted:
    """Pairs of non-zero input and non-zero weight, pairs inside the borders, pairs with padding taps."""

    effective: int = 0
    dense: int = 0
    padded: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.effective + other.effective, self.dense + other.dense, self.padded + other.padded)


def linear(x: Tensor, weight: Tensor) -> Counted:
    """x [..., In], weight [Out, In]."""
    effective = dense = 0
    for row in x.reshape(-1, x.shape[-1]).tolist():
        for outputs in weight.tolist():
            for value, synapse in zip(row, outputs, strict=True):
                dense += 1
                effective += value != 0 and synapse != 0
    return Counted(effective, dense, dense)


def product(left: Tensor, right: Tensor) -> Counted:
    """left [B, n, k] times right [B, k, m]."""
    effective = dense = 0
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        for row in a:
            for column in zip(*b, strict=True):
                for first, second in zip(row, column, strict=True):
                    dense += 1
                    effective += first != 0 and second != 0
    return Counted(effective, dense, dense)


def convolution(x: Tensor, weight: Tensor, stride=1, padding=0, dilation=1, groups=1) -> Counted:
    """x [N, C, *spatial], weight [C_out, C / groups, *kernel]: gather for every output position."""
    spatial, kernel = x.shape[2:], weight.shape[2:]
    stride, padding, dilation = (_each(value, len(spatial)) for value in (stride, padding, dilation))
    output = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
    ]
    effective = dense = padded = 0
    per_group = weight.shape[0] // groups
    data, weights = x.detach().numpy(), weight.detach().numpy()
    for n, out in itertools.product(range(x.shape[0]), range(weight.shape[0])):
        for place in itertools.product(*map(range, output)):
            for channel in range(weight.shape[1]):
                source = out // per_group * weight.shape[1] + channel
                for tap in itertools.product(*map(range, kernel)):
                    padded += 1
                    at = tuple(
                        o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True)
                    )
                    if all(0 <= a < size for a, size in zip(at, spatial, strict=True)):
                        dense += 1
                        effective += bool(data[(n, source, *at)] != 0 and weights[(out, channel, *tap)] != 0)
    return Counted(effective, dense, padded)


def transposed_convolution(
    x: Tensor, weight: Tensor, stride=1, padding=0, dilation=1, groups=1, output_padding=0
) -> Counted:
    """x [N, C, *spatial], weight [C, C_out / groups, *kernel]: scatter from every input position."""
    spatial, kernel = x.shape[2:], weight.shape[2:]
    stride, padding, dilation, extra = (_each(v, len(spatial)) for v in (stride, padding, dilation, output_padding))
    output = [
        (size - 1) * s - 2 * p + d * (k - 1) + e + 1
        for size, k, s, p, d, e in zip(spatial, kernel, stride, padding, dilation, extra, strict=True)
    ]
    assert weight.shape[0] % groups == 0
    effective = dense = padded = 0
    for n, channel in itertools.product(range(x.shape[0]), range(x.shape[1])):
        for place in itertools.product(*map(range, spatial)):
            for out in range(weight.shape[1]):
                for tap in itertools.product(*map(range, kernel)):
                    padded += 1
                    at = [
                        i * s - p + t * d for i, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True)
                    ]
                    if all(0 <= a < size for a, size in zip(at, output, strict=True)):
                        dense += 1
                        effective += bool(x[(n, channel, *place)] != 0 and weight[(channel, out, *tap)] != 0)
    return Counted(effective, dense, padded)


def bilinear(first: Tensor, weight: Tensor, second: Tensor) -> Counted:
    """first [N, I], weight [Out, I, J], second [N, J]: triples."""
    effective = dense = 0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        for matrix in weight.tolist():
            for value, row in zip(a, matrix, strict=True):
                for synapse, other in zip(row, b, strict=True):
                    dense += 1
                    effective += value != 0 and synapse != 0 and other != 0
    return Counted(effective, dense, dense)


def is_unit(*inputs: Tensor) -> bool:
    """Whether every element is -1, 0 or 1."""
    return all(value in (-1, 0, 1) for x in inputs for value in torch.as_tensor(x).flatten().tolist())


def _each(value, dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(value)


def pairs(*factors: Tensor) -> Counted:
    """Factors of shapes that broadcast: one pair for each element of their product."""
    together = torch.broadcast_shapes(*(factor.shape for factor in factors))
    rows = [factor.detach().float().expand(together).numpy() for factor in factors]
    effective = dense = 0
    for place in itertools.product(*map(range, together)):
        dense += 1
        effective += all(row[place] != 0 for row in rows)
    return Counted(effective, dense, dense)
