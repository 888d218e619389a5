"""The command `inflor-bench init-ci`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Provider(str, Enum):
    """Where the jobs run."""

    GITHUB = "github"
    GITLAB = "gitlab"


def init_ci(
    provider: Annotated[Provider, typer.Option(help="Where the jobs run.")] = Provider.GITHUB,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that is there.")] = False,
) -> None:
    """Write the jobs that measure every change, keep the history on a branch and publish the report."""
    from inflor_bench.ci.templates import write_template

    typer.echo(write_template(Path.cwd(), provider.value, force=force))
