"""Hard reset, soft reset and MPR side by side: the paper's question, answered from the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inflor_bench.record.section import Absent
from inflor_bench.reports.data import table_entries
from inflor_bench.reports.data.cells import Missing, ReportCell, energy_ratio, known, layers_of
from inflor_bench.reports.data.format import above, listed, p_value, points, ratio, relative, share
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, text
from inflor_bench.reports.draw import figures
from inflor_bench.reports.draw.plots import Plot, no_plot
from inflor_bench.reports.pages.model_plots import LEVELS, loss_profile
from inflor_bench.verdict.statistics import mcnemar


@dataclass(frozen=True)
class Answer:
    """One of the section's questions, and what the run says."""

    question: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class ResetComparison:
    """The spiking variants of one network on one data set at one T, and its ReLU twin."""

    anchor: str
    title: str
    answers: Sequence[Answer]
    table: Table
    plots: Sequence[Plot]


def comparisons(cells: Sequence[ReportCell], energy_model: str | None) -> list[ResetComparison]:
    """One comparison for each network, data set and T with at least two spiking variants."""
    groups: dict[tuple[str, str, str], list[ReportCell]] = {}
    twins: dict[tuple[str, str], list[ReportCell]] = {}
    for cell in cells:
        if cell.skipped or cell.model.neuron is None:
            continue
        if cell.neuron == "relu":
            twins.setdefault(cell.group, []).append(cell)
        elif cell.has_time:
            groups.setdefault((*cell.group, cell.timesteps), []).append(cell)
    found: list[ResetComparison] = []
    for (dataset, network, steps), members in groups.items():
        if len({c.neuron for c in members}) > 1:
            twin = twins.get((dataset, network), [])
            found.append(_compare(len(found), f"{dataset}, {network}, T = {steps}", members, twin, energy_model))
    return found


def paired_p_value(one: ReportCell, other: ReportCell) -> float | None:
    """Exact McNemar p-value of two models on the same test samples; None where they were not the same."""
    a, b = one.record.accuracy, other.record.accuracy
    if isinstance(a, Absent) or isinstance(b, Absent) or a.n != b.n:
        return None
    data, twin = one.record.provenance.dataset, other.record.provenance.dataset
    if data is None or twin is None or not data.same_samples(twin):
        return None
    return mcnemar(a.unpack(), b.unpack()).p_value


def _compare(
    number: int, title: str, members: Sequence[ReportCell], twins: Sequence[ReportCell], energy_model: str | None
) -> ResetComparison:
    name = f"reset-{number + 1}"
    shown = [*twins, *members]
    many_seeds = len({c.model.seed for c in shown}) > 1
    labels = {c.slug: c.neuron + (f" s{c.model.seed}" if many_seeds else "") for c in shown}
    answers = [
        Answer("What does hard reset throw away?", _thrown_away(members, labels)),
        Answer("What does MPR change?", _rectified(members, labels)),
        Answer("What does each cost?", _costs(shown, labels, energy_model)),
    ]
    plots = [_loss_plot(name, title, members, labels), _cost_plot(name, title, shown, labels, energy_model)]
    return ResetComparison(name, title, answers, _table(name, title, shown, labels, energy_model), plots)


def _thrown_away(members: Sequence[ReportCell], labels: Mapping[str, str]) -> list[str]:
    sentences = []
    nothing = []
    for cell in members:
        loss = cell.figure("reset_loss")
        if isinstance(loss, Missing):
            sentences.append(f"What {labels[cell.slug]} loses is not known: {loss.reason}.")
        elif loss < 1e-6:
            nothing.append(labels[cell.slug])
        else:
            layers = sorted(x.reset_loss for x in layers_of(cell.record.information) if x.reset_loss is not None)
            sentences.append(
                f"At each spike {labels[cell.slug]} loses {table_entries.loss(loss)} of membrane potential, "
                f"{share(loss)} of what a spike carries "
                f"(by layer {table_entries.loss(layers[0])} to {table_entries.loss(layers[-1])})."
            )
    if nothing:
        sentences.append(f"Nothing is lost in {listed(nothing)}: a soft reset subtracts the spike and keeps the rest.")
    for one, other in _pairs(members, (("hard", "soft"), ("hard-mpr", "soft-mpr"))):
        sentences.append(_difference(one, other, labels))
    return sentences


def _rectified(members: Sequence[ReportCell], labels: Mapping[str, str]) -> list[str]:
    errors = {c.slug: c.quantisation for c in members}
    known = {slug: error for slug, error in errors.items() if not isinstance(error, Missing)}
    sentences = []
    for one, other in _pairs(members, (("hard", "hard-mpr"), ("soft", "soft-mpr"))):
        if one.slug in known and other.slug in known and known[one.slug][0]:
            before, after = known[one.slug][0], known[other.slug][0]
            sentences.append(
                f"Trained with MPR, {labels[other.slug]} has a quantisation error of {table_entries.loss(after)} in "
                f"its membranes; {labels[one.slug]} has {table_entries.loss(before)} ({relative(after / before - 1)})."
            )
        sentences.append(_difference(one, other, labels))
    applied = [
        f"{table_entries.loss(before)} to {table_entries.loss(after)} in {labels[slug]}"
        for slug, (before, after) in known.items()
        if after is not None
    ]
    if applied:
        sentences.append(f"Applied to the membranes as they are, φ would take the error from {listed(applied)}.")
    if not any(c.neuron.endswith("-mpr") for c in members):
        sentences.append("No network of this comparison was trained with MPR.")
    return sentences or ["Information loss was not measured."]


def _difference(one: ReportCell, other: ReportCell, labels: Mapping[str, str]) -> str:
    a, b = one.accuracy, other.accuracy
    if isinstance(a, Missing) or isinstance(b, Missing):
        return f"The accuracy of {labels[other.slug]} against {labels[one.slug]} is not known."
    p = paired_p_value(one, other)
    said = f"In accuracy, {labels[other.slug]} is {above(b.value - a.value)} {labels[one.slug]}"
    if p is None:
        return f"{said}, on other test samples."
    sure = "more than chance explains" if p < 0.05 else "which chance explains as well"
    return f"{said}, {sure} (McNemar {p_value(p)})."


def _costs(shown: Sequence[ReportCell], labels: Mapping[str, str], energy_model: str | None) -> list[str]:
    base = next((c for c in shown if c.neuron == "hard"), None)
    if base is None:
        return ["There is no hard-reset network to hold the others against."]
    sentences = []
    for cell in shown:
        if cell is base or cell.neuron == "relu" or cell.model.seed != base.model.seed:
            continue
        parts = []
        a, b = (known(c.figure("operations")) for c in (base, cell))
        if a and b is not None:
            parts.append(f"{ratio(b / a)} the synaptic operations")
        if (energy := energy_ratio(base, cell, energy_model)) is not None:
            parts.append(f"{ratio(energy)} the estimated energy")
        if parts:
            sentences.append(f"Per inference, {labels[cell.slug]} takes {listed(parts)} of {labels[base.slug]}.")
    twin = next((c for c in shown if c.neuron == "relu"), None)
    if twin is not None and (energy := energy_ratio(twin, base, energy_model)) is not None:
        sentences.append(f"Next to its ReLU twin, {labels[base.slug]} is estimated at {ratio(energy)} the energy.")
    if any(c.neuron.endswith("-mpr") for c in shown):
        sentences.append("MPR itself costs nothing at inference; only the spikes that training led to differ.")
    return sentences or ["Nothing was counted."]


def _table(
    name: str, title: str, shown: Sequence[ReportCell], labels: Mapping[str, str], energy_model: str | None
) -> Table:
    columns = [
        Column("Neuron", numeric=False),
        Column("Accuracy", "share", meaning="correct predictions, with the 95 % Wilson interval"),
        Column("against hard", "points", meaning="difference in accuracy, with the exact McNemar p-value"),
        Column("Firing rate", "1", meaning="spikes per neuron and step"),
        Column("Reset loss", "1", meaning="mean |u − v − o| per spike: what the reset throws away"),
        Column("Level error", "levels", meaning=LEVELS),
        Column("as is", "1", "Quantisation error", meaning="mean (o − u)²"),
        Column("after φ", "1", "Quantisation error", meaning="mean (o − φ(u))², φ the membrane potential rectifier"),
        Column("AC", "1", "Operations per inference", meaning="accumulates"),
        Column("MAC", "1", "Operations per inference", meaning="multiply-accumulates"),
        Column("neuron updates", "1", "Operations per inference", meaning="one per neuron and step"),
        Column(energy_model or "no model", "J", "Energy, estimated", meaning="J per inference; not a measurement"),
    ]
    rows = []
    for cell in shown:
        base = next((c for c in shown if c.neuron == "hard" and c.model.seed == cell.model.seed), None)
        rows.append(
            Row(
                [
                    text(labels[cell.slug], href=f"models/{cell.slug}.html"),
                    table_entries.accuracy(cell),
                    _against(base, cell),
                    table_entries.firing_rate(cell),
                    table_entries.figure(cell, "reset_loss", table_entries.loss),
                    table_entries.figure(cell, "level_error", table_entries.loss),
                    *table_entries.quantisation(cell),
                    table_entries.figure(cell, "ac"),
                    table_entries.figure(cell, "mac"),
                    table_entries.figure(cell, "neuron_updates"),
                    table_entries.energy(cell, energy_model),
                ],
                mark=cell.slug,
            )
        )
    return Table(f"{name}-table", f"Reset and rectifier: {title}", columns, rows)


def _against(base: ReportCell | None, cell: ReportCell) -> Datum:
    if base is None:
        return missing("there is no hard-reset network to compare with", "no base")
    if base is cell:
        return Datum("reference", None)
    a, b = base.accuracy, cell.accuracy
    if isinstance(a, Missing):
        return table_entries.none(a)
    if isinstance(b, Missing):
        return table_entries.none(b)
    p = paired_p_value(base, cell)
    return Datum(points(b.value - a.value), 100 * (b.value - a.value), detail="" if p is None else p_value(p))


def _loss_plot(name: str, title: str, members: Sequence[ReportCell], labels: Mapping[str, str]) -> Plot:
    heading = "What the reset throws away and what MPR changes, layer by layer"
    with_layers = [c for c in members if layers_of(c.record.information)]
    names = [layer.name for layer in layers_of(with_layers[0].record.information)] if with_layers else []
    same = [c for c in with_layers if [layer.name for layer in layers_of(c.record.information)] == names]
    if not same:
        return no_plot(f"{name}-loss", heading, "Information loss was not measured in any of these networks.")
    profiles = [loss_profile(c, labels[c.slug]) for c in same]
    kinds = ("reset loss", "quantisation error", "after φ", "level error")
    columns = [Column("Layer", numeric=False)] + [Column(kind, "1", labels[c.slug]) for c in same for kind in kinds]
    rows = []
    for index, layer in enumerate(names):
        data = [text(layer)]
        for profile in profiles:
            for values in (profile.reset_loss, profile.before, profile.after, profile.levels):
                value = values[index]
                data.append(Datum("none", None) if value is None else Datum(table_entries.loss(value), value))
        rows.append(Row(data))
    alt = f"Reset loss and quantisation error by layer for {listed([p.label for p in profiles])} ({title})."
    caption = (
        "Left: what the reset throws away at each spike; a soft reset that subtracts the spike loses nothing. "
        "Middle: the quantisation error of the membrane as it is (solid) and after φ (dashed, open markers). "
        f"Right: {LEVELS}."
    )
    return Plot(
        f"{name}-loss",
        heading,
        caption,
        figures.loss_by_layer(names, profiles, f"Information loss by layer, {title}", alt),
        Table(f"{name}-loss-data", f"Information loss by layer: {title}", columns, rows),
    )


def _cost_plot(
    name: str, title: str, shown: Sequence[ReportCell], labels: Mapping[str, str], energy_model: str | None
) -> Plot:
    heading = "What each costs"
    variants = []
    for cell in shown:
        energy = known(cell.energy(energy_model)) if energy_model else None
        variants.append(
            figures.Variant(
                cell.slug,
                labels[cell.slug],
                cell.neuron,
                known(cell.figure("ac")),
                known(cell.figure("mac")),
                energy.joules if energy else None,
            )
        )
    if all(v.ac is None and v.joules is None for v in variants):
        return no_plot(f"{name}-cost", heading, "Operations were not counted in any of these networks.")
    columns = [
        Column("Neuron", numeric=False),
        Column("AC", "1"),
        Column("MAC", "1"),
        Column("dense", "1"),
        Column(energy_model or "no model", "J", "Energy, estimated"),
    ]
    rows = [
        Row(
            [
                text(labels[c.slug]),
                *(table_entries.figure(c, k) for k in ("ac", "mac", "dense")),
                table_entries.energy(c, energy_model),
            ]
        )
        for c in shown
    ]
    return Plot(
        f"{name}-cost",
        heading,
        f"Left: accumulates and multiply-accumulates per inference. Right: energy estimated by {energy_model}, which "
        f"prices arithmetic alone and leaves out moving data. MPR adds no operation at inference: φ never moves a "
        f"membrane across the firing level.",
        figures.variant_costs(
            variants,
            energy_model or "no model",
            f"Operations and estimated energy, {title}",
            f"Operations and estimated energy per inference of {listed([v.label for v in variants])} ({title}).",
        ),
        Table(f"{name}-cost-data", f"Cost per inference: {title}", columns, rows),
    )


def _pairs(members: Sequence[ReportCell], names: Sequence[tuple[str, str]]) -> list[tuple[ReportCell, ReportCell]]:
    return [
        (one, other)
        for first, second in names
        for one in members
        for other in members
        if one.neuron == first and other.neuron == second and one.model.seed == other.model.seed
    ]
