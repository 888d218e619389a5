"""Trains the network of a cell, showing progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from bench.suites.cell import Cell
from models.cards import model_card
from models.checkpoints import read_tensors, write_atomically
from models.create import ModelConfig
from models.datasets import Dataset, load_dataset
from models.neurons import DEFAULT_CONSTANTS
from models.recipe import RECIPES, Recipe
from models.training import Progress, train


def cell_config(cell: Cell, dataset: Dataset) -> ModelConfig:
    """The network of a cell on its data, with the neuron's constants spelt out."""
    constants = {} if cell.neuron == "relu" else dict(DEFAULT_CONSTANTS)
    return ModelConfig(cell.network, cell.neuron, cell.timesteps, len(dataset.classes), dataset.shape[0], constants)


def train_cell(
    cell: Cell,
    cache: Path,
    *,
    recipe: Recipe | None = None,
    data_root: Path | None = None,
    download: bool = False,
    command: Sequence[str] = (),
) -> Path:
    """Train the cell's network, or find it in the cache, and return its checkpoint."""
    dataset = load_dataset(cell.dataset, data_root, download)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.1%}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, soft_wrap=True)
    recipe = recipe or RECIPES[cell.dataset]
    with Bar(*columns, console=console, refresh_per_second=2, disable=not console.is_terminal) as bar:
        task = bar.add_task(cell.name, total=None, loss=0.0, accuracy=0.0)

        def show(progress: Progress) -> None:
            bar.update(
                task, completed=progress.step, total=progress.steps, loss=progress.loss, accuracy=progress.accuracy
            )
            if not console.is_terminal and progress.step * recipe.epochs % progress.steps == 0:
                console.print(
                    f"{cell.name}: epoch {progress.epoch + 1} of {recipe.epochs}, "
                    f"loss {progress.loss:.3f}, accuracy {progress.accuracy:.1%}"
                )

        return train(
            cell_config(cell, dataset),
            recipe,
            dataset,
            cell.seed,
            cache,
            command=command,
            on_progress=show,
        )


def export_cell(cell: Cell, checkpoint: Path, out: Path) -> Path:
    """Copy a trained checkpoint to `out/<cell name>.safetensors`, with its model card beside it."""
    _, metadata = read_tensors(checkpoint)
    path = out / f"{cell.name}.safetensors"
    write_atomically(path, checkpoint.read_bytes())
    write_atomically(path.with_suffix(".md"), model_card(cell.name, metadata).encode())
    return path


def with_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe, with another number of epochs where one is given."""
    return recipe if epochs is None else replace(recipe, epochs=epochs)
