"""Data: the fixed split, the true on-disk format, and damage."""

import gzip
import hashlib
import struct

import pytest
import torch

from models.datasets import DatasetUnavailableError, fashion_mnist, load_dataset
from models.datasets.dataset import Split, content_sha256, make_dataset
from models.errors import ModelInputError


def test_digits_are_split_once_and_for_all_and_stratified():
    digits = load_dataset("digits")
    assert (len(digits.train), len(digits.test), digits.shape) == (1442, 355, (1, 8, 8))
    per_class = torch.bincount(digits.test.labels) / torch.bincount(
        torch.cat([digits.train.labels, digits.test.labels])
    )
    assert per_class.min() > 0.19
    assert per_class.max() < 0.21
    flat = {image.numpy().tobytes() for image in digits.train.images}
    assert sum(image.numpy().tobytes() in flat for image in digits.test.images) == 0


@pytest.mark.needs("training split of fashion-mnist")
def test_fashion_mnist_is_complete_and_normalised_by_its_training_split():
    data = load_dataset("fashion-mnist")
    assert (len(data.train), len(data.test), data.shape, len(data.classes)) == (60_000, 10_000, (1, 28, 28), 10)
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    sample = data.train.images.double()
    assert data.mean == pytest.approx(sample.mean().item(), rel=1e-12)
    assert data.std == pytest.approx(sample.std(unbiased=False).item(), rel=1e-9)
    normal = data.normalise(data.train.images)
    assert normal.mean().abs() < 1e-3
    assert (normal.std() - 1).abs() < 1e-3


def write_idx(path, values):
    content = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    content += values.numpy().tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Files in the true format, with 6 and 4 images, that the loader is told to expect."""
    generator = torch.Generator().manual_seed(0)
    splits = {}
    monkeypatch.setattr(
        fashion_mnist,
        "FILES",
        {
            name: (images, labels, n)
            for (name, (images, labels, _)), n in zip(fashion_mnist.FILES.items(), (6, 4), strict=True)
        },
    )
    for suffix, (name, (images, labels, count)) in zip(("", ".gz"), fashion_mnist.FILES.items(), strict=True):
        pictures = torch.randint(0, 256, (count, 28, 28), generator=generator, dtype=torch.uint8)
        classes = torch.randint(0, 10, (count,), generator=generator, dtype=torch.uint8)
        write_idx(tmp_path / f"{images}{suffix}", pictures)
        write_idx(tmp_path / f"{labels}{suffix}", classes)
        splits[name] = Split(pictures[:, None], classes.long())
    monkeypatch.setattr(fashion_mnist, "SHA256", content_sha256(splits["train"], splits["test"]))
    return tmp_path, splits


def test_plain_and_gzipped_files_are_read(small):
    root, splits = small
    data = fashion_mnist.load(root, False)
    assert torch.equal(data.train.images, splits["train"].images)
    assert torch.equal(data.test.labels, splits["test"].labels)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "longer", "other type", "no file at all but bytes"])
def test_a_damaged_file_is_named(small, name, damage):
    path = small[0] / name
    content = path.read_bytes()
    plain = gzip.decompress(content) if path.suffix else content
    pack = gzip.compress if path.suffix else bytes
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "truncated": content[: len(content) // 2],
                "longer": pack(plain + b"\0"),
                "other type": pack(b"\0\0\x0d" + plain[3:]),
                "no file at all but bytes": b"not an image",
            }[damage]
        )
    with pytest.raises(ModelInputError, match=name.removesuffix(".gz")) as caught:
        fashion_mnist.load(small[0], False)
    assert caught.type is ModelInputError, "damage is no absence"


def test_a_changed_pixel_is_noticed(small):
    path = small[0] / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelInputError, match="has the hash"):
        fashion_mnist.load(small[0], False)


def test_absence_names_the_three_ways_to_get_it(tmp_path):
    with pytest.raises(DatasetUnavailableError) as caught:
        load_dataset("fashion-mnist", tmp_path)
    sentence = str(caught.value)
    assert all(way in sentence for way in ("dataset-fashion-mnist", "--data-root", "INFLOR_BENCH_DATA", "--download"))
    assert str(tmp_path) in sentence


def test_unknown_data_is_named():
    with pytest.raises(ModelInputError, match="Unknown data set 'mnist': choose one of digits, fashion-mnist"):
        load_dataset("mnist")


def test_the_hash_covers_shape_images_and_labels():
    images, labels = torch.arange(8, dtype=torch.uint8).reshape(2, 1, 2, 2), torch.tensor([0, 1])
    split = Split(images, labels)
    same = content_sha256(split, split)
    assert content_sha256(Split(images.reshape(2, 1, 4, 1), labels), split) != same
    assert content_sha256(split, Split(images, labels.flip(0))) != same
    assert len(same) == hashlib.sha256().digest_size * 2
    with pytest.raises(ModelInputError, match="install it anew"):
        make_dataset("x", ("a", "b"), split, split, "0" * 64)
