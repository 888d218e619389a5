"""CIFAR-10 and CIFAR-100, 32x32 colour, 50,000 and 10,000 images (Krizhevsky 2009), in their binary version.

The Python version, which torchvision reads, is made of pickles, and loading a pickle runs what is in it; so the binary
version is read. An image is 1 byte of label (CIFAR-100: 1 of coarse, 1 of fine label, which is used) and 3072 bytes:
red, green, blue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from inflor_bench.cache import cache_directory
from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError, Split, make_colour_dataset

URL = "https://www.cs.toronto.edu/~kriz/"
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Source:
    """One of the two: where its files lie, with how many images each, and how many of a class the splits hold."""

    name: str
    title: str
    folder: str
    python_folder: str
    archive: str
    archive_md5: str
    train_files: tuple[str, ...]
    test_file: str
    images_per_file: tuple[int, int]
    label_bytes: int
    names_file: str
    classes: int


CIFAR10 = Source(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    python_folder="cifar-10-batches-py",
    archive="cifar-10-binary.tar.gz",
    archive_md5="c32a1d4ab5d03f1284b67883e8d87530",
    train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test_file="test_batch.bin",
    images_per_file=(10_000, 10_000),
    label_bytes=1,
    names_file="batches.meta.txt",
    classes=10,
)
CIFAR100 = Source(
    name="cifar100",
    title="CIFAR-100",
    folder="cifar-100-binary",
    python_folder="cifar-100-python",
    archive="cifar-100-binary.tar.gz",
    archive_md5="03b5dce01913d631647c71ecec9e9cb8",
    train_files=("train.bin",),
    test_file="test.bin",
    images_per_file=(50_000, 10_000),
    label_bytes=2,
    names_file="fine_label_names.txt",
    classes=100,
)


def load(source: Source, root: Path | None, download: bool) -> Dataset:
    """Load from `root`, or by torchvision's download where that was asked for.

    Raises:
        DatasetUnavailableError: the files are nowhere.
        ModelInputError: a file is missing or damaged.
    """
    directory = _find(source, root, download)
    in_train, in_test = source.images_per_file
    train = _join([_read(source, directory / name, in_train) for name in source.train_files])
    test = _read(source, directory / source.test_file, in_test)
    for split in (train, test):
        counts = torch.bincount(split.labels, minlength=source.classes)
        if counts.unique().numel() != 1:
            raise ModelInputError(
                f"{directory}: the classes are not of equal size, as those of {source.title} are: unpack "
                f"{source.archive} anew."
            )
    return make_colour_dataset(source.name, _class_names(source, directory), train, test)


load_cifar10 = partial(load, CIFAR10)
load_cifar100 = partial(load, CIFAR100)


def _find(source: Source, root: Path | None, download: bool) -> Path:
    places = [root / source.folder, root] if root else []
    names = (*source.train_files, source.test_file)
    for directory in places:
        if any((directory / name).is_file() for name in names):
            return directory
    if download:
        return _download(source, root or cache_directory())
    python = root / source.python_folder if root else None
    found = (
        f"{python} is its Python version, whose files are pickles, which are never loaded"
        if python is not None and python.is_dir()
        else f"{source.title} is not under {root}"
        if root
        else f"No folder was named that holds {source.title}"
    )
    raise DatasetUnavailableError(f"{found}: {_remedy(source)}")


def _remedy(source: Source) -> str:
    return (
        f"unpack the binary version, {source.archive} ({URL}), and name the folder that holds {source.folder} with "
        "--data-root (or INFLOR_BENCH_DATA), or let torchvision fetch it with --download."
    )


def _download(source: Source, root: Path) -> Path:
    from torchvision.datasets.utils import download_and_extract_archive

    try:
        download_and_extract_archive(f"{URL}{source.archive}", str(root), md5=source.archive_md5)
    except (OSError, RuntimeError) as error:
        raise DatasetUnavailableError(
            f"torchvision could not fetch {source.title} ({error}): {_remedy(source)}"
        ) from None
    return root / source.folder


def _read(source: Source, path: Path, images: int) -> Split:
    record = source.label_bytes + PIXELS
    try:
        with path.open("rb") as file:  # a byte more than is due, so that a longer file is noticed
            content = file.read(images * record + 1)
    except FileNotFoundError:
        raise ModelInputError(f"{path} is missing: unpack {source.archive} anew.") from None
    except OSError as error:
        raise ModelInputError(f"{path} cannot be read ({error.strerror}): unpack {source.archive} anew.") from None
    if len(content) != images * record:
        raise ModelInputError(
            f"{path} is damaged (it does not hold {images} images of {record} bytes): unpack {source.archive} anew."
        )
    records = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(images, record).copy())
    labels = records[:, source.label_bytes - 1].long()
    if int(labels.max()) >= source.classes:
        raise ModelInputError(
            f"{path} is damaged (a label is {int(labels.max())} of {source.classes} classes): unpack {source.archive} "
            "anew."
        )
    return Split(records[:, source.label_bytes :].reshape(-1, 3, 32, 32), labels)


def _join(splits: list[Split]) -> Split:
    return Split(torch.cat([split.images for split in splits]), torch.cat([split.labels for split in splits]))


def _class_names(source: Source, directory: Path) -> tuple[str, ...]:
    path = directory / source.names_file
    try:
        names = tuple(path.read_text("ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelInputError(f"{path} cannot be read ({error}): unpack {source.archive} anew.") from None
    if len(names) != source.classes:
        raise ModelInputError(
            f"{path} is damaged (it has {len(names)} names, not {source.classes}): unpack {source.archive} anew."
        )
    return names
