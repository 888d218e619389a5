"""The spiking transformer that SpikingJelly ships, for images of 3x32x32, small enough for a laptop."""

import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model.spikformer import Spikformer
from torch import Tensor, nn

TIMESTEPS = 4


class Transformer(nn.Module):
    """Images [N, 3, 32, 32] in, class scores [N, 10] out. It repeats the image at every step by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Spikformer(
            T=TIMESTEPS,
            img_size_h=32,
            img_size_w=32,
            patch_size=4,
            num_classes=10,
            embed_dims=64,
            num_heads=4,
            depths=2,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images."""
        scores: Tensor = self.body(images)
        return scores


def transformer() -> nn.Module:
    """An untrained one. Its normalisation has seen noise, so that its neurons fire."""
    model = Transformer().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean of all passes, not of the last ones
    with torch.no_grad():
        for _ in range(4):
            model(torch.rand(8, 3, 32, 32))
            functional.reset_net(model)
    return model
