"""The command `inflor-bench train`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cache import cache_directory
from inflor_bench.cli import options


def train(
    cells: Annotated[list[str] | None, typer.Argument(help="Cells, e.g. fashion-mnist/resnet8/soft-mpr/T2/s0.")] = None,
    suite: Annotated[str | None, typer.Option(help="Instead of cells: all of a suite (zoo, or a TOML file).")] = None,
    only: Annotated[str, typer.Option(help="Of a suite, the cells that match this pattern.")] = "*",
    recipe: Annotated[
        str | None, typer.Option(help="paper-cifar, paper-dvs, quick, ... instead of the data's.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate instead of the recipe's.")] = None,
    bfloat16: Annotated[bool | None, typer.Option("--bfloat16", help="Compute in bfloat16 where it is safe.")] = None,
    steps_at_once: Annotated[
        int | None, typer.Option(help="Time steps of events at a time, 1 to 8, to bound memory.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Export checkpoints and model cards here.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the curve of each cell here, as CSV.")] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Write event files for TensorBoard here.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    data_root: options.DataRoot = None,
    download: options.Download = False,
    on: options.On = None,
) -> None:
    """Train networks. A stopped run goes on where it was; a suite's cells that are finished are skipped."""
    from inflor_bench.cell.name import Cell
    from inflor_bench.errors import SuiteInputError
    from inflor_bench.run.suite import PlannedCell, TrainingSettings, check_names, load_suite, plan

    ray = options.ray_address(on)
    if bool(cells) == bool(suite):
        raise SuiteInputError("Say what to train: name either cells or a --suite.")
    loaded = load_suite(suite) if suite else None
    planned = plan(loaded, only) if loaded else [PlannedCell(Cell.parse(name), "train") for name in cells or ()]
    check_names(planned)

    from inflor_bench.models.training.processes import torchrun_processes
    from inflor_bench.terminal import say, terminal
    from inflor_bench.train.cell import TrainOptions
    from inflor_bench.train.suite import sum_up, train_cells, without_data

    values = {
        "recipe": recipe,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "bfloat16": bfloat16,
        "steps_at_once": steps_at_once,
    }
    asked = {name: value for name, value in values.items() if value is not None}
    wanted = []
    for cell in (entry.cell for entry in planned):
        settings = loaded.training_of(cell) if loaded else TrainingSettings()
        wanted.append((cell, settings.model_copy(update=asked).recipe_for(cell.dataset)))
    missing: list[str] = []
    failed: list[str] = []
    with torchrun_processes(device) as processes:
        if processes and (ray is not None or download):
            raise SuiteInputError(
                "torchrun's processes train from what is here: leave --on out, and --download before."
            )
        how = TrainOptions(cache_directory() / "trained", data_root, download, device, csv, tensorboard, processes)
        if loaded:
            wanted, missing = without_data(wanted, how, out)
        if ray is None:
            training = train_cells(wanted, how, out, options.command_line())
        else:
            from inflor_bench.run.cluster.training import train_cells_on_ray

            training = train_cells_on_ray(wanted, how, out, options.command_line(), ray, failed)
        found = {}
        for cell, path in training:
            typer.echo(str(path))
            found[cell] = path
    trained = [(cell, found[cell]) for cell, _ in wanted if cell in found]
    if loaded and trained and how.writes:
        with terminal().status("evaluating") as status:
            table = sum_up(
                loaded.name, trained, how, out, lambda name: status.update(f"{name}: evaluating for the table")
            )
        typer.echo(table)
    for sentence in (*missing, *failed):
        say(sentence)
    if missing or failed:
        raise typer.Exit(2)
