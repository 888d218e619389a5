"""What the overview page says: its sentence, its model table, its figures."""

from __future__ import annotations

from collections.abc import Sequence

from inflor_bench.reports.data import table_entries
from inflor_bench.reports.data.cells import NEURONS, Interval, Missing, ReportCell, energy_ratio
from inflor_bench.reports.data.format import above, listed, percent, ratio, si
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, metric_column, missing, text, text_columns
from inflor_bench.reports.draw import figures
from inflor_bench.reports.draw.plots import Plot, no_plot


def title(cells: Sequence[ReportCell]) -> str:
    """What was compared, in one line."""
    cells = [c for c in cells if not c.skipped] or cells
    if len(cells) == 1:
        return cells[0].name
    neurons = {c.neuron for c in cells if c.model.neuron in NEURONS}
    kinds = [
        label
        for label, members in (
            ("hard reset", {"hard", "hard-mpr"}),
            ("soft reset", {"soft", "soft-mpr"}),
            ("MPR", {"hard-mpr", "soft-mpr"}),
            ("ReLU", {"relu"}),
            ("the fair twin", {"quant"}),
        )
        if neurons & members
    ]
    datasets = list(dict.fromkeys(c.dataset for c in cells if c.model.dataset))
    if not kinds or not datasets:
        return f"{len(cells)} models, measured"
    where = listed(datasets) if len(datasets) <= 3 else f"{len(datasets)} data sets"
    said = f"{listed(kinds)} on {where}"
    return said[:1].upper() + said[1:]


def sentence(cells: Sequence[ReportCell], energy_model: str | None) -> str:
    """One sentence: what was compared and what came out."""
    measured = [c for c in cells if not c.skipped]
    if not measured:
        return f"None of the {len(cells)} models could be measured; the reasons stand below."
    outcomes = []
    for dataset in dict.fromkeys(c.dataset for c in measured):
        outcome = _outcome(dataset, [c for c in measured if c.dataset == dataset], energy_model)
        if outcome:
            outcomes.append(outcome)
    count = f"{len(measured)} of {_models(len(cells))}" if len(measured) < len(cells) else _models(len(cells))
    if not outcomes:
        return f"{count} measured, but not for accuracy."
    more = f"; {len(outcomes) - 3} more data sets stand in the table" if len(outcomes) > 3 else ""
    return f"{count} measured: {'; '.join(outcomes[:3])}{more}."


def _outcome(dataset: str, cells: Sequence[ReportCell], energy_model: str | None) -> str:
    known = [(c, a) for c in cells if isinstance(a := c.accuracy, Interval)]
    spiking = [(c, a) for c, a in known if c.has_time]
    if not known:
        return ""
    best, accuracy = max(spiking or known, key=lambda pair: pair[1].value)
    steps = f" at T = {best.timesteps}" if best.model.timesteps else ""
    said = f"on {dataset}, {best.neuron} {best.network}{steps} is the most accurate"
    if best.model.dataset is None or len(known) == 1:
        said = f"{best.name} reaches {percent(accuracy.value, 2)}"
    else:
        said += f" {'spiking ' if spiking else ''}model with {percent(accuracy.value, 2)}"
    twin, other = next(((c, a) for c, a in known if c.neuron == "relu" and c.group == best.group), (best, accuracy))
    if twin is not best:
        said += f", {above(accuracy.value - other.value)} its ReLU twin"
        if (energy := energy_ratio(twin, best, energy_model)) is not None:
            said += f" at {ratio(energy)} the estimated energy"
    return said


def model_table(cells: Sequence[ReportCell], energy_model: str | None, changes: dict[str, Datum] | None) -> Table:
    """One row a model: what it knows and what it costs. `changes` is the judgement by cell, None without a base."""
    columns = [
        *text_columns("Model", "Data set"),
        Column("T", meaning="time steps; of quant its levels above 0"),
        metric_column("accuracy", meaning="correct predictions, with the 95 % Wilson interval"),
        metric_column("firing_rate"),
        metric_column("ac", "Operations per inference", "accumulates: synaptic operations on spikes"),
        metric_column("mac", "Operations per inference", "multiply-accumulates: synaptic operations on real values"),
        metric_column("dense", "Operations per inference", "what a dense pass would take, zeros included"),
        Column(
            energy_model or "no model",
            "J",
            "Energy, estimated",
            meaning="J per inference; not a measurement",
            name="energy",
        ),
        Column("Median", "s", "Latency, measured", meaning="s per forward pass, with the interval of the median"),
        Column("p95", "s", "Latency, measured", meaning="s per forward pass"),
        Column("by meter", "J", "Energy, measured", meaning="J per inference, as read from a power meter"),
    ]
    if changes is not None:
        columns.append(Column("Change", group="Against base", numeric=False))
    largest: dict[str, float] = {}
    if energy_model:
        for cell in cells:
            energy = cell.energy(energy_model)
            if not isinstance(energy, Missing):
                largest[cell.dataset] = max(largest.get(cell.dataset, 0.0), energy.joules)
    seeds = len({c.model.seed for c in cells}) > 1
    rows = []
    for cell in cells:
        steps = cell.model.timesteps
        head = [
            Datum(
                label(cell),
                cell.name,
                detail=f"seed {cell.model.seed}" if seeds else "",
                href=f"models/{cell.slug}.html",
                tone=cell.neuron,
            ),
            text(cell.dataset),
            Datum(str(steps), steps) if steps is not None else missing("the model gives no number of time steps", "?"),
        ]
        body = [
            table_entries.accuracy(cell),
            table_entries.firing_rate(cell),
            *(table_entries.figure(cell, kind) for kind in ("ac", "mac", "dense")),
            table_entries.energy(cell, energy_model, largest.get(cell.dataset)),
            table_entries.latency(cell, "median"),
            table_entries.latency(cell, "p95"),
            table_entries.measured_energy(cell),
        ]
        if cell.skipped:
            body = [table_entries.none(cell.skipped)] + [Datum("–", None)] * (len(body) - 1)
        if changes is not None:
            body.append(changes.get(cell.slug, Datum("not compared", None)))
        facets = {"dataset": cell.dataset, "network": cell.network, "neuron": cell.neuron, "T": cell.timesteps}
        rows.append(Row([*head, *body], anchor=f"model-{cell.slug}", mark=cell.slug, facets=facets))
    return Table("models", "All models, per inference", columns, rows, sortable=True)


def label(cell: ReportCell) -> str:
    """A model's short name: network and neuron, or the name of the user's own model."""
    return f"{cell.network} {cell.neuron}" if cell.model.neuron else cell.name


def accuracy_energy(cells: Sequence[ReportCell], energy_model: str | None) -> list[Plot]:
    """Accuracy against estimated energy, a figure for each data set."""
    heading = "Accuracy against estimated energy"
    if energy_model is None:
        return [no_plot("pareto-1", heading, "No model of energy was evaluated, so there is nothing to draw.")]
    plots = []
    for number, dataset in enumerate(dict.fromkeys(c.dataset for c in cells), 1):
        plot = _pareto(f"pareto-{number}", dataset, [c for c in cells if c.dataset == dataset], energy_model)
        if plot:
            plots.append(plot)
    return plots or [no_plot("pareto-1", heading, "No model has both an accuracy and an estimate above zero.")]


def _pareto(name: str, dataset: str, cells: Sequence[ReportCell], energy_model: str) -> Plot | None:
    networks = len({c.network for c in cells}) > 1
    found: list[figures.Point] = []
    rows = []
    for cell in cells:
        name_parts = [
            cell.network if networks or not cell.model.neuron else "",
            cell.neuron if cell.model.neuron else "",
        ]
        if cell.neuron != "relu" and cell.model.timesteps:
            name_parts.append(f"T{cell.timesteps}")
        here = point(cell, " ".join(filter(None, name_parts)), energy_model)
        if here is None:
            continue
        found.append(here)
        rows.append(
            Row(
                [
                    text(label(cell)),
                    Datum(cell.timesteps, cell.model.timesteps),
                    *(Datum(percent(share, 2), share) for share in (here.accuracy, here.low, here.high)),
                    Datum(si(here.joules, "J"), here.joules),
                ]
            )
        )
    if not found:
        return None
    columns = [
        Column("Model", numeric=False),
        Column("T"),
        Column("Accuracy", "share"),
        Column("low", "share", "95 % interval"),
        Column("high", "share", "95 % interval"),
        Column(energy_model, "J", "Energy, estimated"),
    ]
    caption = (
        "Bars are 95 % Wilson intervals; the dashed line is the Pareto front: no model on this data set is both more "
        "accurate and cheaper than one on it. Energy is estimated, and grows to the right."
    )
    alt = f"Accuracy against estimated energy per inference of {len(found)} models on {dataset}."
    return Plot(
        name,
        dataset,
        caption,
        figures.accuracy_energy(found, energy_model, f"Accuracy against estimated energy, {dataset}", alt),
        Table(f"{name}-data", f"Accuracy and estimated energy: {dataset}", columns, rows),
    )


def point(cell: ReportCell, label: str, energy_model: str) -> figures.Point | None:
    """A cell in the accuracy-energy plane; None where it has no accuracy, or no estimate above zero."""
    accuracy, energy = cell.accuracy, cell.energy(energy_model)
    if isinstance(accuracy, Missing) or isinstance(energy, Missing) or energy.joules <= 0:
        return None
    return figures.Point(cell.slug, label, cell.neuron, accuracy.value, accuracy.low, accuracy.high, energy.joules)


def _models(count: int) -> str:
    return "One model" if count == 1 else f"{count} models"
