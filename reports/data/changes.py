"""What changed against the base: the verdict strip, the judgements, and each model's share of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from inflor_bench.metrics import METRICS, metric_of
from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.format import integer, p_value, points, quantity, relative, signed, significant
from inflor_bench.reports.data.provenance import commit
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, text, text_columns
from inflor_bench.reports.data.text import clean
from inflor_bench.verdict import render
from inflor_bench.verdict.compare import Comparison
from inflor_bench.verdict.findings import VERDICTS, Finding

WORDS: Mapping[str, str] = dict(render.WORDS.items(), same="same")
MOVED = ("regressed", "accepted", "changed", "improved")
SYMBOLS = {
    "regressed": "▼",
    "accepted": "✓",
    "changed": "◆",
    "improved": "▲",
    "too_noisy": "≈",
    "not_comparable": "∅",
    "same": "=",
}


@dataclass(frozen=True)
class Tile:
    """One tile of the strip: how often a verdict was given."""

    verdict: str
    word: str
    symbol: str
    count: int


def strip(comparison: Comparison) -> list[Tile]:
    """All verdicts, worst first, with their counts; one that was never given is left out unless it is a headline."""
    headlines = ("regressed", "changed", "improved", "not_comparable")
    return [Tile(v, WORDS[v], SYMBOLS[v], n) for v, n in comparison.counts.items() if n or v in headlines]


def sentence(comparison: Comparison) -> str:
    """What the comparison came to, in one sentence."""
    said = [f"{count} {WORDS[verdict]}" for verdict, count in comparison.counts.items() if count]
    if not said:
        return "The two runs have no metric in common, so nothing was judged."
    against = "Against the base" if comparison.base else "Without a base"
    return f"{against}, of {len(comparison.findings)} judgements: {', '.join(said)}."


def judged_against(comparison: Comparison) -> str:
    """What the head was held against."""
    base = comparison.base
    if base is None:
        return f"{len(comparison.findings)} judgements by the budgets of the suite; there is no base."
    return f"{len(comparison.findings)} judgements against run {clean(base.run_id, 40)} of commit {commit(base)}."


def by_cell(comparison: Comparison, cells: Sequence[ReportCell]) -> dict[str, Datum]:
    """For each cell's address, its most serious changes; "same" where all that could be judged stayed the same."""
    found: dict[str, list[Finding]] = {}
    for finding in sorted(comparison.findings, key=lambda f: f.rank):
        found.setdefault(finding.cell, []).append(finding)
    entries = {}
    for cell in cells:
        mine = found.get(cell.record.name)
        if mine is None:
            entries[cell.slug] = missing("the base has no such model", "new" if comparison.base else "no base")
            continue
        moved = [f for f in mine if f.verdict in MOVED]
        first = moved[0] if moved else next((f for f in mine if f.verdict == "same"), mine[0])
        # Estimates follow from counts: what was counted and measured is said first.
        told = sorted((f for f in moved if f.change is not None), key=lambda f: f.metric.startswith("energy/"))[:2]
        said = [f"{metric(f.metric)} {change(f)}" for f in told]
        more = f" and {len(moved) - len(told)} more" if said and len(moved) > len(told) else ""
        entries[cell.slug] = Datum(
            f"{SYMBOLS[first.verdict]} {WORDS[first.verdict]}",
            len(VERDICTS) - VERDICTS.index(first.verdict),
            detail=", ".join(said) + more,
            tone=first.verdict,
        )
    return entries


def moved_table(comparison: Comparison, cells: Sequence[ReportCell], limit: int | None = None) -> Table:
    """The judgements that something moved, worst first; what stayed the same is counted in the strip."""
    table = _table("changes-table", "What moved, worst first", MOVED, comparison, cells)
    if limit is None or len(table.rows) <= limit:
        return table
    caption = f"The {limit} most serious of {len(table.rows)} that moved"
    return replace(table, caption=caption, rows=table.rows[:limit])


def undecided_table(comparison: Comparison, cells: Sequence[ReportCell]) -> Table:
    """What could not be judged, and why."""
    return _table("undecided-table", "What could not be judged", ("too_noisy", "not_comparable"), comparison, cells)


def _table(
    name: str, caption: str, verdicts: Sequence[str], comparison: Comparison, cells: Sequence[ReportCell]
) -> Table:
    addresses = {c.record.name: c.slug for c in cells}
    columns = [
        *text_columns("Model", "Verdict", "Metric", "Layer"),
        Column("Base"),
        Column("Head"),
        Column("Change", meaning="relative to the base; for accuracy in percentage points; 95 % interval below"),
        Column("Reason", numeric=False),
    ]
    rows = []
    for finding in sorted(comparison.findings, key=lambda f: f.rank):
        if finding.verdict not in verdicts:
            continue
        address = addresses.get(finding.cell)
        rows.append(
            Row(
                [
                    text(finding.cell, href=f"models/{address}.html" if address else ""),
                    Datum(
                        f"{SYMBOLS[finding.verdict]} {WORDS[finding.verdict]}",
                        len(VERDICTS) - VERDICTS.index(finding.verdict),
                        tone=finding.verdict,
                    ),
                    text(metric(finding.metric)),
                    text(finding.layer or ""),
                    _value(finding.metric, finding.base),
                    _value(finding.metric, finding.head),
                    _change(finding),
                    text(clean(finding.reason, 400)),
                ],
                mark=address or "",
            )
        )
    return Table(name, caption, columns, rows, sortable=True)


def metric(name: str) -> str:
    """A metric's name in words."""
    kind, _, part = name.partition("/")
    known = METRICS.get(kind)
    label = known.label if known else kind.replace("_", " ")
    return f"{label} ({clean(part.replace('_', ' '), 60)})" if part else clean(label, 60)


def change(finding: Finding) -> str:
    """The change with its sign: points for shares, per cent for the rest."""
    if finding.change is None:
        return ""
    return f"{points(finding.change)} points" if _is_share(finding.metric) else relative(finding.change)


def test(finding: Finding) -> str:
    """The interval of the change and its p-value, as far as they are known."""
    details = []
    if finding.interval is not None:
        decimals = 2 if _is_share(finding.metric) else 1
        details.append(" to ".join(signed(100 * bound, decimals) for bound in finding.interval))
    if finding.p_value is not None:
        details.append(p_value(finding.p_value))
    return ", ".join(details)


def _change(finding: Finding) -> Datum:
    if finding.change is None:
        return Datum("–", None)
    return Datum(change(finding), finding.change, detail=test(finding))


def _value(metric_name: str, value: float | int | str | None) -> Datum:
    if value is None:
        return Datum("–", None)
    if isinstance(value, str):
        return text(clean(value, 60))
    if isinstance(value, int):
        return Datum(integer(value), value)
    known = metric_of(metric_name)
    said = quantity(known, value) if known and (known.symbol or known.unit == "share") else significant(value)
    return Datum(said, value)


def _is_share(name: str) -> bool:
    known = metric_of(name)
    return known is not None and known.unit == "share"
