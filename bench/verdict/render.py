"""A comparison as lines for a terminal, as JSON, and as a Markdown comment.

Names and reasons come from files that anybody may have written: control characters never reach the terminal, and
nothing in them is Markdown or HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inflor_bench.metrics import metric_of
from inflor_bench.record.origin import Git
from inflor_bench.record.run_file import Run
from inflor_bench.text import plain
from inflor_bench.verdict.compare import Comparison, Finding, Verdict

if TYPE_CHECKING:
    from rich.console import Console

MARKER = "<!-- inflor-bench-comparison -->"  # by which the one comment of a pull request is found again

WORDS: dict[Verdict, str] = {
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
_LINES = 20
_WIDTH = 2 + max(len(WORDS[verdict]) for verdict in _SHOWN)
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d.,]*(e[+-]?\d+)?")  # but not within a layer's name


def render_terminal(comparison: Comparison, console: Console) -> None:
    """Print a comparison: which runs, what is to be known of them, and what was found."""
    from rich.text import Text

    sides = (("base", comparison.base), ("head", comparison.head)) if comparison.base else ()
    for side, run in sides:
        console.print(Text(f"{side}  {plain(_title(run))}"), soft_wrap=True)
    for note in comparison.notes:
        console.print(Text(plain(note), style="yellow"), soft_wrap=True)
    print_findings(comparison.findings, console)


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print findings in their order, each on one line, at most 20, and their counts; nothing where there are none.

    Alike ones are one line. What is the same or cannot be compared is only counted.
    """
    from rich.text import Text

    if not findings:
        return
    groups = _alike([finding for finding in findings if finding.verdict in _SHOWN])
    for group in groups[:_LINES]:
        verdict = group[0].verdict
        text = Text(f"{WORDS[verdict]:<{_WIDTH}}", style=_STYLES[verdict])
        console.print(text.append(_line(group), style="default"), soft_wrap=True)
    if more := sum(map(len, groups[_LINES:])):
        console.print(Text(f"and {more} more; the report has them all"), soft_wrap=True)
    regressed = any(finding.verdict == "regressed" for finding in findings)
    console.print(Text(summary(findings), style=_STYLES["regressed" if regressed else "improved"]), soft_wrap=True)


def _alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one verdict, on one metric or parts of it, for one reason but for its numbers, together."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        key = finding.verdict, finding.metric.partition("/")[0], _NUMBER.sub("", finding.reason)
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _line(group: Sequence[Finding]) -> str:
    """The first of findings that are alike, and how many there are."""
    first = group[0]
    metric = f"{first.metric} in {first.layer}" if first.layer and first.layer not in first.reason else first.metric
    values = " -> ".join(filter(None, _values(first)))
    line = "  ".join(plain(text) for text in (first.cell, metric, values, first.reason) if text)
    others = len({finding.cell for finding in group}) - 1
    if others:
        line += f" (and {others} other {'cells' if others > 1 else 'cell'} likewise)"
    elif len(group) > 1:
        line += f" (and {len(group) - 1} more like it)"
    return line


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts of the verdicts in one line: "1 regressed, 2 changed, 40 the same"."""
    counts = Counter(finding.verdict for finding in findings)
    return (
        ", ".join(f"{counts[verdict]} {word}" for verdict, word in WORDS.items() if counts[verdict])
        or "nothing to compare"
    )


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
    regressed, counts = comparison.exit_code != 0, summary(comparison.findings)
    lines = [
        MARKER,
        f"### InfLoR-Bench: {'regressed' if regressed else 'no regression'}",
        "",
        f"{counts}. Base {escape(_title(comparison.base) if comparison.base else 'none')}, "
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
        lines.append(f"| {bold}{WORDS[finding.verdict]}{bold} | " + " | ".join(map(escape, texts)) + " |")
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


def escape(text: str) -> str:
    """Return text for Markdown that is nothing but text: no markup, HTML, link, mention, reference or table cell."""
    return re.sub(r"[^\w \-/,;()%+=]|_", lambda match: f"&#{ord(match[0])};", plain(text))
