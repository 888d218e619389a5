"""What counting and a training step cost, against time steps, batch, width and depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from inflor_bench.measure import SynOpCounter
from inflor_bench.models.neurons import activation_factory

SIDE = 16


@dataclass(frozen=True)
class Size:
    """Time steps, batch, channels, layers; the work is the multiply-accumulates of the convolutions."""

    timesteps: int = 2
    batch: int = 8
    width: int = 32
    depth: int = 4

    @property
    def work(self) -> float:
        return float(self.timesteps * self.batch * self.depth * self.width**2 * 9 * SIDE**2)


AXES: dict[str, list[Size]] = {
    "T": [replace(Size(), timesteps=value) for value in (1, 2, 4, 8, 16)],
    "batch": [replace(Size(), batch=value) for value in (4, 8, 16, 32, 64)],
    "width": [replace(Size(), width=value) for value in (16, 32, 64, 128)],
    "depth": [replace(Size(), depth=value) for value in (2, 4, 8, 16, 32)],
}


def network(size: Size) -> nn.Module:
    """`depth` times convolution, normalisation and soft-reset neuron, at one resolution; input [T*N, width, 16, 16]."""
    activation = activation_factory("soft", size.timesteps)
    layers: list[nn.Module] = []
    for _ in range(size.depth):
        convolution = nn.Conv2d(size.width, size.width, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(size.width), activation()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(size.width, 10))


def spikes(size: Size) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (size.timesteps * size.batch, size.width, SIDE, SIDE)
    return (torch.rand(shape, generator=generator) < 0.2).float()


def forward(size: Size) -> Callable[[], object]:
    model, inputs = network(size).eval(), spikes(size)

    @torch.inference_mode()
    def call() -> object:
        return model(inputs)

    return call


def counting(size: Size) -> Callable[[], object]:
    model, inputs = network(size).eval(), spikes(size)

    @torch.inference_mode()
    def call() -> object:
        with SynOpCounter(model) as counter:
            model(inputs)
        return counter.result(samples=size.batch)

    return call


def training_step(size: Size) -> Callable[[], object]:
    model, inputs = network(size).train(), spikes(size)
    labels = torch.arange(size.timesteps * size.batch) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def call() -> object:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        return None

    return call


NETWORKS = {"a forward pass": forward, "counting": counting, "a training step": training_step}
