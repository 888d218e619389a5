"""`python -m tests.peers.benchmark`: the comparison, as tables and as a JSON file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from inflor_bench.errors import TrackInputError
from inflor_bench.files import write_json
from tests.peers.benchmark.comparison import compare
from tests.peers.benchmark.plan import Plan
from tests.peers.benchmark.show import show


def main(
    out: Annotated[Path, typer.Option(help="Where peers.json goes.")] = Path(".bench/peers"),
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds of each contestant.")] = 10,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each process; by default torch's own.")] = None,
) -> None:
    """Compare ours with the packages that are installed: counts, counting, neurons, networks, memory."""
    errors, path = Console(stderr=True), out / "peers.json"
    threads = threads or torch.get_num_threads()
    try:
        with errors.status("starting") as status:
            document = compare(
                Plan(), partial(write_json, path), rounds=rounds, threads=threads, on_progress=status.update
            )
    except TrackInputError as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    show(document, Console())
    typer.echo(str(path))


if __name__ == "__main__":
    typer.run(main)
