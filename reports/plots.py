"""A figure with all that belongs to it: caption, and the table of its data."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reports.tables import Table


@dataclass(frozen=True)
class Plot:
    """A figure as the page shows it. Where nothing can be drawn, `svg` is None and `caption` says why."""

    name: str
    title: str
    caption: str
    svg: Markup | None
    table: Table | None


def no_plot(name: str, title: str, reason: str) -> Plot:
    """The place of a figure that has no data, with the reason."""
    return Plot(name, title, reason, None, None)
