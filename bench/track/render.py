"""A comparison as a terminal table, as JSON, and as a Markdown comment.

Names and reasons come from files that anybody may have written: control characters never reach the terminal, and
nothing in them is Markdown or HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.metrics import metric_of
from bench.track.compare import Comparison, Finding, Verdict
from bench.track.records import Git
from bench.track.runs import Run

if TYPE_CHECKING:
    from rich.console import Console

MARKER = "<!-- inflor-bench-comparison -->"  # by which the one comment of a pull request is found again

_WORDS: dict[Verdict, str] = {
    "regressed": "regressed",
    "accepted": "accepted",
    "changed": "changed",
    "improved": "improved",
    "too_noisy": "too noisy to tell",
    "not_comparable": "not comparable",
    "same": "the same",
}
_STYLES: dict[Verdict, str] = {
    "regressed": "bold red",
    "accepted": "yellow",
    "changed": "cyan",
    "improved": "green",
    "too_noisy": "magenta",
    "not_comparable": "dim",
    "same": "dim",
}
# What is shown line by line; the others are counted.
_SHOWN: tuple[Verdict, ...] = ("regressed", "accepted", "changed", "improved", "too_noisy")
_ROWS = 60  # a comment of GitHub holds 65,536 characters
_LONGEST = 300


def render_terminal(comparison: Comparison, console: Console, *, everything: bool = False) -> None:
    """Print a comparison, worst first. What is the same or cannot be compared is only counted, unless `everything`."""
    from rich.text import Text

    sides = (("base", comparison.base), ("head", comparison.head)) if comparison.base else ()
    for side, run in sides:
        console.print(Text(f"{side}  {plain(_title(run))}"))
    for note in comparison.notes:
        console.print(Text(plain(note), style="yellow"))
    print_findings([finding for finding in comparison.findings if everything or finding.verdict in _SHOWN], console)
    for cell, sentence in comparison.sentences.items():
        console.print(Text(plain(f"{cell}: {sentence}")))
    console.print(Text(summary(comparison), style=_STYLES["regressed" if comparison.exit_code else "improved"]))


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print findings as a table, in their order; nothing where there are none."""
    from rich.table import Table
    from rich.text import Text

    if not findings:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("verdict", "cell", "metric", "layer", "base", "head", "reason"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        texts = (finding.cell, finding.metric, finding.layer or "", *_values(finding), finding.reason)
        verdict = Text(_WORDS[finding.verdict], style=_STYLES[finding.verdict])
        table.add_row(verdict, *(Text(plain(text)) for text in texts))
    console.print(table)


def summary(comparison: Comparison) -> str:
    """Return the counts of the verdicts in one line: "1 regressed, 2 changed, 40 the same"."""
    counts = [f"{count} {_WORDS[verdict]}" for verdict, count in comparison.counts.items() if count]
    return ", ".join(counts) or "nothing to compare"


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a strict JSON document."""
    return {
        "format": "inflor-bench-comparison",
        "version": 1,
        "exit_code": comparison.exit_code,
        "counts": comparison.counts,
        "base": comparison.base and _run(comparison.base),
        "head": _run(comparison.head),
        "shown": comparison.shown,
        "notes": list(comparison.notes),
        "sentences": dict(comparison.sentences),
        "findings": [asdict(finding) for finding in comparison.findings],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "file": run.path.name,
        "run_id": run.run_id,
        "created": run.created,
        "machine": run.machine.fingerprint,
        "git": run.git.model_dump(mode="json"),
    }


def render_markdown(comparison: Comparison) -> str:
    """Return a comparison as a comment for a pull request, at most 65,536 characters; it begins with `MARKER`."""
    regressed = comparison.exit_code != 0
    lines = [
        MARKER,
        f"### InfLoR-Bench: {'regressed' if regressed else 'no regression'}",
        "",
        f"{summary(comparison)}. Base {escape(_title(comparison.base) if comparison.base else 'none')}, "
        f"head {escape(_title(comparison.head))}.",
        "",
        *(f"- {escape(note)}" for note in comparison.notes),
        "",
    ]
    shown = [finding for finding in comparison.findings if finding.verdict in _SHOWN]
    lines += _table(shown[:_ROWS])
    if len(shown) > _ROWS:
        lines += ["", f"And {len(shown) - _ROWS} more; the report has them all."]
    sentences = list(comparison.sentences.items())[:_ROWS]
    lines += ["", *(f"- {escape(cell)}: {escape(sentence)}" for cell, sentence in sentences)]
    return "\n".join(lines)[:65_000].rstrip() + "\n"


def _table(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    lines = ["| verdict | cell | metric | layer | base | head | why |", "|---|---|---|---|---:|---:|---|"]
    for finding in findings:
        texts = (finding.cell, finding.metric, finding.layer or "", *_values(finding), finding.reason)
        bold = "**" if finding.verdict == "regressed" else ""
        lines.append(f"| {bold}{_WORDS[finding.verdict]}{bold} | " + " | ".join(map(escape, texts)) + " |")
    return lines


def _title(run: Run) -> str:
    git = run.git
    commit = f"{git.sha[:12]}{' (dirty)' if git.dirty else ''} {git.message}" if isinstance(git, Git) else "no commit"
    return f"{commit}, {run.created}"


def _values(finding: Finding) -> tuple[str, str]:
    return _value(finding.metric, finding.base), _value(finding.metric, finding.head)


def _value(metric: str, value: float | int | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:12]
    if getattr(metric_of(metric), "unit", None) == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def plain(text: str) -> str:
    """Return text for a terminal: one line, without control, formatting or surrogate characters, of bounded length."""
    line = " ".join(text.split())
    line = "".join(char if unicodedata.category(char)[0] != "C" else "\ufffd" for char in line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def escape(text: str) -> str:
    """Return text for Markdown that is nothing but text: no markup, HTML, link, mention, reference or table cell."""
    return re.sub(r"[^\w \-/,;()%+=]|_", lambda match: f"&#{ord(match[0])};", plain(text))
