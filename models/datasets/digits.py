"""Optical digits, 8x8 grey (1,797 images; E. Alpaydin and C. Kaynak, 1998), as scikit-learn ships them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError, Split, make_dataset

SHA256 = "78a71d9303cbaee7c6a913d64c62b779d559f78a588c4f1b9bf3a0eb30c1d4fa"


def load(root: Path | None, download: bool) -> Dataset:
    """Load the file that scikit-learn ships; `root` and `download` are not needed.

    The split is fixed and stratified without a random number: of each class, every fifth image in the order of the
    file is a test image.

    Raises:
        DatasetUnavailableError: scikit-learn is not installed.
    """
    pixels_and_label = torch.from_numpy(np.loadtxt(_file(), delimiter=",", dtype=np.int64))
    images = pixels_and_label[:, :-1].to(torch.uint8).view(-1, 1, 8, 8)
    labels = pixels_and_label[:, -1].clone()
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        is_test[torch.nonzero(labels == digit)[4::5, 0]] = True
    train = Split(images[~is_test].contiguous(), labels[~is_test])
    test = Split(images[is_test].contiguous(), labels[is_test])
    return make_dataset("digits", tuple(str(digit) for digit in range(10)), train, test, SHA256)


def _file() -> Path:
    """Its path, without importing scikit-learn, which takes as long as importing torch."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DatasetUnavailableError("The digits are a file of scikit-learn: pip install scikit-learn.")
    return Path(package.origin).parent / "datasets/data/digits.csv.gz"
