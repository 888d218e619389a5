"""VGG-16 with batch norm (Simonyan and Zisserman, ICLR 2015) as Guo et al. (ECCV 2022) released it.

3x3 convolutions with biases, each with batch norm and the activation; average pools where VGG has max pools, and one
linear layer. ReLU for the activation gives the ANN twin.
"""

from __future__ import annotations

from torch import Tensor, nn

from inflor_bench.models.networks.resnet import Activation
from inflor_bench.models.networks.time import mean_over_time, over_time

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG(nn.Module):
    """From images [N, C, H, W], shown at every step, or events [T, N, C, H, W] to logits [N, classes].

    The logits are the mean over time.

    `channels` are those of each convolution; a 2x2 average pool follows each group.
    """

    def __init__(
        self,
        channels: tuple[tuple[int, ...], ...],
        *,
        activation: Activation,
        timesteps: int,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.timesteps = timesteps
        layers: list[nn.Module] = []
        before = in_channels
        for group in channels:
            for out in group:
                layers += [nn.Conv2d(before, out, 3, padding=1), nn.BatchNorm2d(out), activation()]
                before = out
            layers.append(nn.AvgPool2d(2))
        self.conv, self.norm, *rest = layers
        self.features = nn.Sequential(*rest)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes]. A still image goes through the first convolution and its normalisation once."""
        current = over_time(x, self.timesteps, lambda frames: self.norm(self.conv(frames)))
        features = self.pool(self.features(current)).flatten(1)
        return mean_over_time(self.linear(features), self.timesteps)
