"""Fashion-MNIST, 28x28 grey, 60,000 and 10,000 images (Xiao et al. 2017, arXiv 1708.07747).

The test split ships with the package, under its own licence; the training split, six times as large, does not.
"""

from __future__ import annotations

import gzip
import math
import zlib
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from inflor_bench.cache import cache_directory
from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError, Split, check_content

SHA256 = "174f952899e98b55937c15ae078db70abc09d6db16ba1ad1326651f08bf32d26"
TEST_SHA256 = "5b3aafc79a39e1eb70f43c209ad42b7573ec638e2c489365fcfec85a89a0cce1"
# Of the training images, in units of the raw bytes.
MEAN = 72.94035223214286
STD = 90.02118235130526
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SHIPPED = Path(__file__).parent / "fashion-mnist"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}


def load(root: Path | None, download: bool) -> Dataset:
    """Load the test split from `root`, where it is there, else as it ships.

    The training split is read when it is asked for: from `root`, where that is given, else from the Debian package, or
    by torchvision's download where that was asked for. Both together are checked then.

    Raises:
        ModelInputError: a file is damaged.
    """
    directory = (_find("test", root) if root else None) or SHIPPED
    test = _read("test", directory)
    _check(directory, TEST_SHA256, test)
    return Dataset("fashion-mnist", CLASSES, partial(_read_train, root, download, test), test, SHA256, MEAN, STD)


def _read_train(root: Path | None, download: bool, test: Split) -> Split:
    directory = _find("train", root or DEBIAN) or _download(root, download)
    train = _read("train", directory)
    _check(directory, SHA256, train, test)
    return train


def _find(split: Literal["train", "test"], base: Path) -> Path | None:
    """Where some file of the split lies under `base`."""
    images, labels, _ = FILES[split]
    names = [f"{name}{suffix}" for name in (images, labels) for suffix in ("", ".gz")]
    places = (base, base / "fashion-mnist", base / "FashionMNIST" / "raw")
    return next((place for place in places if any((place / name).is_file() for name in names)), None)


def _download(root: Path | None, asked_for: bool) -> Path:
    """Let torchvision fetch all files to `root` or the user's cache, where that was asked for."""
    ways = (
        "install the Debian package dataset-fashion-mnist, or name the folder that holds its files with --data-root "
        "(or INFLOR_BENCH_DATA), or"
    )
    if not asked_for:
        raise DatasetUnavailableError(
            f"The training split of Fashion-MNIST is not {f'under {root}' if root else f'in {DEBIAN}'}: {ways} let "
            "torchvision fetch it with --download."
        )
    from torchvision.datasets import FashionMNIST

    place = root or cache_directory()
    try:
        FashionMNIST(str(place), download=True)
    except (OSError, RuntimeError) as error:
        raise DatasetUnavailableError(
            f"torchvision could not fetch Fashion-MNIST ({error}): {ways} try again."
        ) from None
    return place / "FashionMNIST" / "raw"


def _read(split: Literal["train", "test"], directory: Path) -> Split:
    images, labels, count = FILES[split]
    return Split(_read_idx(directory, images, (count, 28, 28))[:, None], _read_idx(directory, labels, (count,)).long())


def _check(directory: Path, sha256: str, *splits: Split) -> None:
    check_content(f"Fashion-MNIST in {directory}", sha256, *splits, remedy=_remedy(directory))


def _remedy(directory: Path) -> str:
    return f"install {'inflor-bench' if directory == SHIPPED else 'the data set'} anew"


def _read_idx(directory: Path, name: str, shape: tuple[int, ...]) -> Tensor:
    """Read one IDX file of unsigned bytes, plain or gzipped, that must hold exactly `shape`."""
    path = directory / name
    if not path.is_file():
        path = directory / f"{name}.gz"
    header = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    length = len(header) + math.prod(shape)
    try:
        # One byte more than is due, so that a swapped or hostile file is noticed without reading it to its end.
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(length + 1)
    except FileNotFoundError:
        raise ModelInputError(f"{path} is missing: {_remedy(directory)}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ModelInputError(f"{path} is damaged ({error}): {_remedy(directory)}.") from None
    if not content.startswith(header) or len(content) != length:
        raise ModelInputError(f"{path} is damaged (it does not hold {list(shape)} bytes): {_remedy(directory)}.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy())
