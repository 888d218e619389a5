"""What every data set offers: both splits, the shape, the classes, and a checksum of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from inflor_bench.errors import ModelInputError

PerChannel = float | tuple[float, ...]


class DatasetUnavailableError(ModelInputError):
    """The data set is not on this machine; the sentence names the ways to get it. Its cells are skipped."""


class Samples(Protocol):
    """The samples of a split, in memory or read when they are asked for.

    Samples are still images [N, C, H, W], or frames of events [N, T, C, H, W] where `timed`; labels are [N], int64.
    """

    @property
    def labels(self) -> Tensor:
        """Labels [N]."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or frame, (C, H, W)."""

    @property
    def timed(self) -> bool:
        """Whether a sample is a sequence of frames."""

    def __len__(self) -> int: ...

    def head(self, count: int) -> Tensor:
        """The first samples, `count` or all of them if there are fewer."""

    def stream(self, batches: Sequence[Tensor], position: tuple[int, ...] | None = None) -> Iterator[Tensor]:
        """The samples of each batch of indices, in order.

        `position` seeds what is random in reading a training sample; None reads it as a test sample.
        """

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples and labels in order, at most `size` at once."""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples in memory: images [N, C, H, W], or frames of events [N, T, C, H, W], uint8 (float32 where not whole)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or frame, (C, H, W)."""
        return tuple(self.images.shape[-3:])

    @property
    def timed(self) -> bool:
        """Whether a sample is a sequence of frames."""
        return self.images.ndim == 5

    def head(self, count: int) -> Tensor:
        """The first samples, as a view."""
        return self.images[:count]

    def stream(self, batches: Sequence[Tensor], position: tuple[int, ...] | None = None) -> Iterator[Tensor]:
        """The samples of each batch of indices, in order; nothing is random in reading them."""
        return (self.images[chosen] for chosen in batches)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples and labels in order, at most `size` at once, as views."""
        return zip(self.images.split(size), self.labels.split(size), strict=True)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Both splits with the classes that they belong to. `simulated` marks data that no sensor recorded.

    `read_train` gives the training split, which measuring does not need. `sha256` is the identity of both splits
    together, `events_sha256` that of their events, whatever frames they became. `mean` and `std` of the raw training
    values are one number, or one for each channel.
    """

    name: str
    classes: tuple[str, ...]
    read_train: Callable[[], Samples]
    test: Samples
    sha256: str
    mean: PerChannel
    std: PerChannel
    simulated: bool = False
    events_sha256: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or frame, (C, H, W)."""
        return self.test.shape

    @cached_property
    def train(self) -> Samples:
        """The training split, read when it is first asked for.

        Raises:
            DatasetUnavailableError: it is not on this machine.
            ModelInputError: it is damaged.
        """
        return self.read_train()

    def normalise(self, images: Tensor) -> Tensor:
        """What a network takes of raw samples: floats, (value - mean) / std, channels last in memory.

        Images [N, C, H, W] keep their shape; of events [N, T, C, H, W] time becomes the first axis, [T, N, C, H, W].
        """
        if images.ndim == 5:
            timesteps, samples = images.shape[1], images.shape[0]
            return self.normalise(images.transpose(0, 1).flatten(0, 1)).unflatten(0, (timesteps, samples))
        scaled = images.to(torch.float32, copy=True)
        scaled.sub_(_spread(self.mean, scaled)).div_(_spread(self.std, scaled))
        return scaled.contiguous(memory_format=torch.channels_last)


def _spread(values: PerChannel, images: Tensor) -> float | Tensor:
    if isinstance(values, float):
        return values
    return torch.tensor(values, device=images.device)[:, None, None]


def content_sha256(*splits: Split) -> str:
    """Hash of the shapes, images and labels of splits, independent of the files that they came from."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (split.images, split.labels):
            digest.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def check_content(what: str, expected_sha256: str, *splits: Split, remedy: str = "install it anew") -> None:
    """Check the content of `what` against its known hash.

    Raises:
        ModelInputError: the content is not what this data set is known to hold.
    """
    sha256 = content_sha256(*splits)
    if sha256 != expected_sha256:
        raise ModelInputError(
            f"The content of {what} has the hash {sha256[:12]}, not {expected_sha256[:12]}: {remedy}."
        )


def make_dataset(name: str, classes: tuple[str, ...], train: Split, test: Split, expected_sha256: str) -> Dataset:
    """Check the content against its known hash and derive mean and standard deviation from exact integer sums.

    Raises:
        ModelInputError: the content is not what this data set is known to hold.
    """
    check_content(f"data set {name!r}", expected_sha256, train, test)
    mean, std = _mean_and_std(train.images)
    return Dataset(name, classes, lambda: train, test, expected_sha256, mean, std)


def make_colour_dataset(name: str, classes: tuple[str, ...], train: Split, test: Split) -> Dataset:
    """Data whose hash is recorded but not known beforehand, normalised channel by channel."""
    means, stds = zip(*(_mean_and_std(train.images[:, channel]) for channel in range(train.shape[0])), strict=True)
    return Dataset(name, classes, lambda: train, test, content_sha256(train, test), means, stds)


def make_events(name: str, classes: tuple[str, ...], train: Split, test: Split, simulated: bool = False) -> Dataset:
    """Frames of events. Counts stay counts: where nothing happened there is a 0, and a single event is a 1."""
    of_frames, of_events = (content_sha256(*splits) for splits in ((train, test), map(_without_time, (train, test))))
    return Dataset(name, classes, lambda: train, test, of_frames, 0.0, 1.0, simulated, of_events)


def _without_time(split: Split) -> Split:
    return Split(split.images.sum(1, dtype=torch.float32), split.labels)


def _mean_and_std(images: Tensor) -> tuple[float, float]:
    count = images.numel()
    mean = int(images.sum(dtype=torch.int64)) / count
    squares = int(images.to(torch.int32).square().sum(dtype=torch.int64)) / count
    return mean, (squares - mean * mean) ** 0.5
