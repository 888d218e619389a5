"""The files beside the pages: the run's own JSON, and tables as CSV and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data import layers
from inflor_bench.reports.data.cells import Missing, ReportCell
from inflor_bench.reports.data.parquet import parquet
from inflor_bench.reports.data.tables import Column, Row, Table, csv_text, text
from inflor_bench.reports.data.text import slug
from inflor_bench.reports.pages.model import neurons_table, sites_table


def tables(
    cells: Sequence[ReportCell],
    energy_model: str | None,
    models: Table,
    changed: Sequence[tuple[ReportCell, Sequence[layers.LayerChange]]],
) -> list[tuple[str, str, Table]]:
    """The tables that can be downloaded: name, what it holds, and the table."""

    def sites(cell: ReportCell) -> Table | None:
        energy = cell.energy(energy_model) if energy_model else None
        return sites_table(cell, None if isinstance(energy, Missing) else energy)

    found = (
        ("models", "the table of models", models),
        ("synaptic-layers", "operations by layer", _joined(cells, sites)),
        ("spiking-layers", "rates and information loss by layer", _joined(cells, neurons_table)),
        ("layer-changes", "every layer that moved against the base", layers.moved_table(changed)),
    )
    return [(name, what, table) for name, what, table in found if table is not None]


def as_files(name: str, table: Table) -> dict[str, str | bytes]:
    """A table as CSV and as Parquet."""
    return {f"data/{name}.csv": csv_text(table), f"data/{name}.parquet": parquet(table)}


def run_name(run: Run) -> str:
    """Where the copy of the run file stands."""
    return f"data/run-{slug(run.run_id)}.json"


def run_file(run: Run) -> bytes:
    """The run file as it is.

    Raises:
        ReportInputError: It cannot be read any more.
    """
    try:
        return run.path.read_bytes()
    except OSError as error:
        raise ReportInputError(
            f"{run.path}: cannot be copied into the report ({error.strerror or error}); give a readable run file."
        ) from None


def _joined(cells: Sequence[ReportCell], make: Callable[[ReportCell], Table | None]) -> Table | None:
    """The same table of all cells as one, with the cell in front."""
    tables = [(cell, table) for cell in cells if (table := make(cell)) is not None]
    if not tables:
        return None
    first = tables[0][1]
    columns = [Column("Cell", numeric=False), *first.columns]
    rows = [Row([text(cell.record.name), *row.data]) for cell, table in tables for row in table.rows]
    return Table(first.name, first.caption, columns, rows)
