"""From a drawing to inline SVG: the same bytes each time, themed by style variables, named for readers."""

from __future__ import annotations

import io
import re
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG

from inflor_bench.reports.data.text import clean
from inflor_bench.reports.draw.canvas import Band, Drawing, Label
from inflor_bench.reports.draw.palette import VARIABLES

_USES = re.compile(r'<use [^>]*? style="([^"]*)"/>(?:<use (?:(?! style=)[^>])* style="\1"/>)+')


def finish(drawing: Drawing, name: str) -> Markup:
    """The drawing as one <svg> element, drawn within `canvas.for_page()`. `name` prefixes every id."""
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    FigureCanvasSVG(drawing.figure).print_svg(out, metadata=metadata)  # type: ignore[no-untyped-call]
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
        f'<title id="{name}-title">{escape(clean(drawing.title))}</title>'
        f'<desc id="{name}-desc">{escape(clean(drawing.description, 600))}</desc>'
    )
    written = "".join(map(_label, drawing.labels)) + "".join(_band(b, float(width)) for b in drawing.bands)
    body = body.strip().removesuffix("</svg>")
    return Markup(f"{opening}{body}{written}</svg>")


def _label(label: Label) -> str:
    place = f'x="{label.x:.1f}" y="{label.y + 3.2:.1f}" text-anchor="{label.anchor}"'
    return f'<text class="l" {place}>{escape(label.text)}</text>'


def _band(band: Band, width: float) -> str:
    mark = f" data-mark={quoteattr(band.mark)}" if band.mark else ""
    place = f'y="{band.top:.1f}" width="{width:.0f}" height="{band.height:.1f}"'
    return f'<rect class="band" {place}{mark} data-tip={quoteattr(clean(band.told, 300))} />'


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
