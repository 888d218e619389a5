"""From a matplotlib figure to inline SVG: the same bytes each time, themed by style variables, named for readers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from xml.sax.saxutils import escape

import matplotlib
import seaborn
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.palette import GRID, INK, MUTED, PAPER, VARIABLES

_USES = re.compile(r'<use [^>]*? style="([^"]*)"/>(?:<use (?:(?! style=)[^>])* style="\1"/>)+')
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "inflor-bench",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 0.0,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markeredgecolor": PAPER,
    "path.simplify": True,
}


@contextmanager
def style() -> Iterator[None]:
    """The project's figure style, whatever the user's own matplotlib settings are; they come back afterwards."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in a script that the layout font lacks is still text in the SVG; the reader's browser has the glyphs.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        matplotlib.rcdefaults()
        seaborn.set_theme(context="paper", style="ticks", rc=_STYLE)
        yield


@dataclass(frozen=True)
class Label:
    """Text at a place of the canvas, in its units from the top left: a tenth of the cost of a text of matplotlib's."""

    x: float
    y: float
    text: str
    anchor: str


def finish(figure: Figure, name: str, title: str, description: str, labels: Sequence[Label] = ()) -> Markup:
    """The figure as one <svg> element. `name` prefixes every id; `title` and `description` are what is read aloud."""
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    FigureCanvasSVG(figure).print_svg(out, metadata=metadata)  # type: ignore[no-untyped-call]
    text = out.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    head, body = text.split(">", 1)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    assert box is not None, "matplotlib always writes a viewBox"
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    used = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', body))
    # matplotlib escapes < and > in text, so what stands between them is always a tag of its own making.
    body = re.sub(r"<[^>]+>", lambda tag: _tag(tag.group(0), name, used), body)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = re.sub(r"<g>\s*</g>|<g/>|(?<=>) (?=<)", "", body)
    body = _USES.sub(_hoisted, body)
    width, height = box.groups()
    opening = (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc"'
        f' style="--width: {round(float(width))}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    written = "".join(
        f'<text class="l" x="{x.x:.1f}" y="{x.y + 3.2:.1f}" text-anchor="{x.anchor}">{escape(x.text)}</text>'
        for x in labels
    )
    body = body.strip().removesuffix("</svg>")
    return Markup(f"{opening}{body}{written}</svg>")


def _hoisted(match: re.Match[str]) -> str:
    """Markers of one look in a row: the look is written once."""
    look = f' style="{match.group(1)}"'
    return f"<g{look}>" + match.group(0).replace(look, "") + "</g>"


def _tag(tag: str, name: str, used: set[str]) -> str:
    """One tag with prefixed ids, style variables for sentinel colours, and no more decimals than a screen can show."""
    # Marks carry "mark:..." as their id: several may belong to one cell, so it becomes an attribute of its own.
    tag = re.sub(r' id="mark:([^"]*)"', r' data-mark="\1"', tag)
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m.group(1)}"' if m.group(1) in used else "", tag)
    tag = re.sub(r'xlink:href="#', f'href="#{name}-', tag).replace("url(#", f"url(#{name}-")
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"#0[0-9a-f]{5}\b", lambda m: VARIABLES.get(m.group(0), m.group(0)), tag)
    tag = tag.replace("font-family: 'DejaVu Sans'", "font-family: var(--sans)")
    return re.sub(r"(\.\d\d)\d+", r"\1", tag)


def canvas(width: float, height: float) -> Figure:
    """A figure of `width` by `height` units; a unit is one CSS pixel at native size."""
    return Figure(figsize=(width / 72, height / 72), dpi=72)
