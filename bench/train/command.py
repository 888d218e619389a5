"""What the command `inflor-bench train` does: from what was asked for to cells, recipes, checkpoints and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from inflor_bench.cell.name import Cell
from inflor_bench.errors import SuiteInputError
from inflor_bench.run.suite import PlannedCell, Suite, TrainingSettings, check_names, load_suite, plan

if TYPE_CHECKING:
    from inflor_bench.models.recipe import Recipe


@dataclass(frozen=True)
class TrainingRequest:
    """Cells or a suite, the recipe by name or None, values that replace its own (None: keep it), and the command.

    `ray` is where to reach Ray, "" a Ray of this machine's own; None: the cells are trained here, one after the other.
    """

    cells: tuple[str, ...]
    suite: str | None
    only: str
    recipe: str | None
    overrides: Mapping[str, Any]
    out: Path | None
    command: list[str]
    ray: str | None = None


def train_requested(request: TrainingRequest, **options: Any) -> None:
    """Train, print the path of each checkpoint, and of a suite the table. `options` are those of `TrainOptions`.

    Raises:
        SuiteInputError, ModelInputError: something asked for does not exist or cannot be used.
    """
    if bool(request.cells) == bool(request.suite):
        raise SuiteInputError("Say what to train: name either cells or a --suite.")
    suite = load_suite(request.suite) if request.suite else None
    planned = plan(suite, request.only) if suite else [PlannedCell(Cell.parse(name), "train") for name in request.cells]
    check_names(planned)

    from inflor_bench.train.cell import TrainOptions
    from inflor_bench.train.suite import sum_up, train_cells, without_data

    train_options = TrainOptions(**options)
    wanted = [(entry.cell, recipe_for(entry.cell, suite, request)) for entry in planned]
    if suite:
        wanted, missing = without_data(wanted, train_options, request.out)
    else:
        missing = []
    failed: list[str] = []
    if request.ray is None:
        training = train_cells(wanted, train_options, request.out, request.command)
    else:
        from inflor_bench.run.cluster.training import train_cells_on_ray

        training = train_cells_on_ray(wanted, train_options, request.out, request.command, request.ray, failed)
    found = {}
    for cell, path in training:
        typer.echo(str(path))
        found[cell] = path
    trained = [(cell, found[cell]) for cell, _ in wanted if cell in found]
    errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
    if suite and trained:
        with errors.status("evaluating") as status:
            typer.echo(
                sum_up(
                    suite.name,
                    trained,
                    train_options,
                    request.out,
                    lambda name: status.update(f"{name}: evaluating for the table"),
                )
            )
    for sentence in (*missing, *failed):
        errors.print(sentence)
    if missing or failed:
        raise typer.Exit(2)


def recipe_for(cell: Cell, suite: Suite | None, request: TrainingRequest) -> Recipe:
    """The recipe of a cell: the request's, else the suite's, else the data set's; each may replace some values."""
    from inflor_bench.models.recipe import find_recipe

    settings = suite.training_of(cell) if suite else TrainingSettings()
    given = {name: value for name, value in request.overrides.items() if value is not None}
    recipe = find_recipe(cell.dataset, request.recipe or settings.recipe)
    return replace(recipe, **{**settings.overrides(), **given})
