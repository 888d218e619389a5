"""Accuracy with one bit a sample, so that two models can be compared sample by sample (McNemar)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor_bench.errors import MeasureInputError
from inflor_bench.predictions import predictions


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Whether each sample was predicted correctly, in the order in which the samples came: bits, [n], bool."""

    bits: npt.NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.bits.size)

    @property
    def correct(self) -> int:
        """Number of correct predictions."""
        return int(self.bits.sum())


class AccuracyMeter:
    """Collects correct predictions over batches: `update(logits, labels)` for each, then `result()`."""

    def __init__(self) -> None:
        self._bits: list[Tensor] = []
        self._samples = 0

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: logits [N, classes], floating point; labels [N], integers in [0, classes).

        Raises:
            MeasureInputError: wrong shapes, labels that are no classes, or NaN logits. The batch is then not counted.
        """
        if logits.ndim != 2 or logits.shape[1] == 0 or not logits.is_floating_point():
            raise MeasureInputError(
                f"The logits are {logits.dtype} of shape {list(logits.shape)}; give floating point [N, classes]."
            )
        if labels.shape != logits.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
            raise MeasureInputError(
                f"The labels are {labels.dtype} of shape {list(labels.shape)}; "
                f"give integers of shape [{logits.shape[0]}], one per row of logits."
            )
        if not logits.shape[0]:
            return
        labels = labels.detach().to(logits.device)
        if int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
            raise MeasureInputError(
                f"The labels reach from {int(labels.min())} to {int(labels.max())}, "
                f"but the network tells classes 0 to {logits.shape[1] - 1} apart."
            )
        not_numbers = logits.isnan().any(dim=1)
        if bool(not_numbers.any()):
            first = self._samples + int(not_numbers.nonzero()[0])
            raise MeasureInputError(
                f"The network gave NaN logits for {int(not_numbers.sum())} of {logits.shape[0]} samples, "
                f"first for sample {first}; check its weights and the normalisation of its input."
            )
        self._bits.append((predictions(logits.detach()) == labels).cpu())
        self._samples += logits.shape[0]

    def result(self) -> Accuracy:
        """Return the bits of all samples so far.

        Raises:
            MeasureInputError: there was no sample.
        """
        if not self._bits:
            raise MeasureInputError("No sample was evaluated; give at least one batch with samples.")
        return Accuracy(bits=torch.cat(self._bits).numpy())
