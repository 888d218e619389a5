"""What instruments read of a model, in full: the meter's windows, and latency under other conditions."""

from __future__ import annotations

from collections.abc import Iterator

from inflor_bench.record.costs import Latency, Power, Rounds
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import ReportCell, absent
from inflor_bench.reports.data.format import percent, si, significant
from inflor_bench.reports.data.table_entries import none
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, quantity_table, text, text_columns


def power_table(cell: ReportCell) -> Table | None:
    """Measured energy with its meter and its uncertainty; None where nothing was measured."""
    section = cell.record.power
    if isinstance(section, Absent):
        return None
    caption = f"Measured energy, by {section.meter} on {section.device}"
    return quantity_table("power", caption, Column("Value"), (*_power(section), *_derived(cell.record)))


def _power(section: Power) -> Iterator[tuple[str, Datum]]:
    yield "J per inference", _si(section.joules_per_inference, "J")
    yield "above idle", _si(section.joules_per_inference_above_idle, "J")
    yield (
        "trials, lowest to highest",
        Datum(f"{si(min(section.trials), 'J')} to {si(max(section.trials), 'J')}", len(section.trials))
        if section.trials
        else missing("the trials were not recorded", "not recorded"),
    )
    yield "mean power", _si(section.mean_watts, "W")
    yield "idle power", _si(section.idle_watts, "W")
    shares = (
        ("uncertainty of the instrument", section.instrument_uncertainty),
        ("spread of the trials", section.trial_spread),
        ("uncertainty of the window's edges", section.edge_uncertainty),
    )
    for label, value in shares:
        if value is not None:
            yield label, Datum(percent(value), value)
    if section.cross_check_joules_per_inference is not None:
        yield f"cross-check by {section.cross_check_meter}", _si(section.cross_check_joules_per_inference, "J")
    if section.temperature_celsius is not None:
        yield "temperature", Datum(f"{significant(section.temperature_celsius)} °C", section.temperature_celsius)
    if section.clock_mhz is not None:
        yield "clock", _si(1e6 * section.clock_mhz, "Hz")
    for flag in section.flags:
        yield "flag", Datum(flag, flag)


def _derived(record: Record) -> Iterator[tuple[str, Datum]]:
    derived = record.derived
    if isinstance(derived, Absent):
        return
    yield "inferences per J", Datum(si(derived.inferences_per_joule), derived.inferences_per_joule)
    if not isinstance(derived.energy_delay_product, Absent):
        yield "energy-delay product", _si(derived.energy_delay_product.joule_seconds, "J s")
    if not isinstance(derived.measured_to_estimated, Absent):
        for name, ratio in sorted(derived.measured_to_estimated.models.items()):
            yield f"measured over estimated, {name}", Datum(f"{significant(ratio)}×", ratio)


def conditions_table(cell: ReportCell) -> Table | None:
    """Latency by the device's own clock, under variants and over a sweep; None where only the plain pass was timed."""
    section = cell.record.latency
    if isinstance(section, Absent):
        return None
    rows = [Row([text(label), text(note), *_rounds(timed)]) for label, note, timed in _conditions(section)]
    rows += [
        Row(
            [
                text(f"batch of {point.batch_size}"),
                text("" if point.timesteps is None else f"T = {point.timesteps}"),
                *_rounds(point.rounds),
            ]
        )
        for point in section.sweep
    ]
    if not rows:
        return None
    columns = [
        *text_columns("Condition", ""),
        Column("Median", "s", "Latency, measured"),
        Column("p95", "s", "Latency, measured"),
        Column("Rounds", "1"),
    ]
    return Table("latency-conditions", "Latency under other conditions", columns, rows)


def _conditions(section: Latency) -> Iterator[tuple[str, str, Rounds | Absent]]:
    if section.events is not None:
        yield "device clock", "between two CUDA events", section.events
    for variant in section.variants:
        yield variant.name, variant.note, variant.rounds


def _rounds(timed: Rounds | Absent) -> list[Datum]:
    if isinstance(timed, Absent):
        return [none(absent(timed))] * 3
    p95 = missing("p95 needs more rounds") if timed.p95 is None else _si(timed.p95, "s")
    return [_si(timed.median, "s"), p95, Datum(str(timed.rounds), timed.rounds)]


def _si(value: float, unit: str) -> Datum:
    return Datum(si(value, unit), value)
