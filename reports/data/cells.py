"""One measured cell as the report sees it: every figure per inference, or the reason why it is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from inflor_bench.metrics import METRICS
from inflor_bench.record.costs import EnergyModel
from inflor_bench.record.counted import Information, InformationLayer, NeuronOps, Spikes, Synops
from inflor_bench.record.origin import WITHOUT_TIME, ModelDescription
from inflor_bench.record.rows import RecordRow
from inflor_bench.record.run_file import CellResult, Run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.text import clean, digest, slug
from inflor_bench.verdict.statistics import wilson

NEURONS = ("relu", "hard", "soft", "hard-mpr", "soft-mpr", "quant")
HEADLINE_ENERGY = "horowitz45-fp32"
T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """Why there is no value."""

    reason: str
    status: str = "unavailable"


def known(value: T | Missing) -> T | None:
    """A value, None where it is missing."""
    return None if isinstance(value, Missing) else value


@dataclass(frozen=True)
class Interval:
    """A share with its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ReportCell:
    """A cell of a run under its own address. `result` holds the record; all properties are per inference."""

    result: CellResult
    slug: str

    @property
    def record(self) -> Record:
        """The record."""
        return self.result.record

    @property
    def model(self) -> ModelDescription:
        """What was measured."""
        return self.record.model

    @property
    def name(self) -> str:
        """The cell's name, fit to print."""
        return clean(self.record.name)

    @property
    def dataset(self) -> str:
        """The data set's name, fit to print."""
        return clean(self.model.dataset or "own data", 60)

    @property
    def network(self) -> str:
        """The network's name, fit to print."""
        return clean(self.model.network or self.record.name, 60)

    @property
    def neuron(self) -> str:
        """The neuron's name, fit to print."""
        return clean(self.model.neuron or "own model", 40)

    @property
    def has_time(self) -> bool:
        """Whether its network may spike: not ReLU, and not the fair twin."""
        return self.model.neuron not in WITHOUT_TIME

    @property
    def timesteps(self) -> str:
        """T as text."""
        return "?" if self.model.timesteps is None else str(self.model.timesteps)

    @property
    def group(self) -> tuple[str, str]:
        """What cells must share to stand in one comparison: data set and network."""
        return self.dataset, self.network

    @property
    def skipped(self) -> Missing | None:
        """The reason, where nothing at all was measured."""
        missing = self.record.unmeasured
        return absent(missing) if missing else None

    @property
    def accuracy(self) -> Interval | Missing:
        """Share of correct predictions with its 95 % Wilson interval."""
        section = self.record.accuracy
        if isinstance(section, Absent):
            return absent(section)
        return Interval(section.value, *wilson(section.correct, section.n))

    def figure(self, name: str) -> float | Missing:
        """The value of a metric, or why it is missing."""
        value = METRICS[name].value(self.record)
        return absent(value) if isinstance(value, Absent) else value

    def energy(self, model: str) -> EnergyModel | Missing:
        """The estimate of one model of energy."""
        section = self.record.energy
        if isinstance(section, Absent):
            return absent(section)
        found = next((m for m in section.models if m.name == model), None)
        return found or Missing(f"no estimate by {clean(model, 60)}")

    @property
    def quantisation(self) -> tuple[float, float | None] | Missing:
        """Network means of (o - u)^2 and (o - phi(u))^2; the second is None where a layer offers no phi."""
        layers = self._information
        if isinstance(layers, Missing):
            return layers
        before = _weighted([(layer.quantisation_error, layer.elements) for layer in layers])
        after = _weighted([(layer.quantisation_error_rectified, layer.elements) for layer in layers])
        return Missing("the network has no spiking neurons") if before is None else (before, after)

    @property
    def _information(self) -> list[InformationLayer] | Missing:
        section = self.record.information
        if isinstance(section, Absent):
            return absent(section)
        return section.layers or Missing("the network has no spiking neurons")


def absent(section: Absent) -> Missing:
    """A missing section's reason, fit to print."""
    return Missing(sentence(section.reason), section.status)


def layers_of(section: Synops | Spikes | NeuronOps | Information | Absent) -> Sequence[Any]:
    """The layers of a section; none where it is absent."""
    return [] if isinstance(section, Absent) else section.layers


def sentence(reason: str) -> str:
    """A reason, fit to print. It begins with a code for programs; readers get the sentence after it."""
    return re.sub(r"^[a-z0-9]+(_[a-z0-9]+)+: (?=.)", "", clean(reason, 600))


def _weighted(pairs: list[tuple[float | None, int]]) -> float | None:
    values = [(value, weight) for value, weight in pairs if value is not None]
    total = sum(weight for _, weight in values)
    if not total or len(values) < len(pairs):
        return None
    return sum(value * weight for value, weight in values) / total


def energy_ratio(base: ReportCell, cell: ReportCell, model: str | None) -> float | None:
    """Estimated energy of a cell over that of another; None where one of them has no estimate."""
    if model is None:
        return None
    a, b = base.energy(model), cell.energy(model)
    return None if isinstance(a, Missing) or isinstance(b, Missing) or not a.joules else b.joules / a.joules


def collect(run: Run) -> list[ReportCell]:
    """All cells of a run, ordered by data set, network, T, neuron and seed, each with an address of its own."""
    found = sorted(run.cells.values(), key=lambda result: order(result.record.model, result.record.name))
    marks = addresses(run.run_id, [result.record.name for result in found])
    return [ReportCell(result, mark) for result, mark in zip(found, marks, strict=True)]


def addresses(run_id: str, names: Sequence[str]) -> list[str]:
    """An address of its own for each cell of a run, in the order of their names."""
    given: dict[str, None] = {}
    for name in names:
        address = slug(name)
        if address in given:
            address += "-" + digest(f"{run_id}\0{name}")
        given[address] = None
    return list(given)


def headline_energy(cells: Sequence[ReportCell]) -> str | None:
    """The model of energy that tables lead with: the usual one where it is there, else the first; None without any."""
    return headline(m.name for c in cells if not isinstance(c.record.energy, Absent) for m in c.record.energy.models)


def headline(models: Iterable[str]) -> str | None:
    """Of the names of models of energy the usual one where it is there, else the first; None without any."""
    names = list(models)
    return HEADLINE_ENERGY if HEADLINE_ENERGY in names else (names[0] if names else None)


def order(model: ModelDescription | RecordRow, name: str) -> tuple[object, ...]:
    """Sort key of a cell: by data set, network, T, neuron and seed."""
    neuron = NEURONS.index(model.neuron) if model.neuron in NEURONS else len(NEURONS)
    return (
        model.dataset is None,
        model.dataset or "",
        model.network or "",
        neuron,
        model.timesteps or 0,
        model.seed or 0,
        name,
    )
