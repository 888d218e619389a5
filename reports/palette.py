"""Colours and markers. Each colour is a sentinel that `svg.finish` replaces by a style variable, so one figure serves
light, dark and print. The values of the variables stand in templates/style.css; they follow Okabe and Ito, and every
neuron has a marker of its own as well."""

from __future__ import annotations

INK = "#010101"
MUTED = "#020202"
GRID = "#030303"
PAPER = "#040404"
HEAT = "#050505"
AC = "#060606"
MAC = "#070707"
LEVEL = "#080808"
RELU = "#0a0a0a"
HARD = "#0b0b0b"
SOFT = "#0c0c0c"
HARD_MPR = "#0d0d0d"
SOFT_MPR = "#0e0e0e"
OTHER = "#0f0f0f"

VARIABLES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    HEAT: "var(--heat)",
    AC: "var(--ac)",
    MAC: "var(--mac)",
    LEVEL: "var(--level)",
    RELU: "var(--relu)",
    HARD: "var(--hard)",
    SOFT: "var(--soft)",
    HARD_MPR: "var(--hard-mpr)",
    SOFT_MPR: "var(--soft-mpr)",
    OTHER: "var(--other)",
}

NEURON_COLOURS = {"relu": RELU, "hard": HARD, "soft": SOFT, "hard-mpr": HARD_MPR, "soft-mpr": SOFT_MPR}
NEURON_MARKERS = {"relu": "s", "hard": "^", "soft": "o", "hard-mpr": "v", "soft-mpr": "D"}


def neuron_colour(neuron: str) -> str:
    """The sentinel colour of a neuron."""
    return NEURON_COLOURS.get(neuron, OTHER)


def neuron_marker(neuron: str) -> str:
    """The matplotlib marker of a neuron."""
    return NEURON_MARKERS.get(neuron, "P")
