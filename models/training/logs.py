"""Logs of a training: the curve as CSV, and for TensorBoard. A log is called with the whole curve after each epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from inflor_bench.errors import ModelInputError
from inflor_bench.models.checkpoints import write_atomically

Curve = Sequence[dict[str, float]]
Log = Callable[[Curve], None]
COLUMNS = ("epoch", "loss", "train_accuracy", "test_accuracy")


def csv_log(path: Path) -> Log:
    """A CSV file of one line an epoch. It is written as a whole, so that a resumed run leaves no line twice."""

    def write(curve: Curve) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)
        write_atomically(path, text.getvalue().encode())

    return write


def tensorboard_log(directory: Path) -> Log:
    """Event files that TensorBoard shows. A resumed run hides what was written of the epochs that it repeats.

    Raises:
        ModelInputError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ModelInputError(
            "The package tensorboard is not installed: install inflor-bench[tensorboard], or leave --tensorboard out."
        ) from None
    writers: list[SummaryWriter] = []

    def write(curve: Curve) -> None:
        point = curve[-1]
        epoch = int(point["epoch"])
        if not writers:
            writers.append(SummaryWriter(str(directory), purge_step=epoch))
        for name, value in point.items():
            if name != "epoch":
                writers[0].add_scalar(name, value, epoch)
        writers[0].flush()

    return write
