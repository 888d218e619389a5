"""Compare what is counted: parameters, dense operations, spikes, accumulates, multiply-accumulates, neuron updates.

Counts at the same weights, data and arithmetic are the same to the last spike, so a difference has a cause in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.track.findings import Finding, Pair, Verdict, percent, relative
from bench.track.records import Absent, Energy, EnergyModel, Information, NeuronOps, Spikes, Synops

Layers = Mapping[str, int]


def compare_structure(pair: Pair) -> list[Finding]:
    """Compare what the cell is: description, parameters, data and weights. A change is an event, never a failure."""
    base, head = pair.base.record, pair.head.record
    findings = []
    old, new = base.model.model_dump(exclude={"parameters"}), head.model.model_dump(exclude={"parameters"})
    differing = [f"{key} {old[key]} -> {new[key]}" for key in old if old[key] != new[key]]
    if differing:
        findings.append(pair.finding("model", "changed", "the model is described differently: " + ", ".join(differing)))
    if base.model.parameters is not None and head.model.parameters is not None:
        findings.append(_event(pair, "parameters", base.model.parameters, head.model.parameters))
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


def _event(pair: Pair, metric: str, base: int, head: int, layers: tuple[Layers, Layers] | None = None) -> Finding:
    layer, where = _place(layers, first=False) if layers and base != head else (None, "")
    change = relative(base, head)
    reason = "exactly the same" if base == head else f"{percent(change)} ({head - base:+,}){where}"
    verdict: Verdict = "same" if base == head else "changed"
    return pair.finding(metric, verdict, reason, layer=layer, base=base, head=head, change=change)


def compare_spikes(pair: Pair, tolerance: float | None) -> list[Finding]:
    """Compare spikes exactly, layer by layer; more spikes are a regression. `tolerance` as in `compare_count`."""
    sections = pair.sections("spikes", Spikes, gates=True)
    if isinstance(sections, Finding):
        return [sections]
    base, head = sections
    layers = [{layer.name: layer.spikes for layer in spikes.layers} for spikes in (base, head)]
    return [compare_count(pair, "spikes", (base.samples, head.samples), (layers[0], layers[1]), tolerance)]


def compare_synops(pair: Pair, tolerance: float | None) -> list[Finding]:
    """Compare synaptic operations: dense ones as an event, effective ones exactly, each layer by layer."""
    sections = pair.sections("synops", Synops, gates=True)
    if isinstance(sections, Finding):
        return [sections]
    base, head = sections
    findings = []
    samples = base.samples, head.samples
    for metric in ("dense", "ac", "mac"):
        sides: list[dict[str, int]] = [
            {layer.name: getattr(layer, metric) for layer in synops.layers} for synops in (base, head)
        ]
        layers = sides[0], sides[1]
        if metric == "dense":
            # A shape alone decides it, so it is compared for one inference even if the data differ.
            values = [getattr(synops.total, metric) // synops.samples for synops in (base, head)]
            findings.append(_event(pair, metric, values[0], values[1], layers))
        else:
            finding = compare_count(pair, metric, samples, layers, tolerance)
            findings.append(_name_reclassified(finding, base, head))
    uncounted = [{(item.name, item.operator) for item in synops.uncounted} for synops in (base, head)]
    if new := sorted(uncounted[1] - uncounted[0]):
        reason = f"not counted any more: the operator {new[0][1]}, which no formula covers"
        findings.append(pair.finding("uncounted", "regressed", reason, layer=new[0][0]))
    return findings


def _name_reclassified(finding: Finding, base: Synops, head: Synops) -> Finding:
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


def compare_neuron_ops(pair: Pair) -> list[Finding]:
    """Compare neuron updates, which the shape alone decides: a change is an event."""
    sections = pair.sections("neuron_ops", NeuronOps, "neuron_updates", gates=True)
    if isinstance(sections, Finding):
        return [sections]
    base, head = sections
    sides = [{layer.name: layer.updates for layer in ops.layers} for ops in (base, head)]
    values = [ops.updates // ops.samples for ops in (base, head)]
    return [_event(pair, "neuron_updates", values[0], values[1], (sides[0], sides[1]))]


def compare_count(
    pair: Pair, metric: str, samples: tuple[int, int], layers: tuple[Layers, Layers], tolerance: float | None
) -> Finding:
    """Compare one count exactly. More is a regression, fewer an improvement.

    Args:
        pair: The cell in both runs.
        metric: The count's name.
        samples: How many samples each run counted.
        layers: The count of every layer, in the network's order.
        tolerance: For a device where counts vary from run to run: the relative change that A/A runs show there.
    """
    base, head = sum(layers[0].values()), sum(layers[1].values())
    change = relative(base, head)
    values: dict[str, Any] = {"base": base, "head": head, "change": change}
    if samples[0] != samples[1]:
        return pair.finding(metric, "not_comparable", f"counted over {samples[0]:,} and {samples[1]:,} samples")
    if pair.same_data is False:
        return pair.finding(metric, "not_comparable", "counted on different data")
    if layers[0] == layers[1]:
        return pair.finding(metric, "same", "exactly the same in every layer", **values)
    # With the same weights the first layer that moved is the cause, and what follows is its consequence.
    layer, where = _place(layers, first=not pair.retrained)
    values["layer"] = layer
    retrained = "; retrained" if pair.retrained else ""
    reason = f"{percent(change)} ({head - base:+,}){where}{retrained}"
    obstacle = _obstacle(pair, change, tolerance)
    if obstacle:
        verdict, why = obstacle
        return pair.finding(metric, verdict, f"{reason}; {why}", **values)
    if head == base:
        return pair.finding(metric, "changed", f"the total is the same, its layers are not{where}{retrained}", **values)
    return pair.finding(metric, "regressed" if head > base else "improved", reason, **values)


def _obstacle(pair: Pair, change: float | None, tolerance: float | None) -> tuple[Verdict, str] | None:
    """Return why a difference of counts proves nothing, None if it does."""
    base, head = pair.provenances
    if base.device != head.device:
        return "not_comparable", f"one ran on {base.device}, the other on {head.device}"
    if pair.retrained and base.machine.fingerprint != head.machine.fingerprint:
        return "not_comparable", "trained on different machines, which alone gives other weights"
    if head.device == "cpu":
        if base.machine.fingerprint != head.machine.fingerprint and change is not None and abs(change) < ROUNDING:
            return "too_noisy", "another machine rounds differently"
        return None
    if tolerance is None:
        return "too_noisy", f"counts on {head.device} vary from run to run, and no A/A runs say how much"
    if change is not None and abs(change) <= tolerance:
        return "same", f"within the {percent(tolerance)} that A/A runs show on {head.device}"
    return None


# Sums in another order move a few membranes across the threshold. Seen for an untrained ResNet-8 (T=4, 256 images) with
# AVX2 and with plain SSE kernels: 1.2e-5 of all spikes, 2.8e-4 of the last layer's.
ROUNDING = 1e-3


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


def compare_information(pair: Pair) -> list[Finding]:
    """Compare the mean quantisation error and reset loss. They explain accuracy and are shown; they never gate."""
    sections = pair.sections("information", Information, "quantisation_error", gates=True)
    if isinstance(sections, Finding):
        return [sections]
    base, head = sections
    findings = []
    for metric, weight in (("quantisation_error", "elements"), ("reset_loss", "fired")):
        old, new = (_mean(information, metric, weight) for information in (base, head))
        if old is None or new is None:
            continue
        change = relative(old, new)
        same = abs(new - old) <= 1e-9 * max(abs(old), abs(new))
        reason = "the same" if same else f"{percent(change)}, as a mean over all layers"
        findings.append(pair.finding(metric, "same" if same else "changed", reason, base=old, head=new, change=change))
    return findings


def _mean(information: Information, metric: str, weight: str) -> float | None:
    terms = [(getattr(layer, metric), getattr(layer, weight)) for layer in information.layers]
    terms = [(value, count) for value, count in terms if value is not None and count]
    total = sum(count for _, count in terms)
    return sum(value * count for value, count in terms) / total if total else None


def compare_energy(pair: Pair, counts: list[Finding]) -> list[Finding]:
    """Show the energy estimates. They follow from the counts, which are judged, so an estimate itself never gates."""
    sections = pair.sections("energy", Energy, gates=not isinstance(pair.head.record.synops, Absent))
    if isinstance(sections, Finding):
        return [sections]
    base, head = sections
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
