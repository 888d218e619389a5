"""What trends and an index need of a run: a few numbers a cell, small enough to keep by the hundred."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import Store
from inflor_bench.history.history import open_history
from inflor_bench.record.rows import RecordRow, RunRow, rows_of, time_order
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data.cells import addresses, headline, order, sentence
from inflor_bench.reports.data.text import clean


@dataclass(frozen=True)
class Figures:
    """One cell of one run, per inference; None where something was not measured. `page` is its address in a report."""

    page: str
    dataset: str
    network: str
    neuron: str
    timesteps: str
    device: str
    skipped: str | None
    accuracy: float | None
    operations: float | None
    energy: float | None
    energy_model: str | None
    latency: float | None
    joules: float | None


@dataclass(frozen=True)
class RunSummary:
    """One run of a history. `cells` are by name; texts are those of the run and untrusted."""

    run_id: str
    created: str
    machine: str
    sha: str | None
    branch: str | None
    message: str
    dirty: bool
    cells: Mapping[str, Figures]

    @property
    def order(self) -> tuple[str, str]:
        """Sort key: by time in UTC, whatever offset it was written with."""
        return time_order(self.created), self.run_id

    @property
    def commit(self) -> str:
        """The commit for a line of text: twelve digits, and whether the tree was dirty."""
        return "no commit" if self.sha is None else self.sha[:12] + (" (dirty)" if self.dirty else "")


def summary(run: Run) -> RunSummary:
    """What is kept of a run."""
    rows = rows_of(run, run.path.name)
    return summary_of_rows(rows.run, rows.records)


def summary_of_rows(run: RunRow, records: Sequence[RecordRow]) -> RunSummary:
    """The same, of its rows in the tables of a history."""
    found = sorted(records, key=lambda record: order(record, record.cell))
    pages = addresses(run.run_id, [record.cell for record in found])
    model = headline(name for record in found for name in record.energy_models)
    return RunSummary(
        run_id=run.run_id,
        created=run.created,
        machine=run.machine,
        sha=run.sha,
        branch=run.branch,
        message=run.message,
        dirty=run.dirty,
        cells={record.cell: _figures(record, page, model) for record, page in zip(found, pages, strict=True)},
    )


def _figures(record: RecordRow, page: str, energy_model: str | None) -> Figures:
    priced = record.energy_models.index(energy_model) if energy_model in record.energy_models else None
    samples = record.synops_samples
    return Figures(
        page=page,
        dataset=clean(record.dataset or "own data", 60),
        network=clean(record.network or record.cell, 60),
        neuron=clean(record.neuron or "own model", 40),
        timesteps="?" if record.timesteps is None else str(record.timesteps),
        device=record.device,
        skipped=None if record.skipped is None else sentence(record.skipped),
        accuracy=None if record.correct is None or record.samples is None else record.correct / record.samples,
        operations=None
        if samples is None or record.ac is None or record.mac is None
        else record.ac / samples + record.mac / samples,
        energy=None if priced is None else record.energy_joules[priced],
        energy_model=None if priced is None else f"{energy_model} {record.energy_versions[priced]}",
        latency=record.latency,
        joules=record.joules,
    )


@dataclass(frozen=True)
class HistorySummary:
    """A history, oldest first, a sentence for each file that could not be read, and what is to be said of the cache."""

    runs: Sequence[RunSummary]
    damaged: Sequence[str]
    note: str | None = None


def read_summaries(
    history: Path | str | Store, *, besides: Run | None = None, cache: Path | None = None
) -> HistorySummary:
    """Read a history, of which only a few numbers a cell are kept in memory.

    `besides` is a run that belongs to the history whether or not its file lies there. `cache` is the directory of
    caches, which keep what was read, so that the next call reads only what is new.
    """
    tables = load_tables(open_history(history), cache)
    records = tables.record_rows()
    found = [summary_of_rows(run, records.get(run.file, [])) for run in tables.run_rows()]
    if besides is not None and all(m.run_id != besides.run_id for m in found):
        found.append(summary(besides))
    return HistorySummary(ordered(found), [item.reason for item in tables.damaged], tables.note)


def ordered(found: Iterable[RunSummary]) -> list[RunSummary]:
    """Oldest first."""
    return sorted(found, key=lambda kept: kept.order)
