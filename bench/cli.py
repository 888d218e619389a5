"""`inflor-bench`: a thin face over the rest. Heavy imports stand inside the commands, so that each starts at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Measure spiking networks, compare them, and publish the comparison."""


def cache_directory() -> Path:
    """Where trained cells are kept: INFLOR_BENCH_CACHE, else the user's cache directory."""
    if os.environ.get("INFLOR_BENCH_CACHE"):
        return Path(os.environ["INFLOR_BENCH_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inflor-bench"


@app.command()
def train(
    cells: Annotated[list[str], typer.Argument(help="Cells, e.g. fashion-mnist/resnet8/soft-mpr/T2/s0.")],
    epochs: Annotated[int | None, typer.Option(help="Epochs instead of the recipe's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Export checkpoints and model cards here.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option(help="Let torchvision fetch data that is not here.")] = False,
) -> None:
    """Train networks. A stopped run goes on where it was."""
    from bench.suites.cell import Cell
    from bench.suites.train import export_cell, train_cell, with_epochs
    from models.errors import ModelInputError
    from models.recipe import RECIPES

    parsed = [Cell.parse(name) for name in cells]
    for cell in parsed:
        if cell.dataset not in RECIPES:
            raise ModelInputError(f"Unknown data set {cell.dataset!r}: choose one of {', '.join(RECIPES)}.")
        recipe = with_epochs(RECIPES[cell.dataset], epochs)
        checkpoint = train_cell(
            cell,
            cache_directory() / "trained",
            recipe=recipe,
            data_root=data_root,
            download=download,
            command=["inflor-bench", *sys.argv[1:]],
        )
        typer.echo(str(export_cell(cell, checkpoint, out) if out else checkpoint))


def main() -> None:
    """Run the command line: exit 0 fine, 1 regression, 2 bad input, 130 stopped by Ctrl-C."""
    try:
        app(standalone_mode=False)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except Exception as error:
        from bench.suites.errors import SuiteInputError

        if isinstance(error, SuiteInputError) or type(error).__name__.endswith("InputError"):
            print(error, file=sys.stderr)
            sys.exit(2)
        raise


if __name__ == "__main__":
    main()
