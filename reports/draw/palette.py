"""Colours and markers by name, for two kinds of paper.

On a page each colour is a sentinel that `svg.finish` replaces by a style variable, so one figure serves light, dark and
print; in a figure for a paper it is the colour itself. The values stand once, in templates/style.css; they follow Okabe
and Ito, and every neuron has a marker of its own as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from matplotlib.colors import get_named_colors_mapping

INK = "inflor:ink"
MUTED = "inflor:muted"
GRID = "inflor:grid"
PAPER = "inflor:paper"
HEAT = "inflor:heat"
AC = "inflor:ac"
MAC = "inflor:mac"
LEVEL = "inflor:level"
SOFT = "inflor:soft"
SOFT_MPR = "inflor:soft-mpr"
OTHER = "inflor:other"

NEURON_MARKERS = {"relu": "s", "hard": "^", "soft": "o", "hard-mpr": "v", "soft-mpr": "D", "quant": "P"}
_NEURONS = tuple(f"inflor:{neuron}" for neuron in NEURON_MARKERS)
_NAMES = (INK, MUTED, GRID, PAPER, HEAT, AC, MAC, LEVEL, *_NEURONS, OTHER)
SENTINELS = {name: f"#{number:02x}{number:02x}{number:02x}" for number, name in enumerate(_NAMES, 1)}
VARIABLES = {
    sentinel: "currentColor" if name == INK else f"var(--{name.partition(':')[2]})"
    for name, sentinel in SENTINELS.items()
}


def neuron_colour(neuron: str) -> str:
    """The name of a neuron's colour."""
    return f"inflor:{neuron}" if neuron in NEURON_MARKERS else OTHER


def neuron_marker(neuron: str) -> str:
    """The matplotlib marker of a neuron."""
    return NEURON_MARKERS.get(neuron, "P")


@cache
def printed() -> Mapping[str, str]:
    """The colours of the light theme, as a paper shows them."""
    style = files("inflor_bench.reports").joinpath("templates/style.css").read_text("utf-8")
    light = style[: style.index("@media")]
    values = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", light))
    return {name: values[name.partition(":")[2]] for name in _NAMES}


def use(colours: Mapping[str, str]) -> None:
    """Let the names stand for these colours from now on: `SENTINELS` or `printed()`."""
    get_named_colors_mapping().update(colours)
