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
    action: Annotated[
        str | None, typer.Option(help="Use our action on GitHub instead of tox: OWNER/REPOSITORY@COMMIT.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="What the action measures: a suite's name, or a TOML file.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Or a model, as `measure` takes it: 'net.py:build --shape 1x28x28 --timesteps 4'."),
    ] = None,
) -> None:
    """Write the jobs that measure every change, keep the history on a branch and publish the report."""
    from inflor_bench.ci.templates import action_workflow, write_template
    from inflor_bench.errors import TrackInputError

    if action is None and (suite or target):
        raise TrackInputError("--suite and --target are for --action; otherwise tox.ini says what is measured.")
    if action is not None and provider is not Provider.GITHUB:
        raise TrackInputError("--action is for GitHub: leave --provider out.")
    text = None if action is None else action_workflow(action, suite, target or ())
    typer.echo(write_template(Path.cwd(), provider.value, force=force, text=text))
