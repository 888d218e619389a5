"""Is spiking worth it? Each spiking model against its fair twin of the same run, by every model of energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.format import ratio, si, significant
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, text
from inflor_bench.reports.draw.plots import Plot, no_plot
from inflor_bench.reports.draw.ratios import energy_ratios
from inflor_bench.verdict.worth import Part, Worth, twins, worth

QUESTION = "Is spiking worth it?"
NO_TWIN = (
    "This run has no spiking model with its fair twin, the quantised network (quant) of the same data, layers, T and "
    "seed, so there is nothing to hold it against. `inflor-bench worth` bounds the answer from the layers alone."
)
CAPTION = (
    "Energy of a spiking model over that of its fair twin, whose activations have as many values as its firing rates; "
    "left of the dashed line spiking pays. No single one of these models of energy is the answer: their band is. "
    "All are estimates."
)


@dataclass(frozen=True)
class AgainstTwin:
    """A spiking model against its twin."""

    cell: ReportCell
    found: Worth

    @property
    def table(self) -> Table:
        """One row a model of energy."""
        rows = [Row([text(one.model), *_energies(one.whole), text(one.version)]) for one in self.found.priced]
        columns = [Column("Model of energy", numeric=False), *_COLUMNS, Column("Version", numeric=False)]
        return Table("worth-models", f"{QUESTION} By model of energy", columns, rows)

    @property
    def layers(self) -> Table | None:
        """One row a layer and a model of equal precision; None where the networks have other layers."""
        rows = [
            Row([text(part.name), text(one.model), *_energies(part)])
            for one in self.found.priced
            if one.equal_precision
            for part in one.layers
        ]
        columns = [Column("Layer", numeric=False), Column("Model of energy", numeric=False), *_COLUMNS]
        return Table("worth-layers", f"{QUESTION} By layer, weights and inputs", columns, rows, True) if rows else None


_COLUMNS = (
    Column("Spiking", "J", "Energy, estimated", meaning="J per inference"),
    Column("Twin", "J", "Energy, estimated", meaning="J per inference"),
    Column("Ratio", "1", meaning="energy of the spiking model over its twin's"),
    Column("Rate", "1", meaning="spikes per neuron and step; of a layer the share of its inputs that are spikes"),
    Column("Pays below", "1", meaning="the rate at which both take the same"),
    Column("Verdict", numeric=False),
)


def _energies(part: Part) -> list[Datum]:
    rate = part.rate
    return [
        Datum(si(part.spiking, "J"), part.spiking),
        Datum(si(part.twin, "J"), part.twin),
        Datum(ratio(part.ratio), part.ratio),
        missing("it takes values, not spikes", "none") if rate is None else Datum(significant(rate), rate),
        Datum(part.pays_below, part.break_even),
        Datum("pays" if part.pays else "does not pay", "pays" if part.pays else "does not pay"),
    ]


def answers(cells: Sequence[ReportCell]) -> list[AgainstTwin]:
    """Every spiking model of these that has its twin in the same run."""
    by_record = {id(cell.record): cell for cell in cells}
    pairs = twins([cell.record for cell in cells])
    found = [AgainstTwin(by_record[id(one)], worth(one, twin)) for one, twin in pairs]
    return [answer for answer in found if answer.found.priced]


def plots(given: Sequence[AgainstTwin]) -> list[Plot]:
    """The ratios by model of energy, a figure for each data set."""
    if not given:
        return [no_plot("worth-1", QUESTION, NO_TWIN)]
    datasets = dict.fromkeys(answer.cell.dataset for answer in given)
    return [
        _plot(f"worth-{number}", dataset, [answer for answer in given if answer.cell.dataset == dataset])
        for number, dataset in enumerate(datasets, 1)
    ]


def _plot(name: str, dataset: str, given: Sequence[AgainstTwin]) -> Plot:
    found: dict[str, list[tuple[str, float]]] = {}
    for answer in given:
        for one in answer.found.priced:
            found.setdefault(one.model, []).append((answer.cell.neuron, one.whole.ratio))
    alt = f"Ratios of {len(given)} spiking models to their twins by {len(found)} models of energy."
    drawing = energy_ratios(found, f"{QUESTION} {dataset}", alt)
    columns = [Column("Model", numeric=False), Column("Model of energy", numeric=False), *_COLUMNS]
    rows = [
        Row([text(answer.cell.name), text(one.model), *_energies(one.whole)])
        for answer in given
        for one in answer.found.priced
    ]
    return Plot(name, dataset, CAPTION, drawing, Table(f"{name}-data", f"{QUESTION} {dataset}", columns, rows))
