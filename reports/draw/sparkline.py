"""A line as small as a word: values from run to run, with a dot at the newest and a ring where a level begins."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from markupsafe import Markup

from inflor_bench.reports.data.text import clean

WIDTH, HEIGHT = 132, 30
_MARGIN = 4.0


def sparkline(values: Sequence[float | None], levels: Sequence[int], told: str) -> Markup:
    """Inline SVG; `told` is what is read aloud. One point a pixel at most is drawn, of many the extremes."""
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    low, high = min(v for _, v in known), max(v for _, v in known)
    span = (high - low) or 1.0
    across = (WIDTH - 2 * _MARGIN) / max(len(values) - 1, 1)

    def place(index: int, value: float) -> str:
        height = 0.5 if high == low else (high - value) / span
        return f"{_MARGIN + index * across:.1f},{_MARGIN + height * (HEIGHT - 2 * _MARGIN):.1f}"

    parts = [
        f'<polyline points="{" ".join(place(*point) for point in piece)}"/>' if len(piece) > 1 else ""
        for piece in _pieces(values)
    ]
    rings = [_circle(place(i, values[i] or 0.0), "level", 3.2) for i in levels]
    dot = _circle(place(*known[-1]), "now", 2.4)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return Markup(
        f'<svg class="spark" {size} role="img" aria-label={quoteattr(clean(told, 200))}>{"".join(parts)}'
        f"{''.join(rings)}{dot}</svg>"
    )


def _circle(at: str, kind: str, radius: float) -> str:
    x, y = at.split(",")
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"/>'


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The values as lines without a gap inside; of many within two pixels only the lowest and the highest."""
    step = max(1, len(values) // (WIDTH // 2))
    pieces: list[list[tuple[int, float]]] = [[]]
    for start in range(0, len(values), step):
        here = [(i, v) for i, v in enumerate(values[start : start + step], start) if v is not None]
        if not here:
            pieces.append([])
            continue
        ends = {min(here, key=lambda p: p[1]), max(here, key=lambda p: p[1])} if step > 1 else set(here)
        pieces[-1] += sorted(ends)
    return [piece for piece in pieces if piece]
