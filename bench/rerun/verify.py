"""Whether the cells of somebody's run give the same weights and exact figures here."""

from __future__ import annotations

from pathlib import Path

from inflor_bench.cell.prepare import Sources
from inflor_bench.errors import InputError
from inflor_bench.record.run_file import CellResult, Run, read_run
from inflor_bench.record.schema import Record
from inflor_bench.rerun.differences import exact_differences
from inflor_bench.rerun.repetition import suite_of
from inflor_bench.run.run import run_suite
from inflor_bench.run.suite import check_names, plan


def verify(run: Run, sources: Sources, out: Path) -> dict[str, tuple[bool | None, str]]:
    """Repeat the cells of a run untimed, under `out`: by cell whether it is the same, and what differs.

    None in place of an answer: it could not be repeated, and why. Networks that were trained are trained anew, unless
    the cache of `sources` has them.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    try:
        suite, _ = suite_of(run)
        planned = plan(suite)
        check_names(planned)
    except InputError as error:
        return dict.fromkeys(run.cells, (None, str(error)))
    untimed = suite.model_copy(update={"measure": suite.measure.model_copy(update={"timed": False})})
    outcome = run_suite(untimed, planned, out, sources, ["inflor-bench", "leaderboard", "--verify", str(run.path)])
    if outcome.interrupted:
        raise KeyboardInterrupt
    again = read_run(outcome.path).cells if outcome.path else {}
    return {name: _answer(cell.record, again.get(name)) for name, cell in run.cells.items()}


def _answer(then: Record, now: CellResult | None) -> tuple[bool | None, str]:
    if now is None:
        return None, "it cannot be repeated from its file: a model of somebody's own, or never measured"
    if (why := now.record.unmeasured) is not None:
        return None, why.reason
    found = exact_differences(then, now.record)
    return not found, "; ".join(found)
