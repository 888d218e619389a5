"""The model card: what a model is and how it came to be, in a sentence or two."""

from __future__ import annotations

from inflor_bench.reports.data.cells import Missing, ReportCell
from inflor_bench.reports.data.format import integer, listed, percent
from inflor_bench.reports.data.text import clean

_SOURCES = {
    "shipped": "The weights are shipped with InfLoR-Bench.",
    "trained": "The weights were trained for this run.",
    "cached": "The weights were trained before by the same recipe and kept.",
    "user": "The weights are the user's own.",
}


def summary(cell: ReportCell) -> str:
    """What a cell's model is, where its weights came from and how accurate they are."""
    return " ".join([_what(cell), *_weights(cell)])


def _what(cell: ReportCell) -> str:
    model = cell.model
    neuron = []
    if model.reset is not None:
        by = "" if model.reset_by is None or model.reset != "soft" else f" by {model.reset_by:g}"
        neuron.append(f"{clean(model.reset, 40)} reset{by}")
    if model.threshold is not None:
        neuron.append(f"firing level {model.threshold:g}")
    if model.decay is not None:
        neuron.append(f"decay {model.decay:g}")
    if model.mpr is not None:
        neuron.append("trained with MPR" if model.mpr else "trained without MPR")
    kind = "ReLU in place of neurons" if cell.neuron == "relu" else f"{cell.neuron} neurons"
    if model.levels is not None:
        kind = f"activations of {model.levels + 1} values, {model.activation_bits} bits, in place of neurons"
    said = f"{cell.network} with {kind}" if model.neuron else cell.name
    said += f" ({listed(neuron)})" if neuron else ""
    if model.timesteps is not None and model.levels is None:
        said += f", {model.timesteps} time step{'' if model.timesteps == 1 else 's'}"
    if model.parameters is not None:
        said += f", {integer(model.parameters)} parameters"
    if model.form == "deployed":
        said += "; deployed, so normalisation is folded into the convolutions"
    return said + "."


def _weights(cell: ReportCell) -> list[str]:
    weights, data = cell.record.provenance.weights, cell.record.provenance.dataset
    said = []
    if data is not None:
        simulated = ", which are simulated," if data.simulated else ""
        said.append(f"Measured on {integer(data.samples)} samples of {clean(data.name, 60)}{simulated}.")
    if weights is None:
        return [*said, "Where its weights came from was not recorded."]
    said.append(_SOURCES[weights.source])
    accuracy = cell.accuracy
    if weights.card_accuracy is not None:
        now = "" if isinstance(accuracy, Missing) else f"; this run measured {percent(accuracy.value, 2)}"
        said.append(f"After training they had {percent(weights.card_accuracy, 2)} on the test set{now}.")
    return said
