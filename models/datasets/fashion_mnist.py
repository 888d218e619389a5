"""Fashion-MNIST, 28x28 grey, 60,000 and 10,000 images (Xiao et al. 2017, arXiv 1708.07747)."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.datasets.dataset import Dataset, DatasetUnavailableError, Split, make_dataset
from models.errors import ModelInputError

SHA256 = "174f952899e98b55937c15ae078db70abc09d6db16ba1ad1326651f08bf32d26"
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}


def load(root: Path | None, download: bool) -> Dataset:
    """Load from `root`, else from the Debian package, else by torchvision's download where that was asked for.

    Raises:
        DatasetUnavailableError: the files are nowhere.
        ModelInputError: a file is damaged.
    """
    directory = _find(root, download)
    splits = {
        name: Split(
            _read_idx(directory, images, (count, 28, 28))[:, None], _read_idx(directory, labels, (count,)).long()
        )
        for name, (images, labels, count) in FILES.items()
    }
    return make_dataset("fashion-mnist", CLASSES, splits["train"], splits["test"], SHA256)


def _find(root: Path | None, download: bool) -> Path:
    roots = [root] if root else [DEBIAN]
    candidates = [place for base in roots for place in (base, base / "fashion-mnist", base / "FashionMNIST" / "raw")]
    for directory in candidates:
        names = (name for images, labels, _ in FILES.values() for name in (images, labels))
        if any((directory / f"{name}{suffix}").is_file() for name in names for suffix in ("", ".gz")):
            return directory
    if download:
        return _download(root or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inflor-bench")
    where = f"under {root}" if root else f"in {DEBIAN}"
    raise DatasetUnavailableError(
        f"Fashion-MNIST is not {where}: install the Debian package dataset-fashion-mnist, or name the folder that "
        "holds its four files with --data-root (or INFLOR_BENCH_DATA), or let torchvision fetch it with --download."
    )


def _download(root: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise DatasetUnavailableError(
            f"torchvision could not fetch Fashion-MNIST ({error}): install the Debian package dataset-fashion-mnist, "
            "or name the folder that holds its four files with --data-root (or INFLOR_BENCH_DATA), or try again."
        ) from None
    return root / "FashionMNIST" / "raw"


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
        raise ModelInputError(f"{path} is missing: the data set needs it beside the other three files.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ModelInputError(f"{path} is damaged ({error}): install the data set anew.") from None
    if not content.startswith(header) or len(content) != length:
        raise ModelInputError(f"{path} is damaged (it does not hold {list(shape)} bytes): install the data set anew.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy())
