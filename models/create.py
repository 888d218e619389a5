"""Makes a network from its description, initialised from a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models.networks import NETWORKS
from inflor_bench.models.networks.resnet import CifarResNet
from inflor_bench.models.neurons import DEFAULT_CONSTANTS, WITHOUT_TIME, activation_factory

HYPERPARAMETERS = ("decay", "threshold", "reset_by")


@dataclass(frozen=True)
class ModelConfig:
    """Everything that determines a network but its weights. Stored with every checkpoint."""

    network: str
    neuron: str
    timesteps: int
    num_classes: int
    in_channels: int
    hyperparameters: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def create_model(
    name: str, *, neuron: str, timesteps: int, num_classes: int, in_channels: int, **hyperparameters: float
) -> nn.Module:
    """Make the named network with freshly initialised weights (from torch's global random state).

    Args:
        name: "resnet8", "resnet20" (classic) or "resnet8x4" (four times the channels), or a network of Guo et al.
            (ECCV 2022): "resnet19", "resnet20-modified", "vgg16", and for ImageNet "resnet18" and "resnet34".
        neuron: "relu" (the ANN twin), "quant" (the fair twin), "hard", "soft", "hard-mpr" or "soft-mpr"; "soft-if" and
            "soft-if-mpr" are the same as "soft" and "soft-mpr" here, where the decay is told.
        timesteps: T; 1 for "relu"; for "quant", which has no time, the levels of its activations above 0.
        num_classes: outputs of the last layer.
        in_channels: channels of the images.
        **hyperparameters: `decay`, `threshold`, `reset_by` of the neurons.

    Raises:
        ModelInputError: a name, neuron, number of steps or hyper-parameter that does not exist.
    """
    if name not in NETWORKS:
        raise ModelInputError(f"Unknown network {name!r}: choose one of {', '.join(NETWORKS)}.")
    for key in hyperparameters:
        if key not in HYPERPARAMETERS:
            raise ModelInputError(f"Unknown hyper-parameter {key!r}: choose among {', '.join(HYPERPARAMETERS)}.")
    activation = activation_factory(neuron, timesteps, **hyperparameters)
    if neuron == "quant":
        timesteps = 1
    model = NETWORKS[name](activation=activation, timesteps=timesteps, num_classes=num_classes, in_channels=in_channels)
    # Convolutions keep torch's initialisation. Normalisation follows each of them, so the size of its weights sets only
    # how fast they turn at a given learning rate: with He's, 2.4 times as large, a soft resnet8 on Fashion-MNIST ended
    # its second epoch of two at a training loss of 0.51, with torch's at 0.42.
    # The networks as released start with norms of weight 1, or 0 where they say so: tdBN has its scale built in.
    if neuron != "relu" and isinstance(model, CifarResNet):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Currents start around the firing level, not at twice its scale (the idea of tdBN, Zheng et al. 2021).
                nn.init.constant_(module.weight, 0.5)
    return model


def build(config: ModelConfig, seed: int | None = None) -> nn.Module:
    """Make the network that `config` describes, from `seed` where one is given, leaving torch's random state alone."""
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        return create_model(
            config.network,
            neuron=config.neuron,
            timesteps=config.timesteps,
            num_classes=config.num_classes,
            in_channels=config.in_channels,
            **config.hyperparameters,
        )


def config_for(network: str, neuron: str, timesteps: int, num_classes: int, in_channels: int) -> ModelConfig:
    """A network with its neuron's default constants spelt out; a network without time has none.

    Neurons that integrate and fire ("soft-if", "soft-if-mpr") have no leak, as in the code that Guo et al. released.
    """
    constants = {} if neuron in WITHOUT_TIME else dict(DEFAULT_CONSTANTS)
    if "-if" in neuron:
        constants["decay"] = 1.0
    return ModelConfig(network, neuron, timesteps, num_classes, in_channels, constants)
