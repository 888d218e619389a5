"""The pages that hold a site of many runs together: the index, the trends, and the addresses of commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inflor_bench.reports.data.cells import NEURONS
from inflor_bench.reports.data.changes import SYMBOLS, WORDS
from inflor_bench.reports.data.summaries import RunSummary
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, missing, text, text_columns
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.pages import trends
from inflor_bench.reports.pages.downloads import as_files
from inflor_bench.reports.pages.report import environment, trend_files
from inflor_bench.verdict.findings import VERDICTS

_LEVELS = 12

Listed = tuple[str, RunSummary, Mapping[str, int] | None]


def files(runs: Sequence[Listed], damaged: Sequence[str], commits: str = "") -> dict[str, str | bytes]:
    """Index, trends and redirects. `runs` are (place, what is kept, verdicts against the base), oldest first.

    `commits` is the address that a commit's page begins with, where one is known.
    """
    pages = environment()
    history = [summary for _, summary, _ in runs]
    places = {id(summary): place for place, summary, _ in runs}
    subjects = trends.of_history(history, lambda summary, page: f"runs/{places[id(summary)]}/models/{page}.html")
    drawn = trends.trends(history, subjects)
    neurons = [n for n in NEURONS if any(s.neuron == n for s in subjects)]
    table = _table(runs)
    made: dict[str, str | bytes] = {
        "index.html": pages.get_template("site.html").render(
            title="All runs",
            trends=drawn,
            runs=table,
            levels=drawn.event_table(_LEVELS),
            newest=runs[-1][0],
            damaged=damaged,
            facets={
                "verdict": ("Verdict", list(dict.fromkeys(r.facets["verdict"] for r in table.rows))),
                "branch": ("Branch", sorted({r.facets["branch"] for r in table.rows})),
                "machine": ("Machine", sorted({r.facets["machine"] for r in table.rows})),
            },
            root="",
        )
    }
    made |= trend_files(pages, drawn, neurons, "index.html", "All runs", damaged, commits=commits)
    made |= as_files("runs", table)
    made["data/runs.json"] = json.dumps([_listed(*run) for run in reversed(runs)], indent=1) + "\n"
    redirect = pages.get_template("redirect.html")
    for place, summary, _ in runs:  # the newest run of a commit comes last, and stays
        if summary.sha and trends.SHA.fullmatch(summary.sha):
            made[f"commits/{summary.sha}/index.html"] = redirect.render(
                title=summary.commit,
                target=f"../../runs/{place}/index.html",
                what=f"the newest run of {summary.commit}",
            )
    made["latest/index.html"] = redirect.render(
        title="Newest run", target=f"../runs/{runs[-1][0]}/index.html", what="the newest run"
    )
    return made


def _listed(place: str, summary: RunSummary, counts: Mapping[str, int] | None) -> dict[str, Any]:
    return {
        "address": f"runs/{place}/index.html",
        "run_id": summary.run_id,
        "created": summary.created,
        "sha": summary.sha,
        "branch": summary.branch,
        "machine": summary.machine,
        "counts": counts,
    }


def _table(runs: Sequence[Listed]) -> Table:
    columns = [
        *text_columns("Commit", "Measured", "Branch", "Machine"),
        Column("Models", meaning="models that were measured; below, how many were not"),
        Column("Against its base", numeric=False, meaning="the most serious verdicts against an earlier run"),
    ]
    rows = []
    for place, summary, counts in reversed(runs):
        skipped = sum(figures.skipped is not None for figures in summary.cells.values())
        verdict = _verdict(counts)
        branch = clean(summary.branch or "none", 60)
        rows.append(
            Row(
                [
                    Datum(
                        summary.commit,
                        summary.commit,
                        detail=clean(summary.message, 120),
                        href=f"runs/{place}/index.html",
                    ),
                    text(clean(summary.created, 40)[:16].replace("T", " ")),
                    text(branch),
                    text(clean(summary.machine, 40)),
                    Datum(
                        str(len(summary.cells) - skipped),
                        len(summary.cells) - skipped,
                        detail=f"{skipped} not measured" if skipped else "",
                    ),
                    verdict,
                ],
                anchor=f"run-{place}",
                facets={
                    "verdict": WORDS.get(verdict.tone, "no base"),
                    "branch": branch,
                    "machine": clean(summary.machine, 40),
                },
            )
        )
    return Table("runs", "All runs, newest first", columns, rows, sortable=True)


def _verdict(counts: Mapping[str, int] | None) -> Datum:
    if counts is None:
        return missing("no earlier run has a model of it, so nothing was judged", "no base")
    given = [v for v in VERDICTS if counts.get(v)]
    if not given:
        return missing("the runs have no metric in common", "not judged")
    worst = given[0]
    # What could not be judged is no verdict as long as something could.
    if worst in ("too_noisy", "not_comparable") and "same" in given:
        worst = "same"
    more = ", ".join(f"{counts[v]} {WORDS[v]}" for v in given if v not in ("same", "not_comparable"))
    return Datum(f"{SYMBOLS[worst]} {WORDS[worst]}", WORDS[worst], detail=more, tone=worst)
