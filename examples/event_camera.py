"""A network for the events of a change-detecting sensor: frames [T, N, 2, H, W], neurons of SpikingJelly's."""

import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn


class Events(nn.Module):
    """Frames of events [T, N, 2, 10, 10] in, class scores [N, 10] out: the mean over the time steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            layer.Conv2d(2, 16, 3, padding=1, bias=False),
            layer.BatchNorm2d(16),
            neuron.LIFNode(tau=2.0, v_threshold=0.5),
            layer.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            layer.BatchNorm2d(32),
            neuron.LIFNode(tau=2.0, v_threshold=0.5),
            layer.Flatten(),
            layer.Linear(800, 10),
        )
        functional.set_step_mode(self, "m")

    def forward(self, frames: Tensor) -> Tensor:
        """Class scores of frames."""
        functional.reset_net(self)
        scores: Tensor = self.layers(frames).mean(0)
        return scores


def events() -> nn.Module:
    """An untrained network. Its normalisation has seen sparse noise, so that its neurons fire."""
    model = Events().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all passes, not of the last ones
    with torch.no_grad():
        for _ in range(4):
            model((torch.rand(4, 32, 2, 10, 10) < 0.3).float())
    return model
