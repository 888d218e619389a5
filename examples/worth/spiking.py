"""A spiking network of SpikingJelly for the digits: integrate and fire with a soft reset, 4 time steps inside."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn

TIMESTEPS = 4
WEIGHTS = Path(__file__).with_name("spiking.safetensors")


def spikes() -> nn.Module:
    """Neurons that fire at 1, and keep what is above."""
    return neuron.IFNode(v_reset=None, surrogate_function=surrogate.ATan(), detach_reset=True)


class Spiking(nn.Module):
    """Images [N, 1, 8, 8] in, class scores [N, 10] out: the mean over the time steps."""

    def __init__(self) -> None:
        super().__init__()
        # The image is the same at every step, and so is what the first convolution makes of it.
        self.current = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.step = nn.Sequential(
            spikes(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            spikes(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images."""
        functional.reset_net(self)
        current = self.current(images)
        return torch.stack([self.step(current) for _ in range(TIMESTEPS)]).mean(0)


def network() -> nn.Module:
    """The trained network."""
    model = Spiking()
    model.load_state_dict(load_file(WEIGHTS))
    return model
