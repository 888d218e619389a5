"""What a run came to, for a terminal: one table a data set, a row a model. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inflor_bench.record.costs import Latency
from inflor_bench.record.run_file import Run
from inflor_bench.reports.data import changes, table_entries
from inflor_bench.reports.data.cells import ReportCell, collect, headline_energy
from inflor_bench.reports.data.format import THIN
from inflor_bench.reports.data.tables import Datum
from inflor_bench.verdict.compare import Comparison


@dataclass(frozen=True)
class Results:
    """One table: `rows` hold a text for each of `heads`, and `notes` say why figures are missing, one reason a line."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def results(run: Run, comparison: Comparison | None = None) -> list[Results]:
    """The tables of a run, with the changes of a comparison where there is one.

    Figures are for one inference; latency is that of a batch.
    """
    cells = collect(run)
    changed = _changes(comparison, cells) if comparison else None
    return [
        _results(dataset, [cell for cell in cells if cell.dataset == dataset], headline_energy(cells), changed)
        for dataset in dict.fromkeys(cell.dataset for cell in cells)
    ]


def print_results(found: Iterable[Results], console: Console) -> None:
    """Print tables, each under its title. Only where this is a terminal are they fitted into its width."""
    for one in found:
        console.print(Text(one.title, style="bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column, head in enumerate(one.heads):
            table.add_column(head, overflow="fold", no_wrap=column == 0)
        for row in one.rows:
            table.add_row(*map(Text, row))
        console.print(table)
        for note in one.notes:
            console.print(Text(note, style="dim"), soft_wrap=True)
        console.print()


def _results(
    dataset: str, cells: Sequence[ReportCell], energy_model: str | None, changed: dict[str, Datum] | None
) -> Results:
    batches = {cell.record.latency.batch_size for cell in cells if isinstance(cell.record.latency, Latency)}
    heads = [
        "accuracy (95 % interval)",
        "firing rate",
        "AC",
        "MAC",
        f"estimated energy ({energy_model})" if energy_model else "estimated energy",
        f"latency (batch {' or '.join(map(str, sorted(batches)))})" if batches else "latency",
        *(["against the base"] if changed is not None else []),
    ]
    rows, why = [], dict[tuple[str, str], list[str]]()
    for cell in cells:
        name = cell.name.removeprefix(f"{dataset}/")
        if cell.skipped:
            said = table_entries.none(cell.skipped)
            why.setdefault((said.text, said.reason), []).append(name)
            figures = [Datum(said.text), *[Datum("–")] * 5]
        else:
            figures = _figures(cell, energy_model)
        figures += [changed[cell.slug]] if changed is not None else []
        for head, datum in zip(heads, figures, strict=True):
            if datum.reason:
                why.setdefault((f"{head} {datum.text}", datum.reason), []).append(name)
        rows.append((name, *map(_shown, figures)))
    samples = {cell.record.provenance.dataset.samples for cell in cells if cell.record.provenance.dataset}
    title = f"{dataset}, {' or '.join(map(str, sorted(samples)))} samples" if samples else dataset
    notes = tuple(f"{what}: {_some(names)}: {_typed(reason)}" for (what, reason), names in why.items())
    return Results(title, ("model", *heads), tuple(rows), notes)


def _figures(cell: ReportCell, energy_model: str | None) -> list[Datum]:
    latency, section = table_entries.latency(cell, "median"), cell.record.latency
    doubt = section.doubt if isinstance(section, Latency) else ""
    return [
        table_entries.accuracy(cell),
        table_entries.firing_rate(cell),
        table_entries.figure(cell, "ac"),
        table_entries.figure(cell, "mac"),
        table_entries.energy(cell, energy_model),
        replace(latency, detail=doubt),
    ]


def _changes(comparison: Comparison, cells: Sequence[ReportCell]) -> dict[str, Datum]:
    """What a comparison says of each cell, by its address, in words alone."""
    found = changes.by_cell(comparison, cells)
    return {
        slug: Datum(": ".join(filter(None, (changes.WORDS.get(datum.tone, datum.text), datum.detail))))
        for slug, datum in found.items()
    }


def _shown(datum: Datum) -> str:
    return _typed(f"{datum.text} ({datum.detail})" if datum.detail else datum.text)


def _typed(text: str) -> str:
    """Text as people type and search it: without the typography of a page."""
    return text.replace(THIN, " ").replace("\u2212", "-")


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
