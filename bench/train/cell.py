"""Trains the network of a cell, showing progress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from inflor_bench.cell.name import Cell
from inflor_bench.files import remove_leftovers
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import read_trained, write_atomically
from inflor_bench.models.create import ModelConfig, config_for
from inflor_bench.models.datasets import Dataset, load_dataset
from inflor_bench.models.recipe import Recipe, find_recipe, training_key
from inflor_bench.models.training import Progress, train
from inflor_bench.models.training.logs import csv_log, tensorboard_log
from inflor_bench.models.training.processes import Processes, find_device
from inflor_bench.terminal import terminal

# How often a log is told that a training goes on, s.
LOG_SECONDS = 60.0


@dataclass(frozen=True)
class TrainOptions:
    """What the outcome of a training does not depend on: where data and caches are, the device, and the logs.

    `processes` are those of torchrun, which train each cell together; None: this one trains alone.
    """

    cache: Path
    data_root: Path | None = None
    download: bool = False
    device: str = "cpu"
    csv: Path | None = None
    tensorboard: Path | None = None
    processes: Processes | None = None

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes files."""
        return self.processes is None or self.processes.writes


def cell_config(cell: Cell, dataset: Dataset) -> ModelConfig:
    """The network of a cell on its data, with the neuron's constants spelt out."""
    return config_for(cell.network, cell.neuron, cell.timesteps, len(dataset.classes), dataset.shape[0])


def training_key_of(cell: Cell, recipe: Recipe, options: TrainOptions) -> str:
    """The key that the cell's network is kept under, trained by this code."""
    dataset = load_dataset(cell.dataset, options.data_root, options.download, cell.steps)
    return training_key(cell_config(cell, dataset), recipe, dataset, cell.seed)


def train_cell(cell: Cell, options: TrainOptions, *, recipe: Recipe | None = None, command: Sequence[str] = ()) -> Path:
    """Train the cell's network, or find it in the cache, and return its checkpoint."""
    dataset = load_dataset(cell.dataset, options.data_root, options.download, cell.steps)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.1%}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = terminal()
    recipe = recipe or find_recipe(cell.dataset)
    logs = [csv_log(options.csv / f"{cell.name}.csv")] if options.csv else []
    logs += [tensorboard_log(options.tensorboard / cell.name)] if options.tensorboard else []
    with Bar(*columns, console=console, refresh_per_second=2, disable=not console.is_terminal) as bar:
        task = bar.add_task(cell.name, total=None, loss=0.0, accuracy=0.0)
        said = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal said
            bar.update(
                task, completed=progress.step, total=progress.steps, loss=progress.loss, accuracy=progress.accuracy
            )
            if not console.is_terminal and time.monotonic() - said > LOG_SECONDS:
                said = time.monotonic()
                console.print(
                    f"{cell.name}: epoch {progress.epoch + 1} of {recipe.epochs}, "
                    f"loss {progress.loss:.3f}, accuracy {progress.accuracy:.1%}"
                )

        return train(
            cell_config(cell, dataset),
            recipe,
            dataset,
            cell.seed,
            options.cache,
            command=command,
            on_progress=show,
            logs=logs,
            processes=options.processes or Processes(device=find_device(options.device)),
        )


def exported_path(cell: Cell, out: Path) -> Path:
    """Where a cell's checkpoint is exported to; its model card lies beside it."""
    return out / f"{cell.name}.safetensors"


def export_cell(cell: Cell, checkpoint: Path, out: Path) -> Path:
    """Copy a trained checkpoint to `out/<cell name>.safetensors`, with its card beside it; what is right is left."""
    path = exported_path(cell, out)
    _, metadata = read_trained(checkpoint)
    for target, content in (
        (path, checkpoint.read_bytes()),
        (path.with_suffix(".md"), model_card(cell.name, metadata).encode()),
    ):
        remove_leftovers(target)
        if not target.is_file() or target.read_bytes() != content:
            write_atomically(target, content)
    return path
