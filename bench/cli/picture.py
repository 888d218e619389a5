"""The command `inflor-bench picture`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def picture(
    run: Annotated[Path, typer.Argument(help="Run file.")],
    out: Annotated[Path, typer.Argument(help="PNG to write.")],
) -> None:
    """Take a picture of the top of a run's report, for a README. Takes a Chromium on the PATH."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.pages.picture import picture as take

    typer.echo(str(take(read_run(run), out)))
