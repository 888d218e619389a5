"""Its twin: the same layers, with torch's own quantisation to the 5 values that 4 time steps can say."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver

LEVELS = 4
WEIGHTS = Path(__file__).with_name("quantised.safetensors")


def rounds() -> nn.Module:
    """ReLU, rounded to a whole number of steps, 0 to 4; the size of a step is learned from what comes by."""
    quantiser = FakeQuantize(MovingAverageMinMaxObserver, quant_min=0, quant_max=LEVELS, dtype=torch.quint8)
    return nn.Sequential(nn.ReLU(), quantiser)


class Quantised(nn.Sequential):
    """Images [N, 1, 8, 8] in, class scores [N, 10] out."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            rounds(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            rounds(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


def network() -> nn.Module:
    """The trained network."""
    model = Quantised()
    model.load_state_dict(load_file(WEIGHTS))
    return model.apply(torch.ao.quantization.disable_observer)
