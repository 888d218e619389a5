"""How an estimate of energy was computed: its terms layer by layer, from the record and the model of energy alone.

The record is priced anew, and the sum must be what the file says: what is explained is the figure that was published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.measure.energy import ENERGY_MODELS, EnergyModel, Term
from inflor_bench.measure.energy.iso import bits_in
from inflor_bench.measure.energy.model import Price, joules_of
from inflor_bench.record import costs
from inflor_bench.record.counted import NeuronOps
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent


@dataclass(frozen=True)
class Explanation:
    """An estimate in its terms: `terms` are (layer, term) with counts per inference, whose sum is `joules`.

    `given` is the estimate of the record: model, version, source, J, and notes.
    """

    cell: str
    samples: int
    given: costs.EnergyModel
    terms: tuple[tuple[str, Term], ...]

    @property
    def formula(self) -> tuple[tuple[str, str], ...]:
        """The summands, each (operation, price), once."""
        return tuple(dict.fromkeys((term.operation, term.price) for _, term in self.terms))

    @property
    def prices(self) -> dict[str, float]:
        """J of each price that is the same in every layer, by its words."""
        seen: dict[str, set[float]] = {}
        for _, term in self.terms:
            seen.setdefault(term.price, set()).add(term.joules_each)
        return {price: values.pop() for price, values in seen.items() if len(values) == 1}

    @property
    def joules(self) -> float:
        """J per inference."""
        return math.fsum(term.joules for _, term in self.terms)


def explain(record: Record, name: str, models: Sequence[EnergyModel] = ENERGY_MODELS) -> Explanation:
    """Say how the record's estimate by the model of energy of that name was computed.

    Raises:
        TrackInputError: the record has no such estimate, the model is not among `models`, or it gives another energy
            now than the file says.
    """
    given, model = _given(record, name), _model(name, models)
    if (bits := bits_in(given.version)) is not None and model.at is not None:
        model = model.at(bits)
    if model.version != given.version:
        raise TrackInputError(
            f"{record.name}: its estimate by {name} is of version {given.version}, and {model.version} is at hand: "
            "measure again, or explain it by the version that made it."
        )
    if isinstance(record.synops, Absent):
        raise TrackInputError(f"{record.name}: has no synaptic operations ({record.synops.reason}): measure again.")
    # What older files do not hold of a layer is None there: the sum below then is another than the file's.
    layers: Sequence[Any] = record.synops.layers
    neurons: Sequence[Any] = record.neuron_ops.layers if isinstance(record.neuron_ops, NeuronOps) else []
    samples = record.synops.samples
    try:
        terms = [(one.name, term) for one in layers for term in _terms(model.synapses(one, bool(neurons)), samples)]
        terms += [(one.name, term) for one in neurons for term in _terms(model.neurons(one), samples)]
    except Exception as error:
        raise TrackInputError(
            f"{record.name}: {name} gives no energy of what the file holds ({type(error).__name__}: {error}): "
            "measure again, or correct the model."
        ) from None
    made = Explanation(record.name, samples, given, tuple(terms))
    if not math.isclose(made.joules, given.joules, rel_tol=1e-6):
        raise TrackInputError(
            f"{record.name}: the file says {given.joules:.6g} J by {name} {given.version}, and its terms add up to "
            f"{made.joules:.6g} J: the file was written before all was kept that they need; measure again."
        )
    return made


def _given(record: Record, name: str) -> costs.EnergyModel:
    if isinstance(record.energy, Absent):
        raise TrackInputError(f"{record.name}: no energy was estimated ({record.energy.reason}): measure again.")
    found = next((one for one in record.energy.models if one.name == name), None)
    if found is None:
        why = record.energy.failed.get(name)
        held = ", ".join(one.name for one in record.energy.models)
        raise TrackInputError(
            f"{record.name}: has no estimate by {name!r}{f' ({why})' if why else ''}: name one of {held}."
        )
    return found


def _model(name: str, models: Sequence[EnergyModel]) -> EnergyModel:
    found = next((model for model in models if model.name == name), None)
    if found is None:
        raise TrackInputError(f"The energy model {name!r} is not at hand: give the TOML file that has it.")
    return found


def _terms(price: Price, samples: int) -> list[Term]:
    """The terms per inference that are not 0; of a model that gives J alone, those."""
    if not isinstance(price, Sequence):
        price = [Term("operations of the layer", 1, "by the code of the model", joules_of(price))]
        return [replace(price[0], joules_each=price[0].joules_each / samples)]
    return [replace(term, count=term.count / samples) for term in price if term.joules]
