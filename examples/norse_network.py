"""A convolutional network of Norse's, whose state goes in and out of each step."""

from typing import Any

import torch
from norse.torch import LIFBoxCell, LIFBoxParameters, SequentialState
from torch import Tensor, nn

TIMESTEPS = 4


def neuron() -> LIFBoxCell:
    """Neurons that keep half of their membrane a step, and fire at 0.2."""
    return LIFBoxCell(LIFBoxParameters(tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.2)))


class Classifier(nn.Module):
    """Images [N, 1, 8, 8] in, class scores [N, 10] out: the mean over the time steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = SequentialState(
            nn.Conv2d(1, 16, 3, padding=1),
            neuron(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            neuron(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images."""
        state: Any = None
        scores = []
        for _ in range(TIMESTEPS):
            step, state = self.layers(images, state)
            scores.append(step)
        return torch.stack(scores).mean(0)
