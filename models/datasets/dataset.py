"""What every data set offers: both splits as tensors, the shape, and a checksum of the content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import ModelInputError


class DatasetUnavailableError(ModelInputError):
    """The data set is not on this machine; the sentence names the ways to get it. Its cells are skipped."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images [N, C, H, W] as uint8 and labels [N] as int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in memory with the classes that they belong to. `simulated` marks data that no sensor recorded."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    sha256: str
    mean: float
    std: float
    simulated: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image, (C, H, W)."""
        return tuple(self.train.images.shape[1:])

    def normalise(self, images: Tensor) -> Tensor:
        """Float images with mean 0 and standard deviation 1 over the training split, channels last in memory."""
        scaled = images.to(torch.float32).sub_(self.mean).div_(self.std)
        return scaled.contiguous(memory_format=torch.channels_last)


def content_sha256(train: Split, test: Split) -> str:
    """Hash of the shapes, images and labels of both splits, independent of the files that they came from."""
    digest = hashlib.sha256()
    for split in (train, test):
        for tensor in (split.images, split.labels):
            digest.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def make_dataset(name: str, classes: tuple[str, ...], train: Split, test: Split, expected_sha256: str) -> Dataset:
    """Check the content against its known hash and derive mean and standard deviation from exact integer sums.

    Raises:
        ModelInputError: the content is not what this data set is known to hold.
    """
    sha256 = content_sha256(train, test)
    if sha256 != expected_sha256:
        raise ModelInputError(
            f"The content of data set {name!r} has the hash {sha256[:12]}, not {expected_sha256[:12]}: install it anew."
        )
    count = train.images.numel()
    mean = int(train.images.sum(dtype=torch.int64)) / count
    squares = int(train.images.to(torch.int32).square().sum(dtype=torch.int64)) / count
    return Dataset(name, classes, train, test, sha256, mean, (squares - mean * mean) ** 0.5)
