"""The data sets by name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from models.datasets import digits, fashion_mnist
from models.datasets.dataset import Dataset, DatasetUnavailableError, Split
from models.errors import ModelInputError

__all__ = ["DATASETS", "Dataset", "DatasetUnavailableError", "Split", "load_dataset"]

DATASETS: dict[str, Callable[[Path | None, bool], Dataset]] = {
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
}


def load_dataset(name: str, root: Path | None = None, download: bool = False) -> Dataset:
    """Load a data set by name, once a process.

    Args:
        name: "digits" or "fashion-mnist".
        root: where its files lie; the environment variable INFLOR_BENCH_DATA where this is None.
        download: let torchvision fetch it if it is not there.

    Raises:
        ModelInputError: the name is unknown or the files are damaged.
        DatasetUnavailableError: the files are not on this machine.
    """
    if name not in DATASETS:
        raise ModelInputError(f"Unknown data set {name!r}: choose one of {', '.join(DATASETS)}.")
    if root is None and os.environ.get("INFLOR_BENCH_DATA"):
        root = Path(os.environ["INFLOR_BENCH_DATA"])
    return _load(name, root, download)


@functools.lru_cache(maxsize=4)
def _load(name: str, root: Path | None, download: bool) -> Dataset:
    return DATASETS[name](root, download)
