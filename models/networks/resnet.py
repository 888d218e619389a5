"""Classic CIFAR residual networks (He et al., CVPR 2016), over an activation factory: ReLU gives the ANN twin.

A 3x3 stem, three stages of basic blocks with strides 1, 2 and 2, global average pool, one linear layer. The stages have
16, 32 and 64 channels, or a multiple of them (wide residual networks, Zagoruyko and Komodakis, BMVC 2016); the stem has
those of the first. Where a block changes the shape its shortcut is a strided 1x1 convolution with normalisation.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from inflor_bench.models.networks.time import mean_over_time, over_time

Activation = Callable[[], nn.Module]


class BasicBlock(nn.Module):
    """conv-norm-activation-conv-norm, plus the shortcut, activation: [B, C, H, W] to [B, out, H/stride, W/stride]."""

    def __init__(self, channels: int, out: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.activation1 = activation()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
        self.activation2 = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Residual block on [B, C, H, W], B = T*N."""
        residual = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(x)))))
        return self.activation2(residual + self.shortcut(x))


class CifarResNet(nn.Module):
    """From images [N, C, H, W], shown at every step, or events [T, N, C, H, W] to logits [N, classes].

    The logits are the mean over time.

    `blocks` is the number of blocks of each stage, `width` what their channels are multiplied by.
    """

    def __init__(
        self, blocks: int, width: int, *, activation: Activation, timesteps: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        self.timesteps = timesteps
        channels = 16 * width
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = activation()
        stages: list[nn.Module] = []
        for out, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
            stage = [
                BasicBlock(channels if i == 0 else out, out, stride if i == 0 else 1, activation) for i in range(blocks)
            ]
            stages.append(nn.Sequential(*stage))
            channels = out
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes]. A still image goes through the first convolution and its normalisation once."""
        current = over_time(x, self.timesteps, lambda frames: self.norm(self.conv(frames)))
        features = self.pool(self.stages(self.activation(current))).flatten(1)
        return mean_over_time(self.linear(features), self.timesteps)
