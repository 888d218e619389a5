"""A comparison or run for other programs: annotations of GitHub, github-action-benchmark, Bencher.

pytest-benchmark needs nothing: a run file is one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from inflor_bench.metrics import METRICS
from inflor_bench.record.costs import Latency
from inflor_bench.record.run_file import Run
from inflor_bench.record.section import Absent
from inflor_bench.text import plain
from inflor_bench.verdict.findings import Finding

_COMMANDS = {"regressed": "error", "too_noisy": "warning", "accepted": "notice"}
_MOST = 10  # GitHub shows ten annotations of each kind in a step


def workflow_commands(findings: Sequence[Finding], file: str | None = None) -> list[str]:
    """Return workflow commands of GitHub, worst first: an error for a regression, a warning where nothing can be told.

    Args:
        findings: Worst first.
        file: The file that an annotation points to, from the top of the repository.
    """
    lines: dict[str, list[str]] = {command: [] for command in _COMMANDS.values()}
    for finding in findings:
        command = _COMMANDS.get(finding.verdict)
        if command is not None and len(lines[command]) < _MOST:
            place = f"{finding.cell}: {finding.metric}{f' in {finding.layer}' if finding.layer else ''}"
            properties = {"file": PurePath(file).as_posix()} if file else {}
            properties["title"] = f"{finding.verdict.replace('_', ' ')}: {place}"
            written = ",".join(f"{key}={_property(plain(value))}" for key, value in properties.items())
            lines[command].append(f"::{command} {written}::{_data(plain(f'{place}: {finding.reason}'))}")
    return [line for command in lines.values() for line in command]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def github_action_benchmark(run: Run, *, smaller_is_better: bool) -> list[dict[str, Any]]:
    """Return a run as a file of github-action-benchmark: `customSmallerIsBetter`, or `customBiggerIsBetter`."""
    entries = []
    for name, cell in run.cells.items():
        for metric, value in _metrics(run, name).items():
            if (METRICS[metric].better < 0) is not smaller_is_better:
                continue
            unit = METRICS[metric].meaning
            entry: dict[str, Any] = {"name": f"{name}: {metric}", "unit": unit, "value": value}
            latency = cell.record.latency
            if metric == "latency" and isinstance(latency, Latency) and latency.median_low and latency.median_high:
                entry["range"] = f"{latency.median_low:.4g} to {latency.median_high:.4g}"
            entries.append(entry)
    return entries


def bencher_metric_format(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """Return a run in the Bencher Metric Format: by cell and measure, with the interval of the median latency."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for name, cell in run.cells.items():
        measures = {metric.replace("_", "-"): {"value": value} for metric, value in _metrics(run, name).items()}
        latency = cell.record.latency
        if isinstance(latency, Latency) and latency.median_low is not None and latency.median_high is not None:
            measures["latency"] |= {"lower_value": latency.median_low, "upper_value": latency.median_high}
        if measures:
            document[name] = measures
    return document


def _metrics(run: Run, cell: str) -> dict[str, float]:
    values = {name: metric.value(run.cells[cell].record) for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if not isinstance(value, Absent)}
