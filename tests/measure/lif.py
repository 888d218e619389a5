"""A small neuron and network of the tests' own: nothing of ours but what `SpikingNeuron` asks for."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainLIF(nn.Module):
    """Leaky integrate-and-fire over [T*N, ...], step by step."""

    def __init__(self, timesteps: int, reset: str = "soft", mpr: bool = False, decay: float = 0.5) -> None:
        super().__init__()
        self.timesteps, self.reset, self.mpr, self.decay, self.threshold = timesteps, reset, mpr, decay, 0.5

    def _run(self, current: Tensor) -> tuple[Tensor, Tensor]:
        membranes, spikes = [], []
        v = torch.zeros_like(current.unflatten(0, (self.timesteps, -1))[0])
        for step in current.unflatten(0, (self.timesteps, -1)):
            u = self.decay * v + step
            fired = (u > self.threshold).to(u.dtype)
            v = self.after_reset(u, fired)
            membranes.append(u)
            spikes.append(fired)
        return torch.cat(membranes), torch.cat(spikes)

    def forward(self, current: Tensor) -> Tensor:
        return self._run(current)[1]

    def membrane(self, current: Tensor) -> Tensor:
        return self._run(current)[0]

    def after_reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        return u * (1 - spikes) if self.reset == "hard" else u - spikes


class RectifiedLIF(PlainLIF):
    """Also offers a rectifier; any increasing function will do for a test."""

    def rectify(self, u: Tensor) -> Tensor:
        return torch.tanh(2 * u)


class Network(nn.Module):
    """[N, C, H, W] to [N, classes]: two convolutions with neurons and a linear layer, averaged over time."""

    def __init__(self, first: nn.Module, second: nn.Module, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.conv1, self.neuron1 = nn.Conv2d(1, 4, 3, padding=1), first
        self.conv2, self.neuron2 = nn.Conv2d(4, 3, 3, stride=2), second
        self.linear = nn.Linear(3 * 3 * 3, 5)

    def forward(self, images: Tensor) -> Tensor:
        current = self.conv1(images).repeat(self.timesteps, 1, 1, 1) * 2
        spikes = self.neuron2(self.conv2(self.neuron1(current)) * 3)
        return self.linear(spikes.flatten(1)).unflatten(0, (self.timesteps, -1)).mean(0)


def network(timesteps: int = 3, reset: str = "soft", neuron: type[PlainLIF] = RectifiedLIF) -> Network:
    torch.manual_seed(7)
    return Network(neuron(timesteps, reset), neuron(timesteps, reset), timesteps).eval()


def images(samples: int) -> Tensor:
    return torch.randn(samples, 1, 7, 7, generator=torch.Generator().manual_seed(samples))
