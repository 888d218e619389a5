"""The networks by name. Each entry makes the network from an activation factory and the shapes of its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from inflor_bench.models.networks.released_resnet import ReleasedResNet
from inflor_bench.models.networks.resnet import CifarResNet
from inflor_bench.models.networks.vgg import VGG, VGG16

_FOUR_STAGES = (64, 128, 256, 512)

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "resnet8": partial(CifarResNet, 1, 1),
    "resnet8x4": partial(CifarResNet, 1, 4),
    "resnet20": partial(CifarResNet, 3, 1),
    "resnet19": partial(ReleasedResNet, "cifar", (3, 3, 2), (128, 256, 512)),
    "resnet20-modified": partial(ReleasedResNet, "deep", (2, 2, 2, 2), _FOUR_STAGES),
    "vgg16": partial(VGG, VGG16),
    "resnet18": partial(ReleasedResNet, "imagenet", (2, 2, 2, 2), _FOUR_STAGES),
    "resnet34": partial(ReleasedResNet, "imagenet", (3, 4, 6, 3), _FOUR_STAGES),
}
