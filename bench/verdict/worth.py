"""Whether spiking is worth it: a spiking network and its twin, priced by the same models of energy.

The energy of a network whose structure is fixed is linear in its spikes, E(s) = A + B s: A is what it takes if none
fires, with the layers that take values as they are. It breaks even with its twin at s* = (E_twin - A) / B, said as a
firing rate; where A alone is more than the twin takes, at no rate. Both records are priced anew, so a model of energy
needs no estimate in them. Where there is no twin it is bounded by a dense one of the same layers: no zero is skipped,
so a twin takes at most that, and the spiking network at least the ratio that is told.

Spikes per synapse and inference, the bar of Davidson and Furber (2021) and Dampfhoffer et al. (2023), is AC / dense
operations of one step, of the layers that take spikes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.measure.energy import ENERGY_MODELS, Bits, EnergyModel, at_bits, joules_of
from inflor_bench.record.counted import NeuronOps, NeuronOpsLayer, SynopLayer, Synops
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.verdict.accuracy import Difference, difference_of

_OLD = "the file was written before all was kept that memory is priced by: measure again"


@dataclass(frozen=True)
class Part:
    """The whole of a network, or a layer: J per inference of the spiking network and of its twin.

    `without_spikes` is A, None where it is not known. `rate` is the measured rate: of the whole, spikes per neuron and
    step; of a layer that takes spikes, the share of its inputs that are some.
    """

    name: str
    spiking: float
    twin: float
    without_spikes: float | None
    rate: float | None

    @property
    def ratio(self) -> float:
        """Energy of the spiking network over that of the twin."""
        return self.spiking / self.twin

    @property
    def pays(self) -> bool:
        """Whether the spiking network takes less."""
        return self.spiking < self.twin

    @property
    def break_even(self) -> float | None:
        """The rate below which it pays, above 1 where it does at any; None where that is not known, or at no rate."""
        if self.without_spikes is None or not self.rate or self.never or self.spiking <= self.without_spikes:
            return None
        return self.rate * (self.twin - self.without_spikes) / (self.spiking - self.without_spikes)

    @property
    def never(self) -> bool:
        """Whether it does not pay even if nothing fires."""
        return self.without_spikes is not None and self.without_spikes >= self.twin

    @property
    def pays_below(self) -> str:
        """The break-even rate, as a table tells it."""
        if self.rate is None:
            return "takes values" if self.name else "not known"
        if self.never:
            return "at no rate"
        if self.break_even is None:
            return "not known"
        return "any rate" if self.break_even > 1 else f"{self.break_even:.3f}"


@dataclass(frozen=True)
class Priced:
    """What one model of energy says. `equal_precision`: both networks are priced at the same bits, on one memory."""

    model: str
    version: str
    source: str
    equal_precision: bool
    whole: Part
    layers: tuple[Part, ...]


@dataclass(frozen=True)
class Worth:
    """A spiking network against its twin, or against a bound where `twin` is None. `left_out`: models, and why."""

    spiking: str
    twin: str | None
    priced: tuple[Priced, ...]
    left_out: Mapping[str, str]
    rate: float | None
    spikes_per_synapse: float | None
    accuracy: Difference | None

    @property
    def sentence(self) -> str:
        """The verdict. It tells the models of equal precision, or all where there are none."""
        told = [one for one in self.priced if one.equal_precision] or self.priced
        parts = [] if self.rate is None else [f"fires {self.rate:.3f} times a neuron and step"]
        parts += [f"{'pays' if one.whole.pays else 'does not pay'} by {_said(one, self.twin is None)}" for one in told]
        if not told:
            parts.append("has no price of both networks by any model of energy")
        if self.twin is None:
            against = "a bound, the dense quantised twin of the same layers"
        else:
            against = self.twin
            parts.append("not compared for accuracy" if self.accuracy is None else _accurate(self.accuracy))
        return f"{self.spiking} against {against}: {'; '.join(parts)}."


def _said(one: Priced, bound: bool) -> str:
    whole = one.whole
    said = f"{one.model} ({'at least ' if bound else ''}{whole.ratio:.3g} times the energy"
    if whole.never:
        return f"{said}; at no firing rate would it)"
    if whole.break_even is None:
        return f"{said})"
    if whole.break_even > 1:
        return f"{said}; would at any firing rate)"
    return f"{said}; {'does' if whole.pays else 'would'} below {whole.break_even:.3g})"


def _accurate(found: Difference) -> str:
    size = f"{100 * abs(found.value):.2g} points {'less' if found.value < 0 else 'more'} accurate"
    test = "other samples, Fisher" if found.change is None else "McNemar"
    low, high = found.interval
    interval = f"{100 * low:+.2g} to {100 * high:+.2g} points"
    return f"{size if found.value else 'as accurate'} ({test} p = {found.p_value:.2g}; {interval})"


def worth(
    spiking: Record,
    twin: Record | None = None,
    *,
    models: Sequence[EnergyModel] = ENERGY_MODELS,
    bits: Bits | None = None,
    activation_bits: int | None = None,
) -> Worth:
    """Price a spiking network and its twin, or a bound of one where that is None.

    `bits` are those of weights and sums; values have `activation_bits`, if not told as many as the record's T needs.

    Raises:
        TrackInputError: one of them was not counted, or the first has no spiking neurons.
    """
    ours, neurons = _counted(spiking), spiking.neuron_ops
    if isinstance(neurons, Absent):
        raise TrackInputError(
            f"{spiking.name}: has no neuron updates ({neurons.reason.rstrip('.')}): name a spiking network."
        )
    other = _dense_twin(spiking, ours) if twin is None else _counted(twin)
    other_neurons = twin.neuron_ops.layers if twin is not None and isinstance(twin.neuron_ops, NeuronOps) else []
    bits = bits or Bits()
    rate = None if isinstance(spiking.spikes, Absent) else spiking.spikes.mean_firing_rate
    priced: list[Priced] = []
    left_out: dict[str, str] = {}
    for model in models:
        if twin is None and model.at is None:
            continue
        here, there = (_at(model, record or spiking, bits, activation_bits) for record in (spiking, twin))
        try:
            mine = [_price(here, ours, neurons.layers, scale) for scale in (1, 0, 2)]
            theirs = _price(there, other, other_neurons)
            for record, made, told in ((spiking, here, mine[0]), *([(twin, there, theirs)] if twin else ())):
                _check_against_file(record, made, told)
        except _UnpricedError as error:
            left_out[model.name] = str(error)
            continue
        if not mine[0].joules > 0 or not theirs.joules > 0:
            left_out[model.name] = "does not price both networks"
            continue
        linear = math.isclose(mine[2].joules + mine[1].joules, 2 * mine[0].joules, rel_tol=1e-9)
        whole = Part("", mine[0].joules, theirs.joules, mine[1].joules if linear else None, rate)
        layers = _layers(ours, other, mine[0], mine[1], theirs)
        version = here.version if here.version == there.version else f"{here.version}, twin {there.version}"
        priced.append(Priced(model.name, version, here.source, model.at is not None, whole, layers))
    for name in _only_in_files(spiking, twin, {model.name for model in models}):
        left_out[name] = "is not at hand: give its file, or install its package"
    return Worth(
        spiking.name,
        None if twin is None else twin.name,
        tuple(priced),
        left_out,
        rate,
        _spikes_per_synapse(spiking, ours),
        None if twin is None else _difference(spiking, twin),
    )


class _UnpricedError(Exception):
    """Why a model has no price for a network."""


@dataclass(frozen=True)
class _Prices:
    """J per inference of the layers with weights, in their order, and of all neuron updates."""

    layers: tuple[float, ...]
    neurons: float

    @property
    def joules(self) -> float:
        return math.fsum((*self.layers, self.neurons))


def _counted(record: Record) -> Synops:
    if isinstance(record.synops, Absent):
        raise TrackInputError(
            f"{record.name}: its operations were not counted ({record.synops.reason.rstrip('.')}): measure again."
        )
    return record.synops


def _at(model: EnergyModel, record: Record, bits: Bits, activation: int | None) -> EnergyModel:
    """The model at the bits of a record's own values."""
    own = activation or record.model.bits_of_values or Bits.activation
    return at_bits([model], replace(bits, activation=own))[0]


def _price(model: EnergyModel, synops: Synops, neurons: Sequence[NeuronOpsLayer], scale: float = 1) -> _Prices:
    """The network with so many times its spikes. Layers that take values, and updates, are as they are."""
    try:
        layers = [
            joules_of(model.synapses(_fired(layer, scale), bool(neurons))) / synops.samples for layer in synops.layers
        ]
        updates = sum(joules_of(model.neurons(_reset(neuron, scale))) for neuron in neurons)
    except Exception as error:
        raise _UnpricedError(f"gives no energy ({type(error).__name__}: {error})") from None
    prices = _Prices(tuple(layers), updates / synops.samples)
    if not all(math.isfinite(joules) and joules >= 0 for joules in (*prices.layers, prices.neurons)):
        raise _UnpricedError("gives no energy")
    return prices


def _fired(layer: SynopLayer, scale: float) -> Any:
    """What a model of energy asks of a layer, with so many times the spikes; older files do not hold all of it."""
    if layer.mac or scale == 1:
        return layer
    return layer.model_copy(update={"ac": scale * layer.ac, "input_nonzero": scale * (layer.input_nonzero or 0)})


def _reset(layer: NeuronOpsLayer, scale: float) -> Any:
    return layer.model_copy(update={"reset_operations": scale * layer.reset_operations})


def _check_against_file(record: Record, model: EnergyModel, prices: _Prices) -> None:
    """Refuse where the record does not hold what the model prices: an older file, say."""
    told = [] if isinstance(record.energy, Absent) else record.energy.models
    for estimate in told:
        if (estimate.name, estimate.version) == (model.name, model.version):
            if not math.isclose(estimate.joules, prices.joules, rel_tol=1e-6):
                raise _UnpricedError(_OLD)
            return
    layers: Sequence[Any] = _counted(record).layers
    if any(layer.weight_shape and layer.input_rows is None and not model.covers(layer) for layer in layers):
        raise _UnpricedError(_OLD)


def _layers(ours: Synops, other: Synops, mine: _Prices, silent: _Prices, theirs: _Prices) -> tuple[Part, ...]:
    """The layers with weights, where those of both networks are the same in their order; neuron updates as one."""
    if [(one.kind, one.weight_shape) for one in ours.layers] != [(one.kind, one.weight_shape) for one in other.layers]:
        return ()
    parts = []
    for layer, joules, fixed, twin in zip(ours.layers, mine.layers, silent.layers, theirs.layers, strict=True):
        takes_spikes = not layer.mac and layer.input_elements
        rate = (layer.input_nonzero or 0) / layer.input_elements if takes_spikes and layer.input_elements else None
        parts.append(Part(layer.name, joules, twin, fixed, rate))
    return tuple(part for part in parts if part.twin > 0)


def _only_in_files(spiking: Record, twin: Record | None, known: set[str]) -> list[str]:
    """Models that both records have an estimate of and that are not at hand."""
    sections = [spiking.energy, *([twin.energy] if twin else [])]
    names = [set() if isinstance(one, Absent) else {model.name for model in one.models} for one in sections]
    return sorted(set.intersection(*names) - known)


def _dense_twin(record: Record, synops: Synops) -> Synops:
    """The same layers, run once an inference on values of which none is 0."""

    def once(layer: SynopLayer) -> SynopLayer:
        steps, samples = record.model.timesteps or 1, synops.samples
        steps = steps if layer.input_rows and not layer.input_rows % (steps * samples) else 1
        counts = ("input_elements", "input_rows", "output_elements")
        shapes = {name: (getattr(layer, name) or 0) // steps for name in counts}
        pairs = layer.dense // steps
        return layer.model_copy(
            update={**shapes, "dense": pairs, "mac": pairs, "ac": 0, "input_nonzero": shapes["input_elements"]}
        )

    return synops.model_copy(update={"layers": [once(layer) for layer in synops.layers]})


def _spikes_per_synapse(record: Record, synops: Synops) -> float | None:
    layers = [layer for layer in synops.layers if not layer.mac and layer.dense]
    steps = record.model.timesteps
    return steps * sum(one.ac for one in layers) / sum(one.dense for one in layers) if layers and steps else None


def _difference(spiking: Record, twin: Record) -> Difference | None:
    ours, other = spiking.accuracy, twin.accuracy
    if isinstance(ours, Absent) or isinstance(other, Absent):
        return None
    here, there = (record.provenance.dataset for record in (spiking, twin))
    return difference_of(other, ours, same_data=bool(here and there and here.same_samples(there)))


def twins(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Each spiking cell with its fair twin: the cell of the same data, network, T and seed whose neuron is `quant`."""

    def key(record: Record) -> tuple[object, ...]:
        model = record.model
        return model.dataset, model.network, model.timesteps, model.seed, model.form

    counted = [record for record in records if not isinstance(record.synops, Absent)]
    quantised = {key(record): record for record in counted if record.model.neuron == "quant"}
    return [
        (record, quantised[key(record)])
        for record in counted
        if key(record) in quantised and not isinstance(record.neuron_ops, Absent)
    ]
