"""Optical digits, 8x8 grey (1,797 images; E. Alpaydin and C. Kaynak, 1998), as scikit-learn ships them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.datasets.dataset import Dataset, Split, make_dataset

SHA256 = "78a71d9303cbaee7c6a913d64c62b779d559f78a588c4f1b9bf3a0eb30c1d4fa"


def load(root: Path | None, download: bool) -> Dataset:
    """Load from scikit-learn itself; `root` and `download` are not needed.

    The split is fixed and stratified without a random number: of each class, every fifth image in the order of the
    file is a test image.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images.astype(np.uint8))[:, None]
    labels = torch.from_numpy(data.target.astype(np.int64))
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        is_test[torch.nonzero(labels == digit)[4::5, 0]] = True
    train = Split(images[~is_test].contiguous(), labels[~is_test])
    test = Split(images[is_test].contiguous(), labels[is_test])
    return make_dataset("digits", tuple(str(digit) for digit in range(10)), train, test, SHA256)
