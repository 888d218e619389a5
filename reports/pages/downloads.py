"""The files beside the pages: the runs' own JSON, tables as CSV and Parquet, the badge and the comment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data import changes, layers
from inflor_bench.reports.data.cells import Cell, Missing
from inflor_bench.reports.data.parquet import parquet
from inflor_bench.reports.data.tables import Column, Row, Table, csv_text, text
from inflor_bench.reports.data.text import slug
from inflor_bench.reports.pages import badge, overview
from inflor_bench.reports.pages.comment import comment
from inflor_bench.reports.pages.compare import pairs
from inflor_bench.reports.pages.model import neurons_table, sites_table
from inflor_bench.verdict.compare import Comparison


def files(
    runs: Sequence[Run], cells: Sequence[Cell], energy_model: str | None, comparison: Comparison | None
) -> dict[str, str | bytes]:
    """Everything that can be downloaded, by its path in the report.

    Raises:
        ReportInputError: A run file cannot be read any more.
    """
    said, colour = badge.message(cells, comparison)
    made: dict[str, str | bytes] = {
        "badge.json": badge.endpoint(said, colour),
        "badge.svg": badge.svg(said, colour),
        "comment.md": comment(cells, energy_model, comparison),
    }
    for name, _, table in tables(cells, energy_model, comparison):
        made |= as_files(name, table)
    for run, name in zip(runs, run_names(runs), strict=True):
        try:
            made[name] = run.path.read_bytes()
        except OSError as error:
            raise ReportInputError(
                f"{run.path}: cannot be copied into the report ({error.strerror or error}); give a readable run file."
            ) from None
    return made


def tables(
    cells: Sequence[Cell], energy_model: str | None, comparison: Comparison | None
) -> list[tuple[str, str, Table]]:
    """The tables that can be downloaded: name, what it holds, and the table."""
    judged = changes.by_cell(comparison, cells) if comparison else None

    def sites(cell: Cell) -> Table | None:
        energy = cell.energy(energy_model) if energy_model else None
        return sites_table(cell, None if isinstance(energy, Missing) else energy)

    moved = layers.moved_table(pairs(comparison, cells), None) if comparison else None
    found = (
        ("models", "the table of models", overview.model_table(cells, energy_model, judged)),
        ("synaptic-layers", "operations by layer", _joined(cells, sites)),
        ("spiking-layers", "rates and information loss by layer", _joined(cells, neurons_table)),
        ("layer-changes", "every layer that moved against the base", moved),
    )
    return [(name, what, table) for name, what, table in found if table is not None]


def as_files(name: str, table: Table) -> dict[str, str | bytes]:
    """A table as CSV and as Parquet."""
    return {f"data/{name}.csv": csv_text(table), f"data/{name}.parquet": parquet(table)}


def run_names(runs: Sequence[Run]) -> list[str]:
    """Where the copies of the run files stand, one for each run."""
    names = [f"data/run-{slug(run.run_id)}" for run in runs]
    return [f"{name}-{i + 1}.json" if names.count(name) > 1 else f"{name}.json" for i, name in enumerate(names)]


def _joined(cells: Sequence[Cell], make: Callable[[Cell], Table | None]) -> Table | None:
    """The same table of all cells as one, with the cell in front."""
    tables = [(cell, table) for cell in cells if (table := make(cell)) is not None]
    if not tables:
        return None
    first = tables[0][1]
    columns = [Column("Cell", numeric=False), *first.columns]
    rows = [Row([text(cell.record.name), *row.data]) for cell, table in tables for row in table.rows]
    return Table(first.name, first.caption, columns, rows)
