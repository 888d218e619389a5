"""`inflor-bench`: a thin face over the rest. Heavy imports stand inside the commands, so that each starts at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from inflor_bench.cache import cache_directory
from inflor_bench.cli.ab import ab
from inflor_bench.cli.bisect import bisect
from inflor_bench.cli.ci import export, init_ci
from inflor_bench.cli.doctor import doctor
from inflor_bench.cli.history import history as history_commands
from inflor_bench.cli.measure import measure
from inflor_bench.cli.merge import merge
from inflor_bench.cli.options import (
    AcceptedOption,
    HistoryOption,
    On,
    Quick,
    RequirePower,
    Tdp,
    Timeout,
    Untimed,
    Watch,
    checked_timeout,
    overridden,
    ray_address,
    without_power,
)
from inflor_bench.cli.pages import figure, picture, publish, serve
from inflor_bench.errors import InputError
from inflor_bench.rerun.command import rerun
from inflor_bench.run.shards import Shard, ShardOption
from inflor_bench.terminal import write_in_any_encoding
from inflor_bench.text import one_line

if TYPE_CHECKING:
    from inflor_bench.record.run_file import Run
    from inflor_bench.verdict.compare import Comparison

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data sets (or INFLOR_BENCH_DATA).")]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch data that is not here.")]


@app.callback()
def root() -> None:
    """Measure spiking networks, compare them, and publish the comparison.

    Exit codes: 0 fine, 1 a regression, 2 bad input.
    """


def command_line() -> list[str]:
    """This command as it was given."""
    return ["inflor-bench", *sys.argv[1:]]


@app.command()
def run(
    suite: Annotated[str, typer.Option(help="A shipped suite's name, or a TOML file.")] = "default",
    only: Annotated[str, typer.Option(help="Measure the cells that match this pattern.")] = "*",
    out: Annotated[Path, typer.Option(help="Where run files (in runs/) and the report (in report/) go.")] = Path(
        ".bench"
    ),
    accepted: AcceptedOption = None,
    data_root: DataRoot = None,
    download: Download = False,
    quick: Quick = False,
    untimed: Untimed = False,
    require_power: RequirePower = False,
    watch: Watch = False,
    tdp: Tdp = None,
    history: HistoryOption = None,
    shard: ShardOption = None,
    timeout: Timeout = None,
    on: On = None,
) -> None:
    """Train or load, measure, compare with the newest comparable run, and write the report."""
    from inflor_bench.run.suite import check_names, load_suite, plan

    loaded = load_suite(suite)
    loaded = loaded.model_copy(update={"measure": overridden(loaded.measure, quick, tdp, untimed)})
    part = Shard.parse(shard) if shard is not None else None
    seconds, ray = checked_timeout(timeout), ray_address(on)
    planned = plan(loaded, only)
    check_names(planned)
    planned = part.of(planned) if part else planned
    if not planned:
        typer.echo(f"Shard {part} of suite {loaded.name!r} has no cell: nothing is to be measured.")
        return

    from inflor_bench.cell.prepare import Sources
    from inflor_bench.history.history import newest_comparable
    from inflor_bench.record.run_file import read_run
    from inflor_bench.run.judge import judge_here, summarise
    from inflor_bench.run.run import Where, run_suite

    runs = out / "runs"
    sources = Sources(cache_directory(), data_root, download)
    outcome = run_suite(
        loaded, planned, runs, sources, command_line(), where=Where(seconds, ray), shard=part, watch=watch, only=only
    )
    for path in outcome.recovered:
        errors.print(f"An earlier run was stopped; what it had measured is in {path}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    code = 1 if outcome.exit_code else 0
    if outcome.path is not None:
        head = read_run(outcome.path)
        try:
            with errors.status("Reading the history"):
                baseline = newest_comparable(history or runs, head, repository=Path.cwd(), cache=cache_directory())
            if baseline.note:
                errors.print(one_line(baseline.note), markup=False)
            for damaged in baseline.damaged:
                errors.print(one_line(f"Left out of the history: {damaged.reason}"), markup=False)
            comparison = judge_here(baseline.run, head, accepted, suite=suite)
            code = max(code, comparison.exit_code)
        finally:
            typer.echo(f"run     {outcome.path}")
        typer.echo(f"base    {baseline.run.path if baseline.run else 'none'}: {baseline.reason}")
        page = _report(head, out / "report", comparison, history or runs)
        summarise((page.parent / "comment.md").read_text("utf-8"))
        typer.echo(f"report  {page}")
    missing = without_power(outcome.path) if require_power and outcome.path is not None else []
    for sentence in (*missing, *outcome.bad_input):
        errors.print(one_line(sentence), markup=False)
    raise typer.Exit(2 if outcome.bad_input else max(code, 1 if missing else 0))


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(help="Run file of the baseline.")],
    head: Annotated[Path, typer.Argument(help="Run file to judge.")],
    accepted: AcceptedOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the comparison as JSON.")] = None,
) -> None:
    """Compare two runs: counts exactly, accuracy by McNemar, the rest shown. Exit 1 on a regression."""
    from inflor_bench.record.run_file import read_run, write_json
    from inflor_bench.run.judge import judge_here, summarise
    from inflor_bench.verdict.render import render_markdown, to_json

    comparison = judge_here(read_run(base), read_run(head), accepted)
    summarise(render_markdown(comparison))
    if json_file:
        write_json(json_file, to_json(comparison))
    raise typer.Exit(comparison.exit_code)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="One run file, or a baseline and the run to report on.")],
    out: Annotated[Path, typer.Option(help="Directory of the pages.")] = Path(".bench/report"),
    history: Annotated[str | None, typer.Option(help="Directory of run files, or a branch, for trends.")] = None,
    accepted: AcceptedOption = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write the HTML report of a run, compared with a baseline where two are given. Exit 1 on a regression."""
    from inflor_bench.errors import TrackInputError
    from inflor_bench.record.run_file import read_run
    from inflor_bench.run.judge import judge_here

    if len(runs) > 2:
        raise TrackInputError(f"{len(runs)} run files were given: give one, or a baseline and the run to report on.")
    read = [read_run(path) for path in runs]
    comparison = judge_here(read[0] if len(read) == 2 else None, read[-1], accepted)
    page = _report(read[-1], out, comparison, history)
    typer.echo(str(page))
    if open_page:
        typer.launch(page.absolute().as_uri())
    raise typer.Exit(comparison.exit_code)


@app.command()
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
    data_root: DataRoot = None,
    download: Download = False,
    on: On = None,
) -> None:
    """Train networks. A stopped run goes on where it was; a suite's cells that are finished are skipped."""
    from inflor_bench.train.command import TrainingRequest, train_requested

    overrides = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "bfloat16": bfloat16,
        "steps_at_once": steps_at_once,
    }
    train_requested(
        TrainingRequest(tuple(cells or ()), suite, only, recipe, overrides, out, command_line(), ray_address(on)),
        cache=cache_directory() / "trained",
        data_root=data_root,
        download=download,
        device=device,
        csv=csv,
        tensorboard=tensorboard,
    )


@app.command()
def import_weights(
    file: Annotated[Path, typer.Argument(help="State dict in the format of the paper's code: safetensors or torch.")],
    network: Annotated[str, typer.Option(help="resnet19, resnet20-modified, vgg16, resnet18 or resnet34.")],
    neuron: Annotated[str, typer.Option(help="relu, hard, soft, hard-mpr or soft-mpr.")],
    timesteps: Annotated[int, typer.Option(help="Number of time steps; 1 for relu.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write.")],
    classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 10,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the images.")] = 3,
    decay: Annotated[float, typer.Option(help="Decay of the neurons they were trained with.")] = 1.0,
) -> None:
    """Write released weights as a checkpoint of ours. Nothing in the file is executed."""
    from inflor_bench.models.released import import_weights as write

    write(
        file,
        out,
        network=network,
        neuron=neuron,
        timesteps=timesteps,
        num_classes=classes,
        in_channels=channels,
        decay=decay,
    )
    typer.echo(str(out))


app.add_typer(history_commands, name="history")
app.command()(merge)
app.command()(measure)
app.command()(doctor)
app.command()(rerun)
for command in (publish, serve, figure, picture):
    app.command()(command)
app.command()(ab)
app.command()(bisect)
app.command()(export)
app.command()(init_ci)


def _report(run: Run, out: Path, comparison: Comparison, history: Path | str | None) -> Path:
    """Write the report; `history` is a directory of run files or a branch, for trends."""
    from inflor_bench.reports.data.summaries import read_moments
    from inflor_bench.reports.pages.report import build

    past = read_moments(history, besides=run, cache=cache_directory()) if history else None
    if past and past.note:
        errors.print(one_line(past.note), markup=False)
    for sentence in past.damaged if past else ():
        errors.print(one_line(f"Left out of the trends: {sentence}"), markup=False)
    return build([run], out, comparison=comparison, history=past.moments if past else ())


def main() -> None:
    """Run the command line: exit 0 fine, 1 regression, 2 bad input, 130 stopped by Ctrl-C."""
    write_in_any_encoding()
    try:
        # Not standalone, the code of `typer.Exit` is returned, and the errors are ours to print.
        code = app(standalone_mode=False)
        if code == 130:  # newer typer makes this code of Ctrl-C
            raise KeyboardInterrupt
    except (typer.Abort, KeyboardInterrupt):
        errors.print("Stopped. What was measured or trained so far is kept; run the same command to go on.")
        code = 130
    except Exception as error:
        if isinstance(error, InputError):
            errors.print(one_line(str(error)), markup=False)
        elif hasattr(error, "show"):  # a usage error of the command line parser, which newer typer keeps to itself
            error.show()
        else:
            raise
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
