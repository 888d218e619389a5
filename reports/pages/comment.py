"""`comment.md`: the report in the words of a pull request's comment and a job's summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inflor_bench.reports.data import changes
from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.tables import Table
from inflor_bench.reports.data.text import clean
from inflor_bench.reports.pages import overview, worth
from inflor_bench.verdict.compare import Comparison

MARKER = "<!-- inflor-bench -->"
_WORST = 20


def comment(
    cells: Sequence[ReportCell],
    energy_model: str | None,
    comparison: Comparison | None,
    models: Table,
    answers: Sequence[worth.AgainstTwin],
) -> str:
    """Markdown with a marker in its first line, by which a later comment replaces it. `models` is the table of all."""
    parts = [
        MARKER,
        f"## InfLoR-Bench: {escape(overview.title(cells))}",
        escape(overview.sentence(cells, energy_model)),
    ]
    if comparison is None:
        parts.append("No base was given, so no change is judged.")
    else:
        parts.append(f"**{escape(changes.sentence(comparison))}**")
        findings = changes.moved_table(comparison, cells)
        if findings.rows:
            parts.append(markdown(findings, _WORST))
        if len(findings.rows) > _WORST:
            parts.append(f"{len(findings.rows) - _WORST} more judgements stand in the report.")
    if answers:
        parts.append(
            f"### {worth.QUESTION}\n\n" + "\n".join(f"- {escape(a.found.sentence, 2000)}" for a in answers[:_WORST])
        )
    parts.append(f"<details><summary>All {len(cells)} models</summary>\n\n{markdown(models, 60)}\n\n</details>")
    skipped = [f"- {escape(c.name)}: {escape(c.skipped.reason)}" for c in cells if c.skipped]
    if skipped:
        parts.append("Not measured:\n\n" + "\n".join(skipped[:60]))
    return "\n\n".join(parts) + "\n"


def escape(text: str, limit: int = 400) -> str:
    """Text of a run as Markdown that shows it letter for letter: no link, no image, no HTML, no mention of a user.

    `verdict.render.escape` has an entity for each sign; this comment is read as it is, too, in the summary of a job.
    """
    line = clean(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]()#!|~$])", r"\\\1", line)
    # An empty comment keeps GitHub from reading a mention, an address or an issue number.
    return line.replace("@", "@<!-- -->").replace("://", ":<!-- -->//").replace("www.", "www<!-- -->.")


def markdown(table: Table, limit: int) -> str:
    """The first rows of a table, at most `limit`, as Markdown."""
    heads = [f"{c.group}: {c.head}" if c.group and c.group != c.head else c.head for c in table.columns]
    lines = [
        "| " + " | ".join(escape(head) for head in heads) + " |",
        "|" + "|".join("---:" if c.numeric else "---" for c in table.columns) + "|",
    ]
    for row in table.rows[:limit]:
        lines.append(
            "| " + " | ".join(escape(f"{d.text} ({d.detail})" if d.detail else d.text) for d in row.data) + " |"
        )
    return "\n".join(lines)
