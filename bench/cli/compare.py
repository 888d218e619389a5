"""The command `inflor-bench compare`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cli import options


def compare(
    base: Annotated[Path, typer.Argument(help="Run file of the baseline.")],
    head: Annotated[Path, typer.Argument(help="Run file to judge.")],
    accepted: options.Accepted = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the comparison as JSON.")] = None,
) -> None:
    """Compare two runs: counts exactly, accuracy by McNemar, the rest shown. Exit 1 on a regression."""
    from inflor_bench.files import write_json
    from inflor_bench.record.run_file import read_run
    from inflor_bench.run.judge import judge_here, summarise
    from inflor_bench.verdict.render import render_markdown, to_json

    comparison = judge_here(read_run(base), read_run(head), accepted)
    summarise(render_markdown(comparison))
    if json_file:
        write_json(json_file, to_json(comparison))
    raise typer.Exit(comparison.exit_code)
