"""`inflor-bench train` in float64, with a narrow network that has every kind of normalisation.

In float32 the order of a sum decides on which side of a firing level a membrane falls, so that two correct trainings of
a spiking network drift apart; in float64 that does not happen within 20 steps, and what is left is an error.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch

from inflor_bench.cli.app import main
from inflor_bench.models.datasets import Dataset
from inflor_bench.models.networks import NETWORKS
from inflor_bench.models.networks.released_resnet import ReleasedResNet
from inflor_bench.models.recipe import RECIPES, Recipe
from inflor_bench.train import cell as cells

normalise, train = Dataset.normalise, cells.train


def normalise_in_double(dataset: Dataset, images: torch.Tensor) -> torch.Tensor:
    return normalise(dataset, images).double()


def train_until_stopped(*arguments, processes, **options):
    """Train; at step STOP_AT one of the processes, not the one that writes, is asked to stop."""

    def show(progress):
        if progress.step == int(os.environ["STOP_AT"]) and not processes.writes:
            signal.raise_signal(signal.SIGTERM)

    return train(*arguments, processes=processes, **{**options, "on_progress": show})


def train_in_double(arguments: list[str], variables: dict[str, str], errors: Path) -> None:
    """The command with these arguments, where a launcher has set these variables; it complains into a file."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.environ.update(variables)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    Dataset.normalise = normalise_in_double
    NETWORKS["narrow"] = partial(ReleasedResNet, "deep", (1, 1), (4, 8))
    RECIPES["everything"] = Recipe(
        epochs=1, batch_size=72, learning_rate=0.05, horizontal_flip=True, crop_padding=1, auto_augment=True, cutout=2
    )
    if "STOP_AT" in os.environ:
        cells.train = train_until_stopped
    sys.argv = ["inflor-bench", *arguments]
    main()
