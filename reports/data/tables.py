"""Tables as data: what the page shows, sorts, and offers as CSV, in one value."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from inflor_bench.metrics import METRICS
from inflor_bench.reports.data.text import spreadsheet_safe


@dataclass(frozen=True)
class Datum:
    """One entry. `text` is shown; `value` sorts and stands in CSV (None: not measured, sorts last, empty in CSV).

    `detail` is a second, smaller line; `share` in [0, 1] draws a bar; `reason` says why there is no value; `picture` is
    inline SVG beside the text.
    """

    text: str
    value: float | int | str | None = None
    detail: str = ""
    href: str = ""
    share: float | None = None
    reason: str = ""
    tone: str = ""
    picture: Markup | None = None


@dataclass(frozen=True)
class Column:
    """A column: its head, the unit of its values in CSV, the group it stands under and what it means.

    `name` is what the page's own code finds it by, where it looks for it.
    """

    head: str
    unit: str = ""
    group: str = ""
    meaning: str = ""
    numeric: bool = True
    name: str = ""

    @property
    def title(self) -> str:
        """The column's whole name, for files."""
        return " ".join(filter(None, (self.group, self.head, f"[{self.unit}]" if self.unit else "")))


@dataclass(frozen=True)
class Row:
    """A row. `anchor` makes it a link target, `mark` ties it to marks in figures, `facets` are what filters look at."""

    data: Sequence[Datum]
    anchor: str = ""
    mark: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Rows under columns; the first column heads its row."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    sortable: bool = False

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Neighbouring columns of one group as (group, columns); empty where no column has a group."""
        groups: list[tuple[str, int]] = []
        for column in self.columns:
            if groups and groups[-1][0] == column.group:
                groups[-1] = (column.group, groups[-1][1] + 1)
            else:
                groups.append((column.group, 1))
        return groups if any(name for name, _ in groups) else []

    @property
    def reasons(self) -> list[str]:
        """The different reasons of missing values, in order: the table's footnotes."""
        return list(dict.fromkeys(datum.reason for row in self.rows for datum in row.data if datum.reason))


def metric_column(name: str, group: str = "", meaning: str = "") -> Column:
    """The column of a metric."""
    metric = METRICS[name]
    return Column(metric.title, metric.unit, group, meaning or metric.meaning, name=name)


def text(value: str, href: str = "") -> Datum:
    """A datum that is only text."""
    return Datum(value, value, href=href)


def missing(reason: str, label: str = "not measured") -> Datum:
    """A datum without a value, and why."""
    return Datum(label, None, reason=reason)


def number(value: float | None, shown: Callable[[float], str], reason: str, label: str = "not measured") -> Datum:
    """A number as `shown` prints it; where it is None, why."""
    return missing(reason, label) if value is None else Datum(shown(value), value)


def text_columns(*heads: str) -> list[Column]:
    """Columns of words under these heads."""
    return [Column(head, numeric=False) for head in heads]


def quantity_table(name: str, caption: str, value: Column, entries: Iterable[tuple[str, Datum]]) -> Table:
    """A row a quantity: what it is called, and its value."""
    return Table(name, caption, [*text_columns("Quantity"), value], [Row([text(label), d]) for label, d in entries])


def csv_text(table: Table) -> str:
    """The table as CSV: raw values in the columns' units, formulas made harmless, missing values empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(spreadsheet_safe(column.title) for column in table.columns)
    for row in table.rows:
        writer.writerow(
            "" if d.value is None else spreadsheet_safe(d.value) if isinstance(d.value, str) else repr(d.value)
            for d in row.data
        )
    return out.getvalue()
