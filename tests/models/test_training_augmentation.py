"""Augmentation of a batch against the same thing image by image, and of events frame by frame."""

import pytest
import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.functional import InterpolationMode

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.positions import generator_at
from inflor_bench.models.recipe import RECIPES, Recipe
from inflor_bench.models.training import autoaugment
from inflor_bench.models.training.augmentation import augment_normalised, augment_raw, check, draw

ALL = Recipe(epochs=1, batch_size=2, horizontal_flip=True, crop_padding=4, auto_augment=True, cutout=16, roll=5)
N, SIZE = 64, (32, 32)


def pictures(*shape):
    """Smooth random pictures: noise would hide a wrong interpolation."""
    small = torch.rand(*shape[:-2], 5, 5, generator=torch.Generator().manual_seed(0)).flatten(0, -3)
    large = torch.nn.functional.interpolate(small[None] * 255, size=shape[-2:], mode="bilinear")
    return large[0].reshape(shape).to(torch.uint8)


def theirs(image, name, level, negative):
    """One operation of torchvision on one image, as its own transform calls it."""
    magnitudes, signed = AutoAugment(AutoAugmentPolicy.CIFAR10)._augmentation_space(10, SIZE)[name]
    magnitude = float(magnitudes[level]) if level is not None else 0.0
    return _apply_op(image, name, -magnitude if signed and negative else magnitude, InterpolationMode.NEAREST, None)


def test_every_operation_at_every_level_is_torchvisions():
    images = pictures(3, 3, *SIZE)
    for name in AutoAugment()._augmentation_space(10, SIZE):
        graded = name not in ("AutoContrast", "Equalize", "Invert")
        for level in range(10) if graded else (None,):
            for negative in (False, True) if name in autoaugment.SIGNED else (False,):
                found = autoaugment.operation(name, level, negative, SIZE)(images)
                expected = torch.stack([theirs(image, name, level, negative) for image in images])
                # The newer functions of torchvision, which are used here, round once less.
                tolerance = 1 if name in ("Color", "Contrast", "Sharpness", "AutoContrast") else 0
                assert (found.int() - expected.int()).abs().max() <= tolerance, (name, level, negative)


def test_a_batch_gets_what_each_image_drew():
    images, drawn = pictures(N, 3, *SIZE), autoaugment.draw(N, generator_at(1))
    before = images.clone()
    found = autoaugment.apply(images, drawn)
    assert torch.equal(images, before)
    for index, image in enumerate(images):
        for stage in (0, 1):
            name, _, level = autoaugment.POLICIES[drawn["policy"][index]][stage]
            if drawn["applied"][index, stage]:
                negative = name in autoaugment.SIGNED and bool(drawn["negative"][index, stage])
                image = autoaugment.operation(name, level, negative, SIZE)(image[None])[0]
        assert torch.equal(found[index], image)
    assert (found != before).flatten(1).any(1).float().mean() > 0.5


def test_policies_and_their_operations_are_drawn_as_often_as_they_should():
    drawn = autoaugment.draw(100_000, generator_at(2))
    counts = torch.bincount(drawn["policy"], minlength=25)
    assert len(counts) == 25
    assert (counts - 4000).abs().max() < 5 * 4000**0.5
    for number, policy in enumerate(autoaugment.POLICIES):
        share = drawn["applied"][drawn["policy"] == number].float().mean(0)
        torch.testing.assert_close(share, torch.tensor([policy[0][1], policy[1][1]]), atol=0.05, rtol=0)


def test_crop_flip_and_cutout_are_those_of_a_loop():
    recipe = Recipe(epochs=1, batch_size=2, horizontal_flip=True, crop_padding=4, cutout=16)
    images, drawn = pictures(N, 3, *SIZE), draw(recipe, N, SIZE, generator_at(3))
    cropped = augment_raw(images, drawn, recipe)
    found = augment_normalised(cropped.float(), drawn, recipe)
    holes = 0
    for index, image in enumerate(images):
        wide = torch.zeros(3, 40, 40)
        wide[:, 4:36, 4:36] = image
        top, left = drawn["crop"][index].tolist()
        expected = wide[:, top : top + 32, left : left + 32]
        assert torch.equal(cropped[index].float(), expected)
        expected = expected.flip(2) if drawn["flip"][index] else expected.clone()
        row, column = drawn["hole"][index].tolist()
        expected[:, max(0, row - 8) : row + 8, max(0, column - 8) : column + 8] = 0
        assert torch.equal(found[index], expected)
        holes += (min(32, row + 8) - max(0, row - 8)) * (min(32, column + 8) - max(0, column - 8))
    assert drawn["crop"].min() == 0
    assert drawn["crop"].max() == 8
    assert 100 < holes / N <= 256


def test_the_frames_of_a_sample_move_together():
    recipe = Recipe(epochs=1, batch_size=2, horizontal_flip=True, roll=5)
    frames, drawn = pictures(N, 4, 2, 12, 12), draw(recipe, N, (12, 12), generator_at(4))
    rolled = augment_raw(frames, drawn, recipe)
    found = augment_normalised(rolled.transpose(0, 1).float(), drawn, recipe)
    for index, sample in enumerate(frames):
        expected = torch.roll(sample, drawn["roll"][index].tolist(), dims=(-2, -1))
        assert torch.equal(rolled[index], expected)
        expected = expected.flip(-1) if drawn["flip"][index] else expected
        assert torch.equal(found[:, index], expected.float())
    assert sorted(set(drawn["roll"].flatten().tolist())) == list(range(-5, 6))


def test_shares_of_a_batch_get_what_the_whole_batch_would():
    images, drawn = pictures(N, 3, *SIZE), draw(ALL, N, SIZE, generator_at(5))

    def augmented(part):
        mine = {name: value[part] for name, value in drawn.items()}
        return augment_normalised(augment_raw(images[part], mine, ALL).float(), mine, ALL)

    whole = augmented(slice(None))
    assert torch.equal(torch.cat([augmented(slice(0, 40)), augmented(slice(40, None))]), whole)
    assert torch.equal(whole, augmented(slice(None)))


def test_autoaugment_of_events_is_refused():
    with pytest.raises(ModelInputError, match="AutoAugment is for grey or colour images"):
        check(RECIPES["paper-cifar"], load_dataset("digits-dvs", timesteps=2))
    check(RECIPES["paper-cifar"], load_dataset("digits"))
    check(RECIPES["paper-dvs"], load_dataset("digits-dvs", timesteps=2))
