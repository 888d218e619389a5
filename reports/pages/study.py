"""The pages of a study: a page of its own, Markdown, its values, and a figure for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from inflor_bench.metrics import METRICS
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import sentence as reason_sentence
from inflor_bench.reports.data.format import THIN, minus, p_value, points, quantity, signed, significant
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, text, text_columns
from inflor_bench.reports.draw import canvas, paper
from inflor_bench.reports.draw.intervals import DrawnDifference, differences
from inflor_bench.reports.draw.plots import Plot, no_plot
from inflor_bench.reports.files import write
from inflor_bench.reports.pages import downloads
from inflor_bench.reports.pages.comment import escape, markdown
from inflor_bench.reports.pages.figure import COLUMN_MILLIMETRES
from inflor_bench.reports.pages.report import environment
from inflor_bench.verdict.study import BEST, Effect, Study

_CAPTION = (
    "Difference in accuracy over the seeds, with its 95 % interval; a full dot is beyond chance after Holm's "
    "correction over all comparisons of the study."
)
_COLUMNS = (
    *text_columns("Data, network, T", "Comparison"),
    Column("From", meaning="mean over the seeds"),
    Column("To", meaning="mean over the seeds"),
    Column("Difference", meaning="mean of the seeds' differences, with its 95 % interval"),
    Column("p, t", meaning="Student's paired t test over the seeds"),
    Column("p, Wilcoxon", meaning="signed-rank test over the seeds"),
    Column("p, Holm", meaning="that of t, corrected for all comparisons of this quantity"),
    Column("Detectable", meaning="the difference that so many seeds find in 80 % of such studies after the correction"),
    Column("Seeds"),
    Column("Verdict", numeric=False),
)


def write_study(name: str, found: Study, records: Mapping[str, Record], planned: int, out: Path) -> Path:
    """Write the study's files into `out` and return its `study.html`.

    Besides there are `study.md`, `study.csv` and `study.parquet` with every comparison, `study-seeds.csv` with every
    network, and `study.pdf`.

    Raises:
        ReportInputError: `out` cannot be written.
    """
    said = sentence(found, len(records), planned)
    by_metric = {metric: [e for e in found.effects if e.metric.name == metric] for metric in _metrics(found)}
    tables = [_table(metric, effects) for metric, effects in by_metric.items()]
    seeds = _networks(records)
    left_out = [f"{what}: {reason_sentence(reason)}" for what, reason in found.left_out]
    files: dict[str, str | bytes] = {"study.md": _markdown(name, said, tables, left_out)}
    files |= downloads.as_files("study", _table("", list(found.effects)))
    files |= downloads.as_files("study-seeds", seeds)
    accuracies = by_metric.get("accuracy", [])
    with canvas.for_page():
        files["study.html"] = (
            environment()
            .get_template("study.html")
            .render(
                title=f"Study {name}",
                sentence=said,
                plot_of_accuracy=_plot(accuracies),
                tables=tables,
                left_out=left_out,
                seeds=seeds,
                root="",
            )
        )
    if accuracies:
        with canvas.for_print(COLUMN_MILLIMETRES):
            drawing = _plot(accuracies).drawing
            assert drawing is not None
            files["study.pdf"] = paper.finish(drawing, "pdf")
    write(out, files)
    return out / "study.html"


def sentence(found: Study, measured: int, planned: int) -> str:
    """What the study came to, in accuracy."""
    accuracies = [effect for effect in found.effects if effect.metric.name == "accuracy"]
    whole = f"{measured} of {planned} networks are trained and measured"
    if not accuracies:
        return f"{whole}, and no two neurons can be compared yet."
    sure = [effect for effect in accuracies if effect.found]
    named = "; ".join(f"{_compared(e)} {points(e.difference)} points ({e.group})" for e in sure)
    told = f": {named}" if sure else ""
    return f"{whole}. Beyond chance: {len(sure)} of {len(accuracies)} comparisons of accuracy{told}."


def _metrics(found: Study) -> list[str]:
    return list(dict.fromkeys(effect.metric.name for effect in found.effects))


def _table(metric: str, effects: Sequence[Effect]) -> Table:
    """The effects on one quantity, or on all of them, with the quantity before the comparison."""
    label = effects[0].metric.title if metric else "Every quantity"
    quantity_column = () if metric else text_columns("Quantity")
    rows = [Row([*([] if metric else [text(effect.metric.name)]), *_row(effect)]) for effect in effects]
    name = "study-all" if not metric else f"study-{metric.replace('/', '-').replace('_', '-')}"
    return Table(name, label, [*quantity_column, *_COLUMNS], rows, sortable=True)


def _row(effect: Effect) -> list[Datum]:
    low, high = effect.interval
    verdict = "not told apart" if not effect.found else "higher" if effect.difference > 0 else "lower"
    return [
        text(effect.group),
        text(_compared(effect)),
        Datum(quantity(effect.metric, effect.base_mean), effect.base_mean),
        Datum(quantity(effect.metric, effect.head_mean), effect.head_mean),
        Datum(
            _moved(effect, effect.difference),
            effect.difference,
            detail=f"{_moved(effect, low)} to {_moved(effect, high)}",
        ),
        *(Datum(p_value(p), p) for p in (effect.p_value, effect.p_signed_rank, effect.p_adjusted)),
        Datum(_moved(effect, effect.detectable).removeprefix("+"), effect.detectable),
        Datum(str(len(effect.seeds)), len(effect.seeds)),
        text(verdict),
    ]


def _compared(effect: Effect) -> str:
    return f"{effect.head} {minus('-')} {effect.base}"


def _moved(effect: Effect, difference: float) -> str:
    """A difference in points for shares, else in per cent of the base's mean, else in the quantity's own unit."""
    if effect.metric.unit == "share":
        return points(difference)
    if effect.base_mean:
        return f"{signed(100 * difference / effect.base_mean, 1)}{THIN}%"
    return significant(difference)


def _plot(accuracies: Sequence[Effect]) -> Plot:
    title = "Do they differ in accuracy?"
    if not accuracies:
        return no_plot("study-figure", title, "No two neurons have three seeds in common yet.")
    drawn = [
        DrawnDifference(
            f"{effect.group.partition('/')[0]}: {_compared(effect)}",
            100 * effect.difference,
            100 * effect.interval[0],
            100 * effect.interval[1],
            effect.found,
            f"{effect.group}: {_compared(effect)} {points(effect.difference)} points, "
            f"{points(effect.interval[0])} to {points(effect.interval[1])}",
        )
        for effect in accuracies
    ]
    alt = f"Differences in accuracy of {len(drawn)} comparisons, with their 95 % intervals."
    drawing = differences(drawn, "difference in accuracy, points", title, alt)
    return Plot("study-figure", title, _CAPTION, drawing, _table("accuracy", accuracies))


def _networks(records: Mapping[str, Record]) -> Table:
    """Every network with what was compared of it, and the hash of its weights."""
    metrics = (METRICS["accuracy"], BEST, *(METRICS[n] for n in ("firing_rate", "ac", "mac", "level_error", "energy")))
    columns = [*text_columns("Cell"), *(Column(m.title, m.unit) for m in metrics), *text_columns("Weights", "Commit")]
    rows = []
    for name, record in sorted(records.items()):
        values = [metric.value(record) for metric in metrics]
        shown = [
            Datum("none", None, reason=value.reason)
            if isinstance(value, Absent)
            else Datum(quantity(metric, value), value)
            for metric, value in zip(metrics, values, strict=True)
        ]
        origin = record.provenance
        commit = "" if isinstance(origin.git, Absent) else origin.git.sha[:12]
        rows.append(Row([text(name), *shown, text(origin.weights.sha256[:12] if origin.weights else ""), text(commit)]))
    return Table("study-seeds", "Every network", columns, rows, sortable=True)


def _markdown(name: str, said: str, tables: Sequence[Table], left_out: Sequence[str]) -> str:
    parts = [f"# {escape(name)}", escape(said, 4000)]
    parts += [f"## {escape(table.caption)}\n\n{markdown(table, len(table.rows))}" for table in tables]
    if left_out:
        parts.append("Not compared:\n\n" + "\n".join(f"- {escape(reason)}" for reason in left_out))
    return "\n\n".join(parts) + "\n"
