"""The command `inflor-bench ab`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inflor_bench.cli import options

if TYPE_CHECKING:
    from inflor_bench.ab.interleave import Side
    from inflor_bench.ab.pair import Answer
    from inflor_bench.record.run_file import Run


def ab(
    base: Annotated[str, typer.Argument(help="Commit to compare with, by any name that git knows.")],
    head: Annotated[str | None, typer.Argument(help="Commit to judge; by default the work tree as it is.")] = None,
    suite: options.Suite = "default",
    only: options.Only = "*",
    out: Annotated[Path, typer.Option(help="Where what was measured (in ab/) and the report (in report/) go.")] = Path(
        ".bench"
    ),
    accepted: options.Accepted = None,
    data_root: options.DataRoot = None,
    history: options.History = None,
) -> None:
    """Measure two commits on this machine, their processes interleaved, and compare. Exit 1 on a regression.

    Counts and accuracy of all cells are compared as by `compare`. Latency is timed of those cells that the suite marks
    ([ab] timed = [...]), by default of the last spiking one of each data set: by pairs of processes of base and head in
    turn, after A/A pairs of the base have shown how much this machine varies. It stops as soon as it is decided, where
    the machine is too noisy to tell 10 %, or after ten minutes of pairs (200 s a cell, if that is more).

    The counts of the base are taken from the history (runs/, or --history) where this machine measured that very commit
    in the same way. The work tree is copied first: what is edited meanwhile is not measured.
    """
    from inflor_bench.ab.from_history import measured_before
    from inflor_bench.ab.interleave import interleave
    from inflor_bench.ab.pair import time_pair
    from inflor_bench.ab.processes import Settings, count
    from inflor_bench.ab.revisions import checked_out, frozen, resolve, top_of
    from inflor_bench.cell.device_lock import DeviceBusyError, device_lock
    from inflor_bench.cell.timing import timing_device
    from inflor_bench.files import write_json
    from inflor_bench.record.run_file import read_run
    from inflor_bench.reports.pages.report import build
    from inflor_bench.run.judge import judge_here, summarise
    from inflor_bench.run.suite import load_suite, plan, timed_by_ab
    from inflor_bench.terminal import terminal
    from inflor_bench.verdict.instruments import Interleaved
    from inflor_bench.verdict.render import to_json

    loaded = load_suite(suite)
    planned = plan(loaded, only)
    to_time = timed_by_ab(loaded, planned)
    top = top_of(Path.cwd())
    place = (out / "ab").resolve()
    settings = Settings(suite, only, top, data_root)
    commits = [resolve(top, name) for name in (base, head) if name is not None]
    console = terminal()
    started = time.monotonic()
    with ExitStack() as stack, console.status("") as status:
        old = stack.enter_context(checked_out(top, commits[0], place / "environments"))
        if head is None:
            new = stack.enter_context(frozen(top, place / "environments", out.resolve()))
        else:
            new = stack.enter_context(checked_out(top, commits[1], place / "environments"))
        revisions = {"base": old, "head": new}

        def progress(what: str) -> None:
            """Show where it is: on a terminal in place, in a log as a line of its own."""
            if console.is_terminal:
                status.update(what)
            else:
                console.print(f"{what}, {time.monotonic() - started:.0f} s so far")

        def counted(side: Side) -> Run:
            def cells_done(done: int) -> None:
                progress(f"{side}, {revisions[side].title}: {done} of {len(planned)} cells counted")

            run = read_run(count(revisions[side], settings, place / side, cells_done))
            console.print(f"{side}    {run.path}")
            return run

        new_run = counted("head")
        trained = any(entry.weights == "train" for entry in planned if entry.cell.name in to_time)
        # A cell that is timed and trained on the spot has its weights only where its own code has just run.
        known = None if trained else measured_before(history or str(out / "runs"), commits[0], new_run, only, top)
        if known is not None:
            console.print(f"base    {known.path}: this machine measured that commit before, so it is not counted anew")
        runs = known or counted("base"), new_run
        cells = [name for name in to_time if all(_measured(run, name) for run in runs)]
        rest = len(planned) - len(cells)
        console.print(
            f"timed   {', '.join(cells) or 'nothing'}" + (f"; counts alone of the other {rest}" if rest else "")
        )

        def of_pairs(what: str, open_cells: Sequence[str]) -> None:
            progress(f"{what}, open: {', '.join(open_cells)}")

        sides = {"base": commits[0], "head": commits[1] if head is not None else None}

        def keep(rounds: dict[str, Any]) -> None:
            write_json(place / "pairs.json", {"format": "inflor-bench-pairs", "version": 1, **sides, **rounds})

        def timed(pair: tuple[Side, Side], names: Sequence[str]) -> tuple[Answer, Answer]:
            return time_pair((revisions[pair[0]], revisions[pair[1]]), settings, names)

        device = timing_device(loaded.measure)

        @contextmanager
        def waiting() -> Iterator[None]:
            progress(f"waiting until another measurement on {device} is done")
            yield

        try:
            with device_lock(device, waiting) if cells else nullcontext():
                found = interleave(timed, cells, of_pairs, keep) if cells else {}
        except DeviceBusyError as error:
            found = dict.fromkeys(cells, Interleaved(failed=str(error), stopped=str(error)))
        untimed = Interleaved(failed="not timed: `ab` times the cells that the suite marks, by default one a data set")
        found = {entry.cell.name: untimed for entry in planned} | found
    comparison = judge_here(*runs, accepted, interleaved=found, suite=suite)
    write_json(place / "comparison.json", to_json(comparison))
    page = build(runs[1], out / "report", comparison=comparison)
    summarise((page.parent / "comment.md").read_text("utf-8"))
    typer.echo(f"report  {page}")
    raise typer.Exit(comparison.exit_code)


def _measured(run: Run, cell: str) -> bool:
    """Whether a run could load or train a cell, so that it can be timed, too."""
    from inflor_bench.record.counted import Accuracy

    return cell in run.cells and isinstance(run.cells[cell].record.accuracy, Accuracy)
