"""`inflor-bench`: the commands, a file each; errors become sentences here, and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from inflor_bench.cli.ab import ab
from inflor_bench.cli.bisect import bisect
from inflor_bench.cli.compare import compare
from inflor_bench.cli.doctor import doctor
from inflor_bench.cli.explain import explain
from inflor_bench.cli.export import export
from inflor_bench.cli.figure import figure
from inflor_bench.cli.history import history
from inflor_bench.cli.import_weights import import_weights
from inflor_bench.cli.init_ci import init_ci
from inflor_bench.cli.leaderboard import leaderboard
from inflor_bench.cli.measure import measure
from inflor_bench.cli.merge import merge
from inflor_bench.cli.picture import picture
from inflor_bench.cli.publish import publish
from inflor_bench.cli.report import report
from inflor_bench.cli.rerun import rerun
from inflor_bench.cli.run import run
from inflor_bench.cli.serve import serve
from inflor_bench.cli.study import study
from inflor_bench.cli.train import train
from inflor_bench.cli.worth import worth
from inflor_bench.errors import InputError
from inflor_bench.terminal import be_silent, say, write_in_any_encoding

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"inflor-bench {version('inflor-bench')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Measure spiking networks, compare them, and publish the comparison.

    Exit codes: 0 fine, 1 a regression, 2 bad input.
    """


COMMANDS: tuple[Callable[..., None], ...] = (
    *(run, compare, report, train, study, import_weights, merge, measure, doctor, rerun),
    *(publish, serve, figure, picture, ab, bisect, worth, leaderboard, explain, export, init_ci),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(history, name="history")


def main() -> None:
    """Run the command line: exit 0 fine, 1 regression, 2 bad input, 130 stopped by Ctrl-C."""
    write_in_any_encoding()
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ["RANK"] != "0":
        be_silent()  # of the processes that torchrun started, the first one speaks
    try:
        # Not standalone, the code of `typer.Exit` is returned, and the errors are ours to print.
        code = app(standalone_mode=False)
        if code == 130:  # newer typer makes this code of Ctrl-C
            raise KeyboardInterrupt
    except (typer.Abort, KeyboardInterrupt):
        say("Stopped. What was measured or trained so far is kept; run the same command to go on.")
        code = 130
    except Exception as error:
        if isinstance(error, InputError):
            say(str(error))
        elif hasattr(error, "show"):  # a usage error of the command line parser, which newer typer keeps to itself
            error.show()
        else:
            raise
        code = 2
    sys.exit(code)
