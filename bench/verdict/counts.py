"""Compare what is counted: parameters, dense operations, spikes, accumulates, multiply-accumulates, neuron updates.

Counts at the same weights, data and arithmetic are the same to the last spike, so a difference has a cause in the code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inflor_bench.metrics import Metric
from inflor_bench.record.costs import Energy, EnergyModel
from inflor_bench.record.counted import Synops
from inflor_bench.verdict.findings import Finding, Pair, Verdict, percent, relative

Layers = Mapping[str, int]

# Sums in another order move a few membranes across the threshold. Seen for an untrained ResNet-8 (T=4, 256 images) with
# AVX2 and with plain SSE kernels: 1.2e-5 of all spikes, 2.8e-4 of the last layer's.
ROUNDING = 1e-3


def compare_structure(pair: Pair) -> list[Finding]:
    """Compare what the cell is: description, data and weights. A change is an event, never a failure."""
    base, head = pair.base.record, pair.head.record
    findings = []
    old, new = base.model.model_dump(exclude={"parameters"}), head.model.model_dump(exclude={"parameters"})
    differing = [f"{key} {old[key]} -> {new[key]}" for key in old if old[key] != new[key]]
    if differing:
        findings.append(pair.finding("model", "changed", "the model is described differently: " + ", ".join(differing)))
    (old_data, new_data), (old_weights, new_weights) = (
        [getattr(provenance, part) for provenance in pair.provenances] for part in ("dataset", "weights")
    )
    if old_data and new_data:
        verdict: Verdict = "same" if pair.same_data else "changed"
        reason = "the same hash" if pair.same_data else "the data that was measured on has another hash"
        findings.append(pair.finding("dataset", verdict, reason, base=old_data.sha256, head=new_data.sha256))
    if pair.retrained:
        same_recipe = old_weights.training_key and old_weights.training_key == new_weights.training_key
        why = "the same recipe gave other weights" if same_recipe else "the recipe or its source changed"
        values = {"base": old_weights.sha256, "head": new_weights.sha256}
        findings.append(pair.finding("weights", "changed", f"retrained: {why}", **values))
    return findings


def compare_event(pair: Pair, metric: Metric, base: Any, head: Any) -> Finding | None:
    """Compare what a shape alone decides, for one inference even where the data differ: a change is an event."""
    values = metric.read(base), metric.read(head)
    if values[0] is None or values[1] is None:
        return None
    old, new = (round(value) for value in values if value is not None)
    layers = (metric.layers(base), metric.layers(head)) if metric.layers else None
    layer, where = _place(layers, first=False) if layers and old != new else (None, "")
    change = relative(old, new)
    reason = "exactly the same" if old == new else f"{percent(change)} ({new - old:+,}){where}"
    verdict: Verdict = "same" if old == new else "changed"
    return pair.finding(metric.name, verdict, reason, layer=layer, base=old, head=new, change=change)


def compare_count(pair: Pair, metric: Metric, base: Any, head: Any) -> Finding:
    """Compare one count: more is a regression, fewer an improvement.

    With the same weights any difference counts, but for what rounding does on another machine or on a GPU. Weights that
    were trained anew differ by chance, so there a difference counts beyond `metric.by_chance`.
    """
    assert metric.layers is not None
    layers = metric.layers(base), metric.layers(head)
    old, new = (sum(side.values()) for side in layers)
    change = relative(old, new)
    values: dict[str, Any] = {"base": old, "head": new, "change": change}
    devices = [provenance.counting_device for provenance in pair.provenances]
    if base.samples != head.samples:
        reason = f"counted over {base.samples:,} and {head.samples:,} samples"
        return pair.finding(metric.name, "not_comparable", reason)
    if pair.same_data is False:
        return pair.finding(metric.name, "not_comparable", "counted on different data")
    if layers[0] == layers[1]:
        return pair.finding(metric.name, "same", "exactly the same in every layer", **values)
    # With the same weights the first layer that moved is the cause, and what follows is its consequence.
    values["layer"], where = _place(layers, first=not pair.retrained)
    reason = f"{percent(change)} ({new - old:+,}){where}{'; retrained' if pair.retrained else ''}"
    if devices[0] != devices[1]:
        return pair.finding(
            metric.name, "not_comparable", f"{reason}; counted on {devices[0]} and on {devices[1]}", **values
        )
    if new == old:
        return pair.finding(metric.name, "changed", f"the total is the same, its layers are not{where}", **values)
    moved = math.inf if change is None else abs(change)
    if pair.retrained and moved <= metric.by_chance:
        reason += f", which by chance moves it by up to {100 * metric.by_chance:.2g} %"
        return pair.finding(metric.name, "changed", reason, floor=metric.by_chance, **values)
    rounding = _rounding(pair)
    if rounding and moved < ROUNDING:
        return pair.finding(metric.name, "too_noisy", f"{reason}; {rounding}", **values)
    return pair.finding(metric.name, "regressed" if new > old else "improved", reason, **values)


def _rounding(pair: Pair) -> str | None:
    """Return why counts may differ in their last digits with the same weights; None where they may not."""
    base, head = pair.provenances
    if base.machine.fingerprint != head.machine.fingerprint:
        return "another machine rounds differently"
    return None if head.counting_device == "cpu" else f"{head.counting_device} rounds differently from run to run"


def compare_uncounted(pair: Pair, base: Synops, head: Synops) -> list[Finding]:
    """Return a regression where an operator is not counted any more: the totals say less than they did."""
    before, now = ({(item.name, item.operator) for item in synops.uncounted} for synops in (base, head))
    if not (new := sorted(now - before)):
        return []
    reason = f"not counted any more: the operator {new[0][1]}, which no formula covers"
    return [pair.finding("uncounted", "regressed", reason, layer=new[0][0])]


def name_reclassified(finding: Finding, base: Synops, head: Synops) -> Finding:
    """Say so where a layer's operations moved between accumulates and multiply-accumulates."""
    if finding.verdict not in ("regressed", "improved"):
        return finding
    before = {layer.name: layer for layer in base.layers}
    for layer in head.layers:
        old = before.get(layer.name)
        if old and old.ac and not old.mac and layer.mac:
            return replace(
                finding, layer=layer.name, reason=f"{finding.reason}; {layer.name} reads non-binary input now"
            )
        if old and old.mac and not old.ac and layer.ac:
            return replace(finding, layer=layer.name, reason=f"{finding.reason}; {layer.name} reads binary input now")
    return finding


def compare_shown(pair: Pair, metric: Metric, base: Any, head: Any) -> Finding | None:
    """Show how a mean moved. It explains accuracy, which is judged."""
    old, new = metric.read(base), metric.read(head)
    if old is None or new is None:
        return None
    change = relative(old, new)
    same = abs(new - old) <= 1e-9 * max(abs(old), abs(new))
    reason = "the same" if same else f"{percent(change)}, as a mean over all layers"
    return pair.finding(metric.name, "same" if same else "changed", reason, base=old, head=new, change=change)


def _place(layers: tuple[Layers, Layers], *, first: bool) -> tuple[str | None, str]:
    """Return the layer to name, and words that say how far it moved."""
    base, head = layers
    if list(base) != list(head):
        return _restructured(base, head)
    moves = {name: head[name] - base[name] for name in head if head[name] != base[name]}
    if not moves:
        return None, ""

    def move(name: str) -> str:
        return f"in {name}: {percent(relative(base[name], head[name]))} ({moves[name]:+,})"

    most = max(moves, key=lambda name: abs(moves[name]))
    named = next(iter(moves)) if first else most
    words = f"first {move(named)}, most {move(most)}" if named != most else move(most)
    others = len(moves) - len({named, most})
    return named, f", {words}{f', and {others} more' if others else ''}"


def _restructured(base: Layers, head: Layers) -> tuple[str | None, str]:
    gone, new = [name for name in base if name not in head], [name for name in head if name not in base]
    words = [f"{word} {_some(names)}" for word, names in (("gone", gone), ("new", new)) if names]
    moved = new or [name for name in head if base.get(name) != head[name]] or gone
    return next(iter(moved), None), f"; the layers are others ({'; '.join(words) or 'in another order'})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def compare_energy(pair: Pair, base: Energy, head: Energy, counts: list[Finding]) -> list[Finding]:
    """Show the energy estimates. They follow from the counts, which are judged, so an estimate itself never gates."""
    old = {model.name: model for model in base.models}
    moved = any(finding.metric in ("ac", "mac", "dense") and finding.verdict != "same" for finding in counts)
    findings = []
    for model in head.models:
        if model.name not in old:
            findings.append(pair.finding(f"energy/{model.name}", "changed", "a new energy model", head=model.joules))
        else:
            findings.append(_energy_model(pair, old[model.name], model, moved))
    for name in sorted(old.keys() - {model.name for model in head.models}):
        findings.append(pair.finding(f"energy/{name}", "changed", "this energy model is gone", base=old[name].joules))
    return findings


def _energy_model(pair: Pair, base: EnergyModel, head: EnergyModel, moved: bool) -> Finding:
    metric = f"energy/{head.name}"
    if base.version != head.version:
        reason = f"constants of version {base.version} and {head.version}: a new series begins"
        return pair.finding(metric, "not_comparable", reason, base=base.joules, head=head.joules)
    change = relative(base.joules, head.joules)
    values = {"base": base.joules, "head": head.joules, "change": change}
    if abs(head.joules - base.joules) <= 1e-12 * max(base.joules, head.joules):
        return pair.finding(metric, "same", "recomputed from the same counts", **values)
    if not moved:
        reason = f"{percent(change)} with the same counts: the formula changed and its version did not"
        return pair.finding(metric, "changed", reason, **values)
    return pair.finding(metric, "changed", f"{percent(change)}, recomputed from the counts that moved", **values)
