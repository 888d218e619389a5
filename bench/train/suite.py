"""Trains all cells of a suite: what is finished is skipped, what was stopped goes on, and a table sums it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from inflor_bench.cell.name import Cell
from inflor_bench.errors import ModelInputError
from inflor_bench.files import remove_leftovers
from inflor_bench.models.checkpoints import load_model, read_trained, write_atomically
from inflor_bench.models.datasets import Dataset, DatasetUnavailableError, load_dataset
from inflor_bench.models.recipe import Recipe
from inflor_bench.models.training import evaluate
from inflor_bench.terminal import say
from inflor_bench.train.cell import TrainOptions, cell_config, export_cell, exported_path, train_cell, training_key_of
from inflor_bench.train.paired import Trained, table

Planned = Sequence[tuple[Cell, Recipe]]


def train_cells(
    planned: Planned, options: TrainOptions, out: Path | None, command: Sequence[str]
) -> Iterator[tuple[Cell, Path]]:
    """Train one cell after the other and give each with its checkpoint, exported to `out` where that is given.

    Raises:
        ModelInputError: data, recipe or a checkpoint that cannot be used.
    """
    for cell, recipe in planned:
        checkpoint = exported(cell, recipe, options, out) if out else None
        if options.processes:
            options.processes.agree(checkpoint is not None, "exported checkpoints")
        if checkpoint and read_trained(checkpoint)[1]["training_key"] != training_key_of(cell, recipe, options):
            say(f"{checkpoint}: was trained by other code, and is kept; remove it to train it anew.")
        if checkpoint is None:
            checkpoint = train_cell(cell, options, recipe=recipe, command=command)
        yield cell, export_cell(cell, checkpoint, out) if out and options.writes else checkpoint


def is_trained(cell: Cell, recipe: Recipe, options: TrainOptions, out: Path | None) -> bool:
    """Whether the cell's checkpoint is in `out` or in the cache."""
    return bool(out and exported(cell, recipe, options, out)) or cached_path(cell, recipe, options).exists()


def cached_path(cell: Cell, recipe: Recipe, options: TrainOptions) -> Path:
    """Where training leaves the cell's checkpoint."""
    return options.cache / f"{training_key_of(cell, recipe, options)}.safetensors"


def exported(cell: Cell, recipe: Recipe, options: TrainOptions, out: Path) -> Path | None:
    """The cell's checkpoint in `out`, if it is there, of the same recipe, data and seed.

    What was exported is somebody's to keep, also where the code that trained it went on.
    """
    path = exported_path(cell, out)
    if not path.is_file():
        return None
    dataset = load_dataset(cell.dataset, options.data_root, options.download, cell.steps)
    _, metadata = read_trained(path)
    wanted = cell_config(cell, dataset).as_dict(), recipe.values(), dataset.sha256, cell.seed
    there = metadata["config"], metadata["recipe"], metadata["dataset"].get("sha256"), metadata["seed"]
    same = metadata["training_key"] == training_key_of(cell, recipe, options) or there == wanted
    return path if same else None


def sum_up(
    name: str,
    trained: Sequence[tuple[Cell, Path]],
    options: TrainOptions,
    out: Path | None,
    on_progress: Callable[[str], None],
) -> str:
    """Evaluate the trained cells anew and return their table in Markdown, also written to `out/<name>.md`.

    Raises:
        ModelInputError: a checkpoint does not reach the accuracy that it was stored with.
    """
    results = []
    for cell, checkpoint in trained:
        on_progress(cell.name)
        dataset = load_dataset(cell.dataset, options.data_root, options.download, cell.steps)
        results.append(Trained(cell, bits_of(checkpoint, dataset), dataset.simulated))
    text = table(name, results)
    if out:
        path = out / f"{name}.md"
        remove_leftovers(path)
        write_atomically(path, text.encode())
    return text


def bits_of(checkpoint: Path, dataset: Dataset) -> np.ndarray:
    """One boolean a test sample: whether the checkpoint's network is right.

    Raises:
        ModelInputError: there are more or fewer right ones than the checkpoint says by more than rounding may change.
    """
    _, metadata = read_trained(checkpoint)
    bits = evaluate(load_model(checkpoint), dataset, dataset.test).numpy()
    # Another machine rounds differently, so that a few membranes may fall on the other side of the firing level.
    if abs(int(bits.sum()) - metadata["correct"]) > max(1, len(bits) // 1000):
        raise ModelInputError(
            f"{checkpoint} predicts {int(bits.sum())} of {len(bits)} test samples correctly, not "
            f"{metadata['correct']} as it says: train it anew."
        )
    return bits


def without_data(
    planned: Planned, options: TrainOptions, out: Path | None
) -> tuple[list[tuple[Cell, Recipe]], list[str]]:
    """The cells whose data are here, and a sentence for each data set that is not.

    What is trained already needs no training split.
    """
    here: list[tuple[Cell, Recipe]] = []
    missing: dict[str, None] = {}
    for cell, recipe in planned:
        try:
            if not is_trained(cell, recipe, options, out):
                dataset = load_dataset(cell.dataset, options.data_root, options.download, cell.steps)
                len(dataset.train)  # read, to see whether it is here
            here.append((cell, recipe))
        except DatasetUnavailableError as error:
            missing[str(error)] = None
    return here, list(missing)
