"""Data: the fixed split, the true on-disk format, and damage."""

import gzip
import hashlib
import math
import shutil
import struct
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from inflor_bench.errors import ModelInputError
from inflor_bench.models import load_model
from inflor_bench.models.checkpoints import read_tensors
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import DatasetUnavailableError, fashion_mnist, load_dataset
from inflor_bench.models.datasets.dataset import Split, content_sha256, make_dataset
from inflor_bench.models.recipe import RECIPES
from inflor_bench.models.training import evaluate, train
from inflor_bench.models.zoo import shipped_checkpoint
from tests.refusal import one_sentence

WAYS = ("dataset-fashion-mnist", "--data-root", "INFLOR_BENCH_DATA", "--download")


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
    assert data.train.shape == data.shape
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    # In integers without a bound, and rounded once: each value with how often it is there.
    often = [int(count) for count in torch.bincount(data.train.images.flatten().long(), minlength=256)]
    mean = Fraction(sum(value * count for value, count in enumerate(often)), sum(often))
    squares = Fraction(sum(value * value * count for value, count in enumerate(often)), sum(often))
    assert data.mean == float(mean)
    assert data.std == pytest.approx(math.sqrt(squares - mean * mean), rel=1e-14)
    normal = data.normalise(data.train.images)
    assert normal.mean().abs() < 1e-3
    assert (normal.std() - 1).abs() < 1e-3


def test_the_test_split_ships_as_it_is_published(debian):
    names = fashion_mnist.FILES["test"][:2]
    for name in names:
        published = gzip.decompress((debian / f"{name}.gz").read_bytes())
        assert gzip.decompress((fashion_mnist.SHIPPED / f"{name}.gz").read_bytes()) == published
    shipped, whole = load_dataset("fashion-mnist"), load_dataset("fashion-mnist", debian)
    assert shipped.sha256 == whole.sha256 == content_sha256(whole.train, whole.test)
    assert torch.equal(shipped.test.images, whole.test.images)


@pytest.mark.usefixtures("bare")
def test_without_the_package_a_shipped_network_is_evaluated_and_training_says_how_to_get_the_rest(tmp_path):
    data = fashion_mnist.load(None, False)
    path = shipped_checkpoint("fashion-mnist/resnet8/relu/T1/s0")
    _, metadata = read_tensors(path)
    assert metadata["dataset"]["sha256"] == data.sha256
    assert int(evaluate(load_model(path), data, data.test).sum()) == metadata["correct"]
    recipe = replace(RECIPES["fashion-mnist"], epochs=1)
    with one_sentence(DatasetUnavailableError, r"training split of Fashion-MNIST is not in .*none", *WAYS):
        train(ModelConfig(**metadata["config"]), recipe, data, 0, tmp_path / "out")


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "another label or pixel"])
def test_a_shipped_file_that_is_damaged_is_one_sentence(tmp_path, monkeypatch, name, damage):
    shipped = shutil.copytree(fashion_mnist.SHIPPED, tmp_path / "shipped")
    monkeypatch.setattr(fashion_mnist, "SHIPPED", shipped)
    assert len(fashion_mnist.load(None, False).test) == 10_000
    path = shipped / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[:-100])
    else:
        plain = bytearray(gzip.decompress(content))
        plain[-1] ^= 1
        path.write_bytes(gzip.compress(bytes(plain), 1))
    with one_sentence(ModelInputError, f"{shipped}.*: install inflor-bench anew.$"):
        fashion_mnist.load(None, False)


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
    monkeypatch.setattr(fashion_mnist, "TEST_SHA256", content_sha256(splits["test"]))
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
    with one_sentence(ModelInputError, name.removesuffix(".gz")):
        len(fashion_mnist.load(small[0], False).train)


def test_a_changed_pixel_is_noticed_when_its_split_is_read(small):
    path = small[0] / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    data = fashion_mnist.load(small[0], False)
    assert torch.equal(data.test.images, small[1]["test"].images)
    with pytest.raises(ModelInputError, match="has the hash"):
        len(data.train)


def test_a_changed_label_of_the_users_own_test_split_is_noticed(small):
    path = small[0] / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(ModelInputError, match=f"{small[0]} has the hash"):
        fashion_mnist.load(small[0], False)


def test_absence_names_the_three_ways_to_get_it(tmp_path):
    data = load_dataset("fashion-mnist", tmp_path)
    assert len(data.test) == 10_000, "it ships"
    with one_sentence(DatasetUnavailableError, "training split of Fashion-MNIST", *WAYS, tmp_path):
        len(data.train)


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
