"""A leaderboard: the networks of several run files side by side, best first, each with what it is known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inflor_bench.errors import ReportInputError
from inflor_bench.record.section import Absent
from inflor_bench.reports.data import pareto, table_entries
from inflor_bench.reports.data.cells import ReportCell, headline_energy, known
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, metric_column, missing, text, text_columns
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.files import write
from inflor_bench.reports.pages import downloads
from inflor_bench.reports.pages.comment import escape, markdown
from inflor_bench.reports.pages.report import environment


@dataclass(frozen=True)
class Entry:
    """A network of a run file. `same` is whether repeating it gave the same, `told` what differs.

    None: it was not repeated, and `told` says why.
    """

    cell: ReportCell
    file: str
    same: bool | None
    told: str


def write_leaderboard(entries: Sequence[Entry], out: Path) -> Path:
    """Write `leaderboard.html`, `leaderboard.md` and the tables as CSV and Parquet; return the page's path.

    Networks are ranked among those of the very same samples. A cell that was not measured is in no table.

    Raises:
        ReportInputError: No cell was measured, or `out` cannot be written.
    """
    measured = [entry for entry in entries if not entry.cell.skipped]
    if not measured:
        raise ReportInputError("There is nothing to rank: give run files with at least one measured cell.")
    energy_model = headline_energy([entry.cell for entry in measured])
    groups: dict[str, list[Entry]] = {}
    for entry in measured:
        groups.setdefault(_samples(entry), []).append(entry)
    tables = [
        _table(number, _ranked(group, energy_model), energy_model) for number, group in enumerate(groups.values(), 1)
    ]
    title = "Leaderboard"
    said = (
        f"{len(measured)} networks of {len({entry.file for entry in measured})} run files, on {len(groups)} test sets."
    )
    parts = [f"# {title}", said, *(f"## {escape(t.caption)}\n\n{markdown(t, len(t.rows))}" for t in tables)]
    files: dict[str, str | bytes] = {"leaderboard.md": "\n\n".join(parts) + "\n"}
    for table in tables:
        files |= downloads.as_files(table.name, table)
    files["leaderboard.html"] = (
        environment().get_template("leaderboard.html").render(title=title, sentence=said, tables=tables, root="")
    )
    write(out, files)
    return out / "leaderboard.html"


def _samples(entry: Entry) -> str:
    """What two networks must share to be ranked: the samples, whatever frames their events became, and how many."""
    data = entry.cell.record.provenance.dataset
    if data is None:
        return f"of {entry.file}"
    return f"{data.events_sha256 or data.sha256} {data.samples}"


def _ranked(group: Sequence[Entry], energy_model: str | None) -> list[tuple[Entry, bool]]:
    """Best accuracy first, the cheaper one of equals; and whether none is both more accurate and cheaper."""

    def key(entry: Entry) -> tuple[float, float, str]:
        accuracy, energy = _point(entry, energy_model)
        return -accuracy, energy, entry.cell.name

    ordered = sorted(group, key=key)
    points = [(energy, accuracy) for accuracy, energy in (_point(entry, energy_model) for entry in ordered)]
    priced = [index for index, (energy, accuracy) in enumerate(points) if energy < float("inf") and accuracy >= 0]
    front = {priced[index] for index in pareto.front([points[index] for index in priced])}
    return [(entry, index in front) for index, entry in enumerate(ordered)]


def _point(entry: Entry, energy_model: str | None) -> tuple[float, float]:
    accuracy = known(entry.cell.accuracy)
    energy = known(entry.cell.energy(energy_model)) if energy_model else None
    return (accuracy.value if accuracy else -1.0), (energy.joules if energy else float("inf"))


def _table(number: int, ranked: Sequence[tuple[Entry, bool]], energy_model: str | None) -> Table:
    first = ranked[0][0].cell
    data = first.record.provenance.dataset
    caption = first.dataset + (f", {data.samples} samples, {data.sha256[:12]}" if data else "")
    columns = [
        *text_columns("Model", "Run file"),
        Column("Accuracy", "share", meaning="correct predictions, with the 95 % Wilson interval"),
        metric_column("firing_rate"),
        metric_column("ac"),
        metric_column("mac"),
        Column(energy_model or "no model", "J", "Energy, estimated", meaning="J per inference; not a measurement"),
        Column("Front", numeric=False, meaning="none of the others is both more accurate and cheaper"),
        *text_columns("Weights", "Commit", "Verified"),
    ]
    return Table(f"leaderboard-{number}", caption, columns, [_row(*one, energy_model) for one in ranked], sortable=True)


def _row(entry: Entry, front: bool, energy_model: str | None) -> Row:
    cell, origin = entry.cell, entry.cell.record.provenance
    commit = (
        "no commit"
        if isinstance(origin.git, Absent)
        else origin.git.sha[:12] + (" (dirty)" if origin.git.dirty else "")
    )
    verified = missing(clean(entry.told, 400), "not verified")
    if entry.same is not None:
        verified = Datum(
            "the same" if entry.same else f"differs: {clean(entry.told, 400)}", "same" if entry.same else "differs"
        )
    return Row(
        [
            text(cell.name),
            text(clean(entry.file, 80)),
            table_entries.accuracy(cell),
            table_entries.firing_rate(cell),
            table_entries.figure(cell, "ac"),
            table_entries.figure(cell, "mac"),
            table_entries.energy(cell, energy_model),
            text("front" if front else ""),
            text(origin.weights.sha256[:12] if origin.weights else "none"),
            text(commit),
            verified,
        ]
    )
