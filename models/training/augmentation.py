"""Augmentation of a whole batch on tensors. What is random is drawn first, apart from the images that it is done to.

So several processes draw the same for the whole batch, and each does its own share of it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import Dataset
from inflor_bench.models.recipe import Recipe

Drawn = dict[str, Tensor]


def check(recipe: Recipe, dataset: Dataset) -> None:
    """Check that the recipe's augmentation is possible on the data.

    Raises:
        ModelInputError: AutoAugment is asked for on events or on images that are not grey or of three colours.
    """
    if recipe.auto_augment and (dataset.test.timed or dataset.shape[0] not in (1, 3)):
        raise ModelInputError(
            f"AutoAugment is for grey or colour images, which {dataset.name!r} does not hold: choose another --recipe."
        )


def draw(recipe: Recipe, count: int, size: tuple[int, ...], generator: torch.Generator) -> Drawn:
    """All random values of a batch of `count` samples of the size (H, W), the first axis of each."""
    drawn: Drawn = {}
    if recipe.horizontal_flip:
        drawn["flip"] = torch.rand(count, generator=generator) < 0.5
    if recipe.crop_padding:
        drawn["crop"] = torch.randint(2 * recipe.crop_padding + 1, (count, 2), generator=generator)
    if recipe.roll:
        drawn["roll"] = torch.randint(-recipe.roll, recipe.roll + 1, (count, 2), generator=generator)
    if recipe.auto_augment:
        from inflor_bench.models.training import autoaugment  # here, because torchvision takes long to import

        drawn |= autoaugment.draw(count, generator)
    if recipe.cutout:
        drawn["hole"] = torch.stack([torch.randint(length, (count,), generator=generator) for length in size], 1)
    return drawn


def augment_raw(images: Tensor, drawn: Drawn, recipe: Recipe) -> Tensor:
    """What is done to raw samples [N, C, H, W] or [N, T, C, H, W]: crop or roll, then AutoAugment.

    A sample's frames move together.
    """
    height, width = images.shape[-2:]
    if "crop" in drawn:
        wider = pad(images, [recipe.crop_padding] * 4)
        images = _window(wider, drawn["crop"], height, width)
    if "roll" in drawn:
        images = _window(images, -drawn["roll"], height, width)
    if "policy" in drawn:
        from inflor_bench.models.training import autoaugment

        images = autoaugment.apply(images, drawn)
    return images


def augment_normalised(images: Tensor, drawn: Drawn, recipe: Recipe) -> Tensor:
    """What is done to normalised samples [N, C, H, W] or [T, N, C, H, W]: flip, then Cutout.

    Cutout (DeVries and Taylor, arXiv 1708.04552): a square around a random pixel is set to 0, the mean. It may reach
    over the edge.
    """
    if "flip" in drawn:
        flipped = drawn["flip"].to(images.device)
        images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if "hole" in drawn:
        rows, columns = (
            _inside(drawn["hole"][:, axis].to(images.device), images.shape[axis - 2], recipe.cutout) for axis in (0, 1)
        )
        images = images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
    return images


def _window(images: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    """Of each sample the part of this size that starts at its corner [N, 2]; what is outside comes from the other side.

    One gather for the whole batch.
    """
    corner = corner.to(images.device)
    rows = (corner[:, :1] + torch.arange(height, device=images.device)) % images.shape[-2]
    columns = (corner[:, 1:] + torch.arange(width, device=images.device)) % images.shape[-1]
    which = torch.arange(len(images), device=images.device)[:, None, None]
    pixels = images.movedim((-2, -1), (1, 2))[which, rows[:, :, None], columns[:, None, :]]
    return pixels.movedim((1, 2), (-2, -1))


def _inside(centre: Tensor, length: int, side: int) -> Tensor:
    """Whether each of `length` positions is within the side around the centre [N]: bool [N, length]."""
    distance = torch.arange(length, device=centre.device) - centre[:, None]
    return (distance >= -(side // 2)) & (distance < side - side // 2)
