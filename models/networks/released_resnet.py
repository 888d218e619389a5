"""The residual networks of Guo et al. (ECCV 2022) as released: ResNet-19, ResNet-20 (modified), ResNet-18, ResNet-34.

Basic blocks with threshold-dependent batch norm (`models.networks.tdbn`), after one of three stems:

    cifar       3x3 convolution                                                     ResNet-19
    deep        three 3x3 convolutions, then 2x2 average pool                       ResNet-20, modified
    imagenet    7x7 convolution of stride 2, then 3x3 average pool of stride 2      ResNet-18, ResNet-34

Each convolution of a stem is followed by plain batch norm and the activation. The first stage has stride 1, the others
have stride 2. ReLU for the activation gives the ANN twin.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from inflor_bench.models.networks.resnet import Activation
from inflor_bench.models.networks.tdbn import OF_TWO, TdBatchNorm2d
from inflor_bench.models.networks.time import mean_over_time, over_time

Stem = Literal["cifar", "deep", "imagenet"]


class TdBasicBlock(nn.Module):
    """conv-tdBN-activation-conv-tdBN, plus the shortcut, activation: [B, C, H, W] to [B, out, H/stride, W/stride].

    Where the shape changes the shortcut is a projection: a 1x1 convolution that strides, or, if `pooled`, an average
    pool before one that does not; then tdBN.
    """

    def __init__(self, channels: int, out: int, stride: int, pooled: bool, activation: Activation) -> None:
        super().__init__()
        projected = stride != 1 or channels != out
        alpha = OF_TWO if projected else 1.0
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = TdBatchNorm2d(out)
        self.activation1 = activation()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = TdBatchNorm2d(out, alpha)
        self.shortcut: nn.Module = nn.Identity()
        if projected:
            # ceil_mode: a strided 3x3 convolution rounds an odd size up, too.
            pool = [nn.AvgPool2d(stride, ceil_mode=True)] if pooled else []
            projection = nn.Conv2d(channels, out, 1, stride=1 if pooled else stride, bias=False)
            self.shortcut = nn.Sequential(*pool, projection, TdBatchNorm2d(out, alpha))
        self.activation2 = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Residual block on [B, C, H, W], B = T*N."""
        residual = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(x)))))
        return self.activation2(residual + self.shortcut(x))


class ReleasedResNet(nn.Module):
    """From images [N, C, H, W], shown at every step, or events [T, N, C, H, W] to logits [N, classes].

    The logits are the mean over time.

    `stem` is one of those above, `blocks` and `channels` are the number of blocks and the channels of each stage; the
    stem has the channels of the first. With the deep stem, shortcuts are pooled and the second norm of each block
    starts with weight 0, so that a block starts as its shortcut.
    """

    def __init__(
        self,
        stem: Stem,
        blocks: tuple[int, ...],
        channels: tuple[int, ...],
        *,
        activation: Activation,
        timesteps: int,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.timesteps = timesteps
        width, deep = channels[0], stem == "deep"
        self.stem_is_deep = deep
        size, stride = (7, 2) if stem == "imagenet" else (3, 1)
        self.conv = nn.Conv2d(in_channels, width, size, stride=stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        rest: list[nn.Module] = [activation()]
        if deep:
            for _ in range(2):
                rest += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), activation()]
            rest.append(nn.AvgPool2d(2))
        elif stem == "imagenet":
            rest.append(nn.AvgPool2d(3, stride=2, padding=1))
        self.stem = nn.Sequential(*rest)
        stages: list[nn.Module] = []
        for number, (count, out) in enumerate(zip(blocks, channels, strict=True)):
            first = TdBasicBlock(width, out, 1 if number == 0 else 2, deep, activation)
            others = [TdBasicBlock(out, out, 1, deep, activation) for _ in range(count - 1)]
            stages.append(nn.Sequential(first, *others))
            width = out
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(width, num_classes)
        if deep:
            for module in self.modules():
                if isinstance(module, TdBasicBlock):
                    nn.init.zeros_(module.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes]. A still image goes through the first convolution and its normalisation once."""
        current = over_time(x, self.timesteps, lambda frames: self.norm(self.conv(frames)))
        features = self.pool(self.stages(self.stem(current))).flatten(1)
        return mean_over_time(self.linear(features), self.timesteps)
