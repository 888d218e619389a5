"""A study: neurons that were trained with the same seeds, each two compared pair by pair over the seeds.

One training moves by chance about as far as neurons differ, so that only many of them tell a difference. Both networks
of a pair start from the same weights and see the same samples in the same order; what differs is their neuron.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from inflor_bench.metrics import METRICS, Metric
from inflor_bench.record.costs import Energy
from inflor_bench.record.origin import Provenance
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.verdict.statistics import detectable, holm, paired_t, signed_rank

ALPHA = 0.05
POWER = 0.8
FEWEST = 3  # seeds; with fewer an interval says nothing


def _best(provenance: Provenance) -> float | None:
    return max(provenance.weights.card_epochs, default=None) if provenance.weights else None


BEST = Metric(
    "best_accuracy",
    "provenance",
    "shown",
    _best,
    "share, after the epoch that was best on the test set: a choice by the test set, as the field reports it",
    "share",
    1,
    called="accuracy of the best epoch",
    missing="the weights do not say how accurate they were after each epoch",
)
_COUNTED = ("firing_rate", "ac", "mac", "quantisation_error", "reset_loss", "level_error")


@dataclass(frozen=True)
class Effect:
    """How a quantity of `head` differs from that of `base`, over the seeds that both were trained with.

    `difference` is its mean, head minus base, with its 95 % `interval`; `scatter` is the standard deviation of the
    seeds' differences. `p_value` is that of Student's paired t test, `p_signed_rank` Wilcoxon's, and `p_adjusted`
    Holm's of the former, among all comparisons of this quantity that were named beforehand. `detectable` is the
    difference that so many seeds find in 80 % of such studies even at Holm's first step, which is the strictest.
    """

    group: str
    base: str
    head: str
    metric: Metric
    seeds: tuple[int, ...]
    base_mean: float
    head_mean: float
    difference: float
    interval: tuple[float, float]
    scatter: float
    p_value: float
    p_signed_rank: float
    p_adjusted: float = math.nan
    detectable: float = math.nan

    @property
    def found(self) -> bool:
        """Whether there is a difference: beyond chance, after Holm's correction."""
        return self.p_adjusted < ALPHA


@dataclass(frozen=True)
class Study:
    """What was found, in the order of the comparisons, and what could not be compared, each with the reason."""

    effects: tuple[Effect, ...]
    left_out: tuple[tuple[str, str], ...]


def analyse(records: Iterable[Record], comparisons: Sequence[tuple[str, str]]) -> Study:
    """Compare neurons, each a pair (base, head), in every group of data set, network and T that has both."""
    effects: list[Effect] = []
    left_out: list[tuple[str, str]] = []
    for group, networks in _groups(records).items():
        for base, head in comparisons:
            if base not in networks or head not in networks:
                continue
            seeds = sorted(networks[base].keys() & networks[head].keys())
            pairs = [(networks[base][seed], networks[head][seed]) for seed in seeds]
            if len(seeds) < FEWEST:
                left_out.append((f"{group}: {head} - {base}", f"{len(seeds)} seeds in common, fewer than {FEWEST}"))
                continue
            for metric in _metrics(pairs):
                made = _effect(group, base, head, metric, seeds, pairs)
                if isinstance(made, Effect):
                    effects.append(made)
                else:
                    left_out.append((f"{group}: {head} - {base}: {metric.label}", made.reason))
    return Study(tuple(_adjusted(effects)), tuple(left_out))


def _groups(records: Iterable[Record]) -> dict[str, dict[str, dict[int, Record]]]:
    """Networks by data set, network and T, neuron and seed. The ANN twin, which has no T, belongs to every T."""
    groups: dict[str, dict[str, dict[int, Record]]] = {}
    twins: list[Record] = []
    for record in records:
        model = record.model
        if model.neuron is None or model.seed is None:
            continue
        if model.neuron == "relu":
            twins.append(record)
            continue
        group = groups.setdefault(f"{model.dataset}/{model.network}/T{model.timesteps}", {})
        group.setdefault(model.neuron, {})[model.seed] = record
    for twin in twins:
        for name, group in groups.items():
            if name.startswith(f"{twin.model.dataset}/{twin.model.network}/T") and twin.model.seed is not None:
                group.setdefault("relu", {})[twin.model.seed] = twin
    return groups


def _metrics(pairs: Sequence[tuple[Record, Record]]) -> Iterator[Metric]:
    yield METRICS["accuracy"]
    yield BEST
    yield from (METRICS[name] for name in _COUNTED)
    energies = [side.energy for pair in pairs for side in pair if isinstance(side.energy, Energy)]
    for name in dict.fromkeys(model.name for energy in energies for model in energy.models):
        missing = f"{name} does not price it"
        yield replace(
            METRICS["energy"],
            name=f"energy/{name}",
            read=_joules(name),
            called=f"energy by {name}",
            missing=missing,
        )


def _joules(name: str) -> Callable[[Any], float | None]:
    return lambda energy: next((model.joules for model in energy.models if model.name == name), None)


def _effect(
    group: str, base: str, head: str, metric: Metric, seeds: Sequence[int], pairs: Sequence[tuple[Record, Record]]
) -> Effect | Absent:
    values: list[tuple[float, float]] = []
    for one, other in pairs:
        before, after = metric.value(one), metric.value(other)
        if isinstance(before, Absent):
            return before
        if isinstance(after, Absent):
            return after
        values.append((before, after))
    differences = [after - before for before, after in values]
    mean, p_value, interval = paired_t(differences)
    return Effect(
        group,
        base,
        head,
        metric,
        tuple(seeds),
        fmean(before for before, _ in values),
        fmean(after for _, after in values),
        mean,
        interval,
        stdev(differences),
        p_value,
        signed_rank(differences),
    )


def _adjusted(effects: Sequence[Effect]) -> Iterator[Effect]:
    """Holm's correction within each quantity, and from the scatter what the family would have let be found."""
    adjusted: dict[int, Effect] = {}
    for name in dict.fromkeys(effect.metric.name for effect in effects):
        family = [index for index, effect in enumerate(effects) if effect.metric.name == name]
        p_values = holm([effects[index].p_value for index in family])
        for index, p_value in zip(family, p_values, strict=True):
            effect = effects[index]
            least = effect.scatter * detectable(len(effect.seeds), ALPHA / len(family), POWER)
            adjusted[index] = replace(effect, p_adjusted=p_value, detectable=least)
    return (adjusted[index] for index in range(len(effects)))
