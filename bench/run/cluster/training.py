"""Trains cells by Ray. A worker sends its checkpoint back into the cache here; from there on all is as without Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from inflor_bench.cell.name import Cell
from inflor_bench.models.checkpoints import write_atomically
from inflor_bench.models.recipe import Recipe
from inflor_bench.run.cluster.pool import Lost, Note, Pool
from inflor_bench.train.cell import TrainOptions, train_cell
from inflor_bench.train.suite import Planned, cached_path, is_trained, train_cells


def train_cells_on_ray(
    planned: Planned, options: TrainOptions, out: Path | None, command: Sequence[str], address: str, failed: list[str]
) -> Iterator[tuple[Cell, Path]]:
    """As `train_cells`, side by side and in the order in which they are done.

    A cell that cannot be trained becomes a sentence in `failed`, and the others go on.

    Raises:
        SuiteInputError: Ray cannot be reached, or a cell fits on none of its nodes.
    """
    jobs: dict[str, tuple[Cell, Recipe]] = {}
    for cell, recipe in planned:
        if is_trained(cell, recipe, options, out):
            yield from train_cells([(cell, recipe)], options, out, command)
        else:
            jobs[cell.name] = cell, recipe
    if not jobs:
        return
    with Pool(address, gpu=options.device == "cuda") as pool:
        for name, result in pool.run(train_one, (_absolute(options), list(command)), list(jobs.items())):
            if isinstance(result, Lost):
                failed.append(f"{name}: {result.reason}")
                continue
            cell, recipe = jobs[name]
            path = cached_path(cell, recipe, options)
            if not path.exists():  # the worker has another disk
                write_atomically(path, result)
            yield from train_cells([(cell, recipe)], options, out, command)


def train_one(note: Note, options: TrainOptions, command: Sequence[str], job: tuple[Cell, Recipe]) -> bytes:
    """Train a cell in a worker and return its checkpoint."""
    cell, recipe = job
    note("begin")
    return train_cell(cell, options, recipe=recipe, command=command).read_bytes()


def _absolute(options: TrainOptions) -> TrainOptions:
    """The same places for a worker, which may stand in another directory."""
    places = {name: getattr(options, name) for name in ("cache", "data_root", "csv", "tensorboard")}
    return replace(options, **{name: path.absolute() for name, path in places.items() if path is not None})
