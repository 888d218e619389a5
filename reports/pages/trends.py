"""The trends page: from run to run, where a level changed, a line a model, and the figures of each data set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from inflor_bench.metrics import Metric
from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.format import listed, movement, quantity
from inflor_bench.reports.data.shifts import FOLLOWED, Event, Line, events, lines
from inflor_bench.reports.data.summaries import RunSummary
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, text, text_columns
from inflor_bench.reports.data.text import clean, slug
from inflor_bench.reports.draw import figures
from inflor_bench.reports.draw.plots import Plot
from inflor_bench.reports.draw.sparkline import sparkline

_EVENTS = 60
_ROWS = 20
_SERIES = 8
SHA = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Subject:
    """A model that trends follow: its name in the runs, how it is called, its address, and what it is."""

    name: str
    label: str
    mark: str
    dataset: str
    network: str
    neuron: str
    href: str


@dataclass(frozen=True)
class Trends:
    """Everything that the trends page shows. Without two runs `lines` is empty, and `sentence` says so.

    `followed` are the lines of each plot, by its name.
    """

    history: Sequence[RunSummary]
    subjects: Sequence[Subject]
    sentence: str
    lines: Sequence[Line] = ()
    events: Sequence[Event] = ()
    models: Table | None = None
    plots: Sequence[Plot] = ()
    followed: Mapping[str, Sequence[Line]] = field(default_factory=dict)

    def event_table(self, limit: int = _EVENTS) -> Table | None:
        """Where a level changed, newest first; at most `limit` rows. None where none did."""
        if not self.events:
            return None
        by_name = {s.name: s for s in self.subjects}
        columns = [
            Column("Commit", numeric=False),
            Column("Run", numeric=False, meaning="when it was measured"),
            *text_columns("Model", "Metric"),
            Column("Before", meaning="median of the level before"),
            Column("After", meaning="median of the level that begins here"),
            Column("Change", meaning="relative; for accuracy in percentage points"),
            Column("Verdict", numeric=False),
        ]
        groups: dict[tuple[int, str, str], list[Event]] = {}
        for event in self.events:
            groups.setdefault((event.index, event.line.metric.name, event.verdict), []).append(event)
        rows = [_event_row(self.history, group, by_name) for group in list(groups.values())[:limit]]
        more = f" (the newest {limit} of {len(groups)}; trends.csv has every value)" if len(groups) > limit else ""
        return Table("levels", f"Where a level changed, newest first{more}", columns, rows, sortable=True)


def of_cells(cells: Sequence[ReportCell]) -> list[Subject]:
    """The cells of a report as subjects, each with its page."""
    return [
        Subject(c.record.name, c.name, c.slug, c.dataset, c.network, c.neuron, f"models/{c.slug}.html") for c in cells
    ]


def of_history(history: Sequence[RunSummary], page: Callable[[RunSummary, str], str]) -> list[Subject]:
    """Every cell that a history ever held, with the page in its newest run as `page` gives it."""
    found: dict[str, Subject] = {}
    for summary in reversed(history):
        for name, x in summary.cells.items():
            if name not in found:
                found[name] = Subject(
                    name, clean(name), slug(name), x.dataset, x.network, x.neuron, page(summary, x.page)
                )
    return sorted(found.values(), key=lambda s: s.name)


def trends(history: Sequence[RunSummary], subjects: Sequence[Subject]) -> Trends:
    """Follow the subjects through a history, oldest run first."""
    if len(history) < 2:
        said = "There is one run so far." if history else "This report was made without a history of runs."
        said += " Trends need two runs or more; they are drawn as the history grows."
        return Trends(history, subjects, said)
    found = lines(history, [s.name for s in subjects])
    told = events(found)
    plots, followed = _plots(history, found, subjects)
    return Trends(
        history,
        subjects,
        _sentence(history, told),
        found,
        told,
        _models(found, subjects) if found else None,
        plots,
        followed,
    )


def _sentence(history: Sequence[RunSummary], told: Sequence[Event]) -> str:
    commits = len({m.sha for m in history if m.sha})
    machines = len({m.machine for m in history})
    start, end = clean(history[0].created, 40)[:10], clean(history[-1].created, 40)[:10]
    said = f"{len(history)} runs of {_count(commits, 'commit')} on {_count(machines, 'machine')}, {start} to {end}"
    counts = [(sum(e.verdict == v for e in told), v) for v in ("regressed", "improved")]
    if not told:
        return f"{said}: no level changed."
    only = next((v for n, v in counts if n == len(told)), None)
    words = {"regressed": "each time for the worse", "improved": "each time for the better"}
    moved = words[only] if only else listed([f"{n} {v}" for n, v in counts])
    return f"{said}: a level changed {_count(len(told), 'time')}, {moved}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _event_row(history: Sequence[RunSummary], group: Sequence[Event], subjects: dict[str, Subject]) -> Row:
    """One model's new level; or those of several models that a run moved the same way, as one."""
    first, summary = group[0], history[group[0].index]
    metric, subject = first.line.metric, subjects[first.line.cell]
    symbol = "▲" if first.verdict == "improved" else "▼"
    if len(group) == 1:
        shown = [
            text(subject.label, href=subject.href),
            text(metric.title),
            Datum(quantity(metric, first.before), first.before),
            Datum(quantity(metric, first.after), first.after),
            Datum(movement(metric, first.before, first.after), first.after - first.before),
        ]
    else:
        by_size = sorted(group, key=lambda e: (e.after - e.before) / (abs(e.before) or 1.0))
        ends = [movement(metric, e.before, e.after) for e in (by_size[0], by_size[len(group) // 2], by_size[-1])]
        names = listed([subjects[e.line.cell].label for e in group[:3]])
        rest = f" and {len(group) - 3} more" if len(group) > 3 else ""
        shown = [
            Datum(f"{len(group)} models", f"{len(group)} models", detail=names + rest),
            text(metric.title),
            Datum("–", None),
            Datum("–", None),
            Datum(ends[1], first.after - first.before, detail=f"{ends[0]} to {ends[2]}" if ends[0] != ends[2] else ""),
        ]
    commit = Datum(summary.commit, summary.commit, detail=clean(summary.message, 80))
    verdict = Datum(f"{symbol} {first.verdict}", first.verdict, tone=first.verdict)
    when = text(clean(summary.created, 40)[:16].replace("T", " "))
    return Row([commit, when, *shown, verdict], mark=subject.mark if len(group) == 1 else "")


def _models(found: Sequence[Line], subjects: Sequence[Subject]) -> Table:
    shown = [m for m in FOLLOWED if any(line.metric is m for line in found)]
    by_key = {(line.cell, line.metric.name): line for line in found}
    rows = []
    for subject in subjects:
        if not any((subject.name, m.name) in by_key for m in shown):
            continue
        data = [Datum(subject.label, subject.label, href=subject.href, tone=subject.neuron)]
        data += [_line(by_key.get((subject.name, m.name)), m) for m in shown]
        rows.append(Row(data, anchor=f"trend-{subject.mark}", mark=subject.mark))
    columns = [Column("Model", numeric=False), *(Column(m.title, m.unit) for m in shown)]
    return Table("lines", "Every model, oldest run to newest", columns, rows, sortable=True)


def _line(line: Line | None, metric: Metric) -> Datum:
    if line is None or line.last is None:
        return Datum("–", None)
    first = next(v for v in line.values if v is not None)
    told = f"{metric.title}: {quantity(metric, first)} in the first run, {quantity(metric, line.last)} in the newest"
    since = f"{movement(metric, first, line.last)} since the first" if line.levels else ""
    return Datum(
        quantity(metric, line.last), line.last, detail=since, picture=sparkline(line.values, line.levels, told)
    )


def _plots(
    history: Sequence[RunSummary], found: Sequence[Line], subjects: Sequence[Subject]
) -> tuple[list[Plot], dict[str, Sequence[Line]]]:
    """A figure for each metric of a data set, of each network where there are many models; and its lines."""
    plots: list[Plot] = []
    followed: dict[str, Sequence[Line]] = {}
    groups: dict[str, list[Subject]] = {}
    datasets = [s.dataset for s in subjects]
    for subject in subjects:
        many = datasets.count(subject.dataset) > _SERIES
        groups.setdefault(f"{subject.dataset}, {subject.network}" if many else subject.dataset, []).append(subject)
    for group, (title, members) in enumerate(groups.items(), 1):
        for metric in FOLLOWED:
            here = [x for x in found if x.metric is metric and any(s.name == x.cell for s in members)]
            if here:
                name = f"trend-{group}-{metric.name}"
                followed[name] = here[: 2 * _SERIES]
                plots.append(_plot(name, title, metric, history, followed[name], members))
    return plots, followed


def _plot(
    name: str,
    title: str,
    metric: Metric,
    history: Sequence[RunSummary],
    found: Sequence[Line],
    members: Sequence[Subject],
) -> Plot:
    by_name = {s.name: s for s in members}
    first = len(history) - _ROWS if len(history) > _ROWS else 0
    columns = text_columns("Commit", "Created")
    columns += [Column(by_name[line.cell].label, metric.unit) for line in found]
    rows = [
        Row(
            [
                text(history[i].commit),
                text(clean(history[i].created, 40)),
                *(
                    Datum("–", None) if v is None else Datum(quantity(metric, v), v)
                    for v in (x.values[i] for x in found)
                ),
            ]
        )
        for i in range(first, len(history))
    ]
    scale = 100.0 if metric.unit == "share" else 1.0
    series = [
        figures.Series(
            by_name[x.cell].mark,
            by_name[x.cell].neuron,
            [None if v is None else scale * v for v in x.values],
            x.levels,
        )
        for x in found
    ]
    heading = f"{metric.title}, {title}"
    label = {"share": "accuracy / %", "1": "operations per inference"}.get(metric.unit, metric.label)
    unit = metric.symbol
    drawing = figures.trend(
        series,
        (history[0].commit, history[-1].commit),
        unit,
        label,
        f"{heading}: {len(found)} models over {len(history)} runs.",
    )
    where = " Runs of one machine only." if metric.instrument else ""
    rest = f" The table holds the last {_ROWS} runs, trends.csv all of them." if first else ""
    caption = f"{len(history)} runs, oldest first; a ring is the first run of a new level.{where}{rest}"
    return Plot(name, heading, caption, drawing, Table(f"{name}-data", heading, columns, rows))


def explored(shown: Trends, commits: str = "") -> Markup:
    """What the page's own code explores, as JSON that may stand in a page: the runs, and the lines of every figure.

    A run leads to the page of its commit, whose address begins with `commits`, where that is known.
    """
    verdicts = {(e.line.cell, e.line.metric.name, e.index): e.verdict for e in shown.events}
    by_name = {s.name: s for s in shown.subjects}
    runs = [
        {
            "commit": m.commit,
            "created": clean(m.created, 40)[:16].replace("T", " "),
            "message": clean(m.message, 120),
            "href": f"{commits}{m.sha}" if commits and m.sha and SHA.fullmatch(m.sha) else "",
        }
        for m in shown.history
    ]
    figures_of = []
    for plot in shown.plots:
        given = shown.followed[plot.name]
        is_share = given[0].metric.unit == "share"
        lines_of = [
            {
                "label": by_name[line.cell].label,
                "neuron": by_name[line.cell].neuron,
                "values": [None if v is None else 100 * v if is_share else v for v in line.values],
                "levels": {i: verdicts.get((line.cell, line.metric.name, i), "new level") for i in line.levels},
            }
            for line in given
        ]
        unit = "%" if is_share else given[0].metric.symbol
        figures_of.append({"name": plot.name, "title": plot.title, "unit": unit, "lines": lines_of})
    text_of = json.dumps({"runs": runs, "figures": figures_of}, allow_nan=False)
    # No text of a run may end the element that it stands in.
    return Markup(text_of.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def long_table(shown: Trends) -> Table:
    """Every value of every run, one a row."""
    columns = [
        *text_columns("Run", "Commit", "Created", "Machine", "Cell", "Metric"),
        Column("Value"),
        Column("New level"),
    ]
    rows = [
        Row(
            [
                text(m.run_id),
                text(m.sha or ""),
                text(m.created),
                text(m.machine),
                text(line.cell),
                text(f"{line.metric.name} [{line.metric.unit}]"),
                Datum("", value),
                Datum("", int(i in line.levels)),
            ]
        )
        for line in shown.lines
        for i, (m, value) in enumerate(zip(shown.history, line.values, strict=True))
        if value is not None
    ]
    return Table("trends", "Every value of every run", columns, rows)
