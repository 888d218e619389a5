"""ImageNet from folders: what is decoded when, the same crops again, and damage."""

import numpy as np
import pytest
import torch
from PIL import Image

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import DatasetUnavailableError, imagenet
from tests.refusal import one_sentence

CLASSES = ("n01440764", "n01443537")


@pytest.fixture
def root(tmp_path):
    """Two classes; smooth pictures of several sizes and modes, as JPEG; three to train on and one for validation."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1)):
        for label, name in enumerate(CLASSES):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                corners = generator.integers(0, 256, (3, 4, 3), dtype=np.uint8)
                picture = Image.fromarray(corners).resize(
                    (300 + 40 * number, 260 + 30 * label), Image.Resampling.BICUBIC
                )
                picture = picture.convert("L") if number == 2 else picture
                picture.save(tmp_path / split / name / f"{name}_{number}.JPEG")
    return tmp_path


def test_images_are_listed_and_decoded_only_when_asked_for(root):
    data = imagenet.load(root, False)
    assert (data.classes, data.shape) == (CLASSES, (3, 224, 224))
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [data.train.path(index).name for index in (0, 5)] == ["n01440764_0.JPEG", "n01443537_2.JPEG"]
    assert not any(isinstance(value, torch.Tensor) and value.numel() > 10_000 for value in vars(data.train).values())


def test_test_samples_are_the_centre_of_the_image_with_a_short_side_of_256(root):
    data = imagenet.load(root, False)
    ((images, labels),) = data.test.batches(500)
    assert labels.tolist() == [0, 1]
    for index, image in enumerate(images):
        with Image.open(data.test.path(index)) as file:
            width, height = file.size
            scale = 256 / min(width, height)
            small = file.convert("RGB").resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
        left, top = round((small.width - 224) / 2), round((small.height - 224) / 2)
        truth = torch.from_numpy(np.array(small.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1)
        assert torch.equal(image, truth)
    assert torch.equal(data.test.head(1), images[:1])


def test_training_crops_depend_on_the_position_and_the_image_alone(root):
    train = imagenet.load(root, False).train
    before = torch.random.get_rng_state()
    first = list(train.stream([torch.tensor([4, 1]), torch.tensor([0, 2])], (7, 0)))
    again = next(train.stream([torch.tensor([2, 4])], (7, 0)))
    other = next(train.stream([torch.tensor([4, 1])], (7, 1)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(again, torch.stack([first[1][1], first[0][0]]))
    assert not torch.equal(other, first[0])
    assert first[0].shape == (2, 3, 224, 224)


def test_an_image_that_cannot_be_decoded_is_one_sentence(root):
    path = root / "val" / CLASSES[1] / "n01443537_0.JPEG"
    path.write_bytes(path.read_bytes()[:2000])
    with one_sentence(ModelInputError, f"^{path} cannot be decoded"):
        list(imagenet.load(root, False).test.batches(2))


def test_classes_that_differ_or_are_empty_are_named(root):
    (root / "val" / CLASSES[1] / "n01443537_0.JPEG").unlink()
    with one_sentence(ModelInputError, f"{CLASSES[1]}.*unpack it anew"):
        imagenet.load(root, False)
    (root / "val" / CLASSES[1]).rmdir()
    with pytest.raises(ModelInputError, match=f"class '{CLASSES[1]}' is in one of train and val alone"):
        imagenet.load(root, False)


def test_a_file_more_changes_the_hash(root):
    before = imagenet.load(root, False).sha256
    assert imagenet.load(root, False).sha256 == before
    Image.new("RGB", (256, 256)).save(root / "train" / CLASSES[0] / "more.JPEG")
    assert imagenet.load(root, False).sha256 != before


def test_absence_names_the_folders(tmp_path):
    with pytest.raises(DatasetUnavailableError, match=r"train/<class>.*--data-root"):
        imagenet.load(tmp_path, False)
