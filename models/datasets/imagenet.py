"""ImageNet (ILSVRC 2012) or any part of it, from folders as torchvision's ImageFolder reads them.

`train/<class>/*.JPEG` and `val/<class>/*.JPEG`. Images are read and decoded when they are asked for, in worker
processes, and are never all in memory. A training image is a random part of random size, 224x224; a test image is the
centre of the image that was made 256 wide or high.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError
from inflor_bench.models.positions import position_seed

SIZE = 224
SHORT_SIDE = 256
# Of the training images, by channel, in units of the raw bytes: the constants that torchvision's models use.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
WORKERS = min(16, os.cpu_count() or 1)


def load(root: Path | None, download: bool) -> Dataset:
    """List the images under `root`; nothing is decoded yet. ImageNet cannot be downloaded without an account.

    The hash is that of the names and sizes of all files, not of their content, which takes an hour to read.

    Raises:
        DatasetUnavailableError: there are no such folders.
        ModelInputError: a class without an image, or classes that differ between the splits.
    """
    directory = next((place for place in ([root / "imagenet", root] if root else []) if _is_there(place)), None)
    if directory is None:
        where = f"is not under {root}" if root else "is in no folder that was named"
        raise DatasetUnavailableError(
            f"ImageNet {where}: name the folder that holds train/<class>/*.JPEG and val/<class>/*.JPEG with "
            "--data-root (or INFLOR_BENCH_DATA)."
        )
    classes, train = _list(directory / "train")
    others, test = _list(directory / "val")
    if classes != others:
        odd = sorted(set(classes) ^ set(others))[0]
        raise ModelInputError(f"{directory}: the class {odd!r} is in one of train and val alone: unpack it anew.")
    digest = hashlib.sha256()
    for split in (train, test):
        split.add_to(digest)
    return Dataset("imagenet", classes, lambda: train, test, digest.hexdigest(), MEAN, STD)


def _is_there(directory: Path) -> bool:
    return (directory / "train").is_dir() and (directory / "val").is_dir()


def _list(directory: Path) -> tuple[tuple[str, ...], FolderSplit]:
    from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset

    try:
        classes, numbers = find_classes(directory)
        files = make_dataset(str(directory), numbers, extensions=IMG_EXTENSIONS)
    except (FileNotFoundError, OSError) as error:
        raise ModelInputError(f"{directory}: {str(error).splitlines()[0].rstrip('. ')}: unpack it anew.") from None
    return tuple(classes), FolderSplit(directory, files)


class FolderSplit:
    """Samples [N, 3, 224, 224] that are decoded when they are asked for.

    The paths are kept as one tensor of bytes: worker processes share it, where they would copy a list.
    """

    def __init__(self, directory: Path, files: Sequence[tuple[str, int]]) -> None:
        self.directory = directory
        names = [os.fsencode(os.path.relpath(path, directory)) for path, _ in files]
        self._names = torch.frombuffer(bytearray(b"".join(names)), dtype=torch.uint8)
        self._ends = torch.tensor([len(name) for name in names]).cumsum(0)
        self.labels = torch.tensor([label for _, label in files])
        self.shape, self.timed = (3, SIZE, SIZE), False

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> Path:
        """The file of a sample."""
        start = int(self._ends[index - 1]) if index else 0
        return self.directory / os.fsdecode(bytes(self._names[start : int(self._ends[index])].tolist()))

    def add_to(self, digest: Any) -> None:
        """Feed names, sizes and labels to a hash."""
        for index in range(len(self)):
            path = self.path(index)
            line = f"{path.relative_to(self.directory)}\0{path.stat().st_size}\0{int(self.labels[index])}\n"
            digest.update(os.fsencode(line))

    def head(self, count: int) -> Tensor:
        """The first samples, read as test samples."""
        return next(self.stream([torch.arange(min(count, len(self)))]))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples and labels in order, at most `size` at once, read as test samples."""
        indices = torch.arange(len(self)).split(size)
        return zip(self.stream(indices), self.labels.split(size), strict=True)

    def stream(self, batches: Sequence[Tensor], position: tuple[int, ...] | None = None) -> Iterator[Tensor]:
        """The samples of each batch of indices, in order, read ahead by workers.

        With a position, of a training split, a random part of each image, drawn from (position, index) alone.

        Raises:
            ModelInputError: an image cannot be decoded.
        """
        loader: DataLoader[Any] = DataLoader(
            _Decoder(self, position),
            batch_sampler=[chosen.tolist() for chosen in batches],
            num_workers=min(WORKERS, len(batches)),
            collate_fn=_collate,
            generator=torch.Generator(),  # else it would draw from torch's own random state
        )
        for images in loader:
            if isinstance(images, str):
                raise ModelInputError(images)
            yield images


class _Decoder(TorchDataset[Any]):
    """What a worker does for one image: an image [3, 224, 224], or the sentence that says why there is none."""

    def __init__(self, split: FolderSplit, position: tuple[int, ...] | None) -> None:
        self.split, self.position = split, position

    def __getitem__(self, index: int) -> Tensor | str:
        from PIL import Image
        from torchvision.transforms import v2

        path = self.split.path(index)
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return f"{path} cannot be decoded ({str(error).splitlines()[0]}): copy it anew."
        if self.position is None:
            image = v2.functional.center_crop(v2.functional.resize(image, [SHORT_SIDE]), [SIZE, SIZE])
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(position_seed(*self.position, index))
                image = v2.RandomResizedCrop(SIZE)(image)
        return v2.functional.pil_to_tensor(image)


def _collate(images: list[Tensor | str]) -> Tensor | str:
    """A batch, or the first sentence: an exception that crosses processes would bring its traceback along."""
    return next((image for image in images if isinstance(image, str)), None) or torch.stack(
        [image for image in images if isinstance(image, Tensor)]
    )
