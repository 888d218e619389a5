"""AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019) on a batch: images that drew the same operation go together.

Policies and operations are torchvision's, whose own transform would apply one policy to the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms.v2 import functional as F

POLICIES = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
LEVELS = 10
SIGNED = {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"}


def draw(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """For each image a policy, and for both of its operations whether it is applied and whether it is negative."""
    policy = torch.randint(len(POLICIES), (count,), generator=generator)
    chance = torch.tensor([[first[1], second[1]] for first, second in POLICIES])
    applied = torch.rand(count, 2, generator=generator) <= chance[policy]
    return {"policy": policy, "applied": applied, "negative": torch.rand(count, 2, generator=generator) < 0.5}


def apply(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Images [N, 1 or 3, H, W], uint8, after both operations of the policy that each of them drew.

    Operations are called once for each group of images that drew the same, never once an image.
    """
    images = images.clone()
    for stage in (0, 1):
        for number, policy in enumerate(POLICIES):
            name, _, level = policy[stage]
            for negative in (False, True) if name in SIGNED else (None,):
                chosen = (drawn["policy"] == number) & drawn["applied"][:, stage]
                if negative is not None:
                    chosen &= drawn["negative"][:, stage] == negative
                (which,) = torch.nonzero(chosen, as_tuple=True)
                if len(which):
                    which = which.to(images.device)
                    images[which] = operation(name, level, bool(negative), images.shape[-2:])(images[which])
    return images


def operation(name: str, level: int | None, negative: bool, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """The named operation at a level from 0 to 9, on images of a size (H, W)."""
    sign, height, width = -1 if negative else 1, *size

    def up_to(most: float) -> float:
        # In float32, as torchvision: brightness and the like are rounded down, so a last bit is a step of 1.
        return sign * float(torch.linspace(0.0, most, LEVELS)[level or 0])

    shear = math.degrees(math.atan(up_to(0.3)))
    still = {"angle": 0.0, "scale": 1.0}
    operations: dict[str, Callable[[Tensor], Tensor]] = {
        "ShearX": partial(F.affine, **still, translate=[0, 0], shear=[shear, 0.0], center=[0, 0]),
        "ShearY": partial(F.affine, **still, translate=[0, 0], shear=[0.0, shear], center=[0, 0]),
        "TranslateX": partial(F.affine, **still, translate=[int(up_to(150 / 331 * width)), 0], shear=[0.0, 0.0]),
        "TranslateY": partial(F.affine, **still, translate=[0, int(up_to(150 / 331 * height))], shear=[0.0, 0.0]),
        "Rotate": partial(F.rotate, angle=up_to(30)),
        "Brightness": partial(F.adjust_brightness, brightness_factor=1 + up_to(0.9)),
        "Color": partial(F.adjust_saturation, saturation_factor=1 + up_to(0.9)),
        "Contrast": partial(F.adjust_contrast, contrast_factor=1 + up_to(0.9)),
        "Sharpness": partial(F.adjust_sharpness, sharpness_factor=1 + up_to(0.9)),
        "Posterize": partial(F.posterize, bits=round(8 - up_to(4))),
        "Solarize": partial(F.solarize, threshold=255 * (1 - up_to(1))),
        "AutoContrast": F.autocontrast,
        "Equalize": F.equalize,
        "Invert": F.invert,
    }
    return operations[name]
