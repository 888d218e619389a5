"""The networks by name. Each entry makes the network from an activation factory and the shapes of its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from models.networks.resnet import CifarResNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "resnet8": partial(CifarResNet, 1),
    "resnet20": partial(CifarResNet, 3),
}
