"""The badge: one line about the run, as SVG and for badge services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from inflor_bench.reports.data.cells import Interval, ReportCell
from inflor_bench.verdict.compare import Comparison

LABEL = "InfLoR-Bench"
_COLOURS = {"red": "#b3261e", "brightgreen": "#1a7f37", "blue": "#1f5f8b", "lightgrey": "#5b6470"}


def message(cells: Sequence[ReportCell], comparison: Comparison | None) -> tuple[str, str]:
    """The badge's text and colour: regressions where there is a base, else the best accuracy of a spiking model."""
    if comparison is not None:
        regressed = len({f.cell for f in comparison.findings if f.verdict == "regressed"})
        return (f"{regressed} regressed", "red") if regressed else ("no regression", "brightgreen")
    best: tuple[ReportCell, Interval] | None = None
    for cell in cells:
        value = cell.accuracy
        if cell.has_time and isinstance(value, Interval) and (best is None or value.value > best[1].value):
            best = cell, value
    if best is None:
        return f"{len(cells)} models", "lightgrey"
    return f"{best[0].dataset} {best[0].neuron} {100 * best[1].value:.1f} %", "blue"


def endpoint(text: str, colour: str) -> str:
    """`badge.json`: what badge services read from an address."""
    return json.dumps({"schemaVersion": 1, "label": LABEL, "message": text, "color": colour}) + "\n"


def svg(text: str, colour: str) -> str:
    """`badge.svg`: the same as a picture that needs no service."""
    left, right = 18 + 6.6 * len(LABEL), 18 + 6.6 * len(text)
    width = left + right
    label, said = escape(LABEL), escape(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="20" role="img" aria-label="{label}: '
        f'{escape(text, {chr(34): "&quot;"})}">'
        f'<clipPath id="r"><rect width="{width:.0f}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:.1f}" height="20" fill="#24292f"/>'
        f'<rect x="{left:.1f}" width="{right:.1f}" height="20" fill="{_COLOURS[colour]}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:.1f}" y="14" textLength="{left - 16:.1f}">{label}</text>'
        f'<text x="{left + right / 2:.1f}" y="14" textLength="{right - 16:.1f}">{said}</text></g></svg>\n'
    )
