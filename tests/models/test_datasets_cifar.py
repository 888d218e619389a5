"""CIFAR in its binary version: the true layout of the files, in small, and what is wrong with them in one sentence."""

from dataclasses import replace

import pytest
import torch

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import DatasetUnavailableError, cifar, load_dataset
from tests.refusal import one_sentence


class Small:
    """Files that the test wrote, two images of each class a file, and what they hold."""

    def __init__(self, root, source):
        self.root, self.folder = root, root / source.folder
        per_file = 2 * source.classes
        self.source = replace(source, images_per_file=(per_file, per_file))
        self.folder.mkdir()
        generator = torch.Generator().manual_seed(0)
        self.images, self.labels = {}, {}
        for name in (*source.train_files, source.test_file):
            images = torch.randint(0, 256, (per_file, 3, 32, 32), generator=generator, dtype=torch.uint8)
            labels = torch.arange(per_file) % source.classes
            rows = []
            for image, label in zip(images, labels.tolist(), strict=True):
                coarse = [label // 5] if source.label_bytes == 2 else []
                rows.append(bytes([*coarse, label]) + b"".join(bytes(plane.flatten().tolist()) for plane in image))
            (self.folder / name).write_bytes(b"".join(rows))
            self.images[name], self.labels[name] = images, labels
        names = [f"class_{number}" for number in range(source.classes)]
        (self.folder / source.names_file).write_text("\n".join(names) + "\n\n", "ascii")

    def load(self, root=None):
        return cifar.load(self.source, root or self.root, False)


@pytest.fixture(params=[cifar.CIFAR10, cifar.CIFAR100], ids=lambda source: source.name)
def small(request, tmp_path):
    return Small(tmp_path, request.param)


def test_images_and_labels_are_those_of_the_files(small):
    data = small.load()
    names = small.source.train_files
    assert torch.equal(data.train.images, torch.cat([small.images[name] for name in names]))
    assert torch.equal(data.train.labels, torch.cat([small.labels[name] for name in names]))
    assert torch.equal(data.test.images, small.images[small.source.test_file])
    assert data.classes[3] == "class_3"
    assert (data.name, len(data.classes), data.shape) == (small.source.name, small.source.classes, (3, 32, 32))
    assert small.load(small.folder).sha256 == data.sha256


def test_each_channel_is_normalised_by_the_training_split(small):
    data = small.load()
    normal = data.normalise(data.train.images)
    assert normal.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("truncated", "is damaged"),
        ("longer", "is damaged"),
        ("missing", "is missing"),
        ("label", "a label is 255"),
        ("swapped labels", "not of equal size"),
        ("fewer names", "it has 1 names"),
    ],
)
def test_damage_is_one_sentence_that_names_the_file_and_the_remedy(small, damage, sentence):
    path = small.folder / small.source.test_file
    content = bytearray(path.read_bytes())
    last = small.source.label_bytes - 1
    if damage == "truncated":
        path.write_bytes(content[:-100])
    elif damage == "longer":
        path.write_bytes(content + b"\0")
    elif damage == "missing":
        path.unlink()
    elif damage == "fewer names":
        (small.folder / small.source.names_file).write_text("one\n")
    else:
        content[last] = 255 if damage == "label" else 1
        path.write_bytes(content)
    with one_sentence(ModelInputError, sentence, small.folder, f"unpack {small.source.archive} anew"):
        small.load()


def test_the_python_version_is_told_apart_and_never_loaded(tmp_path, bomb):
    folder = tmp_path / cifar.CIFAR10.python_folder
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(bomb)
    ways = ("cifar-10-binary.tar.gz", "--data-root", "--download")
    with one_sentence(DatasetUnavailableError, "pickles, which are never loaded", *ways):
        load_dataset("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_absence_names_the_ways_to_get_it(tmp_path, name):
    with one_sentence(DatasetUnavailableError, "-binary.tar.gz", tmp_path, "--data-root", "--download"):
        load_dataset(name, tmp_path)
