"""The data sets by name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import cifar, cifar10_dvs, digits, digits_dvs, fashion_mnist, imagenet
from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError, Samples, Split

__all__ = ["DATASETS", "EVENTS", "Dataset", "DatasetUnavailableError", "Samples", "Split", "load_dataset"]

STILL: dict[str, Callable[[Path | None, bool], Dataset]] = {
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
    "cifar10": cifar.load_cifar10,
    "cifar100": cifar.load_cifar100,
    "imagenet": imagenet.load,
}
EVENTS: dict[str, Callable[[Path | None, bool, int], Dataset]] = {
    "digits-dvs": digits_dvs.load,
    "cifar10-dvs": cifar10_dvs.load,
}
DATASETS = (*STILL, *EVENTS)


def load_dataset(name: str, root: Path | None = None, download: bool = False, timesteps: int | None = None) -> Dataset:
    """Load a data set by name, once a process.

    Args:
        name: one of `DATASETS`.
        root: where its files lie; the environment variable INFLOR_BENCH_DATA where this is None.
        download: let torchvision fetch what is not there.
        timesteps: T, the number of frames that the events of a sample become; still images need none.

    Raises:
        ModelInputError: the name is unknown, the files are damaged, or T is missing or does not fit the events.
        DatasetUnavailableError: the files are not on this machine. Where only those of the training split are not,
            it is its `train` that raises this.
    """
    if name not in DATASETS:
        raise ModelInputError(f"Unknown data set {name!r}: choose one of {', '.join(DATASETS)}.")
    if name in EVENTS and timesteps is None:
        raise ModelInputError(f"The events of {name!r} become frames: say the number of time steps (--timesteps).")
    if root is None and os.environ.get("INFLOR_BENCH_DATA"):
        root = Path(os.environ["INFLOR_BENCH_DATA"])
    return _load(name, root, download, timesteps if name in EVENTS else None)


@functools.lru_cache(maxsize=4)
def _load(name: str, root: Path | None, download: bool, timesteps: int | None) -> Dataset:
    return STILL[name](root, download) if timesteps is None else EVENTS[name](root, download, timesteps)
