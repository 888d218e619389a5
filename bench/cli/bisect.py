"""The command `inflor-bench bisect`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inflor_bench.cli import options
from inflor_bench.terminal import terminal

if TYPE_CHECKING:
    from inflor_bench.bisect.cells import CellAt
    from inflor_bench.bisect.search import Answer
    from inflor_bench.metrics import Metric
    from inflor_bench.record.schema import Record


def bisect(
    good: Annotated[str, typer.Argument(help="Commit at which the value was good, by any name that git knows.")],
    bad: Annotated[str, typer.Argument(help="Later commit at which it is bad.")],
    metric: Annotated[str, typer.Option(help="Quantity that is exact: accuracy, spikes, ac, mac, dense, energy, ...")],
    cell: Annotated[str, typer.Option(help="Cell of the suite, e.g. fashion-mnist/resnet8/soft-mpr/T2/s0.")],
    suite: options.Suite = "default",
    out: Annotated[Path, typer.Option(help="Where what was measured (in bisect/) goes.")] = Path(".bench"),
    data_root: options.DataRoot = None,
    history: options.History = None,
) -> None:
    """Find the commit that changed a count or the accuracy of a cell, and the layer. Nothing here is touched.

    Both commits are measured, and then as few of those between as `git bisect` needs, each by its own code in a
    worktree of its own. A commit is bad if its value is nearer to that of BAD than to that of GOOD. One that cannot be
    measured is skipped, and said.
    """
    from inflor_bench.ab.processes import Settings
    from inflor_bench.ab.revisions import resolve, top_of
    from inflor_bench.bisect.cells import CellAt, UnmeasuredError
    from inflor_bench.bisect.search import first_bad, steps_at_most
    from inflor_bench.cell.name import Cell
    from inflor_bench.errors import SuiteInputError

    quantity = exact_metric(metric)
    Cell.parse(cell)
    top = top_of(Path.cwd())
    first, last = resolve(top, good), resolve(top, bad)
    cells = CellAt(
        Settings(suite, cell, top, data_root), (out / "bisect").resolve(), history or str((out / "runs").resolve())
    )
    printer = _Printer(top, quantity)
    ends = {}
    for name, commit in (("BAD", last), ("GOOD", first)):
        try:
            ends[name] = printer.value(commit, cells)
        except UnmeasuredError as error:
            raise SuiteInputError(f"{name}, {commit[:12]}, cannot be measured: {error}.") from None
        printer.line(name, commit, ends[name])
    if ends["GOOD"] == ends["BAD"]:
        raise SuiteInputError(
            f"{metric} of {cell} is {ends['GOOD']:,.12g} at both {good} and {bad}: name two commits that differ."
        )
    printer.say(f"at most {steps_at_most(top, first, last)} of the commits between are measured")

    def ask(commit: str) -> Answer:
        try:
            value = printer.value(commit, cells)
        except UnmeasuredError as error:
            printer.line("skipped", commit, str(error))
            return "skip"
        answer: Answer = "bad" if abs(value - ends["BAD"]) < abs(value - ends["GOOD"]) else "good"
        printer.line(answer, commit, value)
        return answer

    found = first_bad(top, first, last, ask)
    if len(found) > 1:
        names = "\n".join(printer.title(commit) for commit in found)
        typer.echo(names)
        raise SuiteInputError(
            f"It is one of these {len(found)} commits, of which {len(found) - 1} cannot be measured: look at them."
        )
    for line in printer.outcome(found[0], cells, first):
        typer.echo(line)


def exact_metric(name: str) -> Metric:
    """Return the quantity of a name, which has to be the same each time that the same code measures it.

    Raises:
        SuiteInputError: There is none, or an instrument reads it, so that it varies.
    """
    from inflor_bench.errors import SuiteInputError
    from inflor_bench.metrics import METRICS

    exact = {known: metric for known, metric in METRICS.items() if not metric.instrument}
    if name not in exact:
        why = "varies from measurement to measurement" if name in METRICS else "is no metric"
        raise SuiteInputError(f"--metric {name!r} {why}: choose one of {', '.join(exact)}.")
    return exact[name]


class _Printer:
    """Prints a line a commit on standard error, and words the outcome."""

    def __init__(self, top: Path, metric: Metric) -> None:
        self._top, self._metric = top, metric
        self._started = time.monotonic()

    def value(self, commit: str, cells: CellAt) -> float:
        """The metric's value at a commit; raises UnmeasuredError where it has none."""
        from inflor_bench.bisect.cells import UnmeasuredError
        from inflor_bench.record.section import Absent

        what = f"{commit[:12]}: measuring"
        with terminal().status(what) as status:
            value = self._metric.value(cells.at(commit, lambda: status.update(f"{what}, {self._past}")))
        if isinstance(value, Absent):
            raise UnmeasuredError(f"no {self._metric.label}: {value.reason}")
        return value

    @property
    def _past(self) -> str:
        return f"{time.monotonic() - self._started:.0f} s so far"

    def say(self, sentence: str) -> None:
        """Say something."""
        terminal().print(sentence)

    def line(self, what: str, commit: str, value: float | str) -> None:
        """Say what was found of a commit."""
        found = value if isinstance(value, str) else f"{self._metric.label} {value:,.12g}"
        self.say(f"{what:<8}{self.title(commit)}: {found}; {self._past}")

    def title(self, commit: str) -> str:
        """A commit in short, with its subject."""
        return f"{commit[:12]} {self._git('log', '-1', '--format=%s', commit)}"

    def outcome(self, commit: str, cells: CellAt, good: str) -> list[str]:
        """The lines that say who did it: commit, value, layers and files."""
        from inflor_bench.bisect.moved import moved

        parents = self._git("log", "-1", "--format=%P", commit).split()
        before = next((record for parent in parents if (record := cells.known(parent))), None)
        since = "its parent" if before else f"{good[:12]}, for its parents were not measured"
        old, new = before or self._record(good, cells), self._record(commit, cells)
        values = [self._metric.value(record) for record in (old, new)]
        assert isinstance(values[0], float)
        assert isinstance(values[1], float)
        change = f" ({(values[1] - values[0]) / values[0]:+.3%})" if values[0] else ""
        return [
            f"first bad  {commit}",
            *(f"           {line}" for line in self._git("log", "-1", "--format=%s%n%an, %ad", commit).splitlines()),
            f"value      {self._metric.label} {values[0]:,.12g} at {since}, {values[1]:,.12g} here{change}",
            *(f"layers     {line}" for line in moved(old, new, self._metric)),
            *(f"file       {name}" for name in self._git("diff", "--name-only", f"{commit}^", commit).splitlines()),
        ]

    def _record(self, commit: str, cells: CellAt) -> Record:
        record = cells.known(commit)
        assert record is not None
        return record

    def _git(self, *arguments: str) -> str:
        from inflor_bench.git.command import git
        from inflor_bench.text import one_line

        said = git(self._top, *arguments, "--").decode("utf-8", "replace").strip()
        return "\n".join(map(one_line, said.splitlines()))
