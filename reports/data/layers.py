"""Two runs layer by layer: what each layer did at the base and does now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data import table_entries
from inflor_bench.reports.data.cells import ReportCell, layers_of
from inflor_bench.reports.data.format import relative, si, significant
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, number, text, text_columns
from inflor_bench.reports.data.text import layer_mark

Values = dict[str, float]


@dataclass(frozen=True)
class Quantity:
    """Something that every layer has: its name, its unit, how it is printed, and its values by layer."""

    name: str
    shown: Callable[[float], str]
    values: Callable[[Record], Values]


@dataclass(frozen=True)
class LayerChange:
    """One quantity of one layer at the base and now; None where it has none."""

    layer: str
    quantity: Quantity
    base: float | None
    head: float | None

    @property
    def moved(self) -> bool:
        """Whether it differs by more than the last digits of a float."""
        if self.base is None or self.head is None:
            return True
        return abs(self.head - self.base) > 1e-9 * max(abs(self.base), abs(self.head))

    @property
    def relative(self) -> float | None:
        """The relative change; None without one."""
        return self.head / self.base - 1 if self.base and self.head is not None else None

    @property
    def size(self) -> float:
        """What sorts the largest change first: what appears or goes comes before all that has a ratio."""
        return float("inf") if self.relative is None else abs(self.relative)


def _operations(kind: str) -> Callable[[Record], Values]:
    def values(record: Record) -> Values:
        section = record.synops
        return (
            {} if isinstance(section, Absent) else {x.name: getattr(x, kind) / section.samples for x in section.layers}
        )

    return values


def _rates(record: Record) -> Values:
    section = record.spikes
    if isinstance(section, Absent):
        return {}
    return {x.name: section.firing_rate(x) for x in section.layers if x.neurons and x.spikes_per_step}


def _information(kind: str) -> Callable[[Record], Values]:
    def values(record: Record) -> Values:
        return {x.name: value for x in layers_of(record.information) if (value := getattr(x, kind)) is not None}

    return values


QUANTITIES = (
    Quantity("AC per inference", si, _operations("ac")),
    Quantity("MAC per inference", si, _operations("mac")),
    Quantity("dense operations", si, _operations("dense")),
    Quantity("firing rate", significant, _rates),
    Quantity("quantisation error", table_entries.loss, _information("quantisation_error")),
    Quantity("error after φ", table_entries.loss, _information("quantisation_error_rectified")),
    Quantity("reset loss", table_entries.loss, _information("reset_loss")),
    Quantity("level error", table_entries.loss, _information("level_error")),
)


def layer_changes(base: Record, head: Record) -> list[LayerChange]:
    """Every quantity of every layer of either run, in the order of the network."""
    found = []
    for quantity in QUANTITIES:
        a, b = quantity.values(base), quantity.values(head)
        found += [LayerChange(name, quantity, a.get(name), b.get(name)) for name in dict.fromkeys([*b, *a])]
    return found


def model_table(found: Sequence[LayerChange]) -> Table | None:
    """The layers of one model that moved; None where none did."""
    moved = [x for x in found if x.moved]
    if not moved:
        return None
    columns = [Column("Layer", numeric=False), *_COLUMNS]
    rows = [Row([text(x.layer), *_data(x)], mark=layer_mark(x.layer)) for x in moved]
    same = len(found) - len(moved)
    caption = f"Layers that moved; {same} more figures are the same" if same else "Layers that moved"
    return Table("base-layers", caption, columns, rows, sortable=True)


def moved_table(found: Sequence[tuple[ReportCell, Sequence[LayerChange]]], limit: int | None = None) -> Table | None:
    """The layers of all models that moved, the largest change first; None where none did."""
    moved = [(cell, x) for cell, changes in found for x in changes if x.moved]
    if not moved:
        return None
    moved.sort(key=lambda pair: -pair[1].size)
    shown = moved if limit is None else moved[:limit]
    rows = [
        Row([text(c.record.name, href=f"models/{c.slug}.html#against-base"), text(x.layer), *_data(x)], mark=c.slug)
        for c, x in shown
    ]
    more = f": {len(shown)} of {len(moved)}; layer-changes.csv has all" if len(shown) < len(moved) else ""
    columns = [*text_columns("Model", "Layer"), *_COLUMNS]
    return Table("layer-changes", f"Layers that moved, the largest change first{more}", columns, rows, sortable=True)


_COLUMNS = (
    Column("Quantity", numeric=False),
    Column("Base"),
    Column("Head"),
    Column("Change", meaning="relative to the base"),
)


def _data(x: LayerChange) -> Iterator[Datum]:
    yield text(x.quantity.name)
    for value in (x.base, x.head):
        yield number(value, x.quantity.shown, "the layer has no such figure in that run", "none")
    yield Datum("–", None) if x.relative is None else Datum(relative(x.relative), x.relative)
