"""A figure with all that belongs to it: caption, and the table of its data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from inflor_bench.reports.data.tables import Table
from inflor_bench.reports.draw.canvas import Drawing
from inflor_bench.reports.draw.svg import finish


@dataclass(frozen=True)
class Plot:
    """A figure as the page shows it. Where nothing can be drawn, `drawing` is None and `caption` says why."""

    name: str
    title: str
    caption: str
    drawing: Drawing | None
    table: Table | None

    @cached_property
    def svg(self) -> Markup | None:
        """The figure as inline SVG."""
        return None if self.drawing is None else finish(self.drawing, self.name)


def no_plot(name: str, title: str, reason: str) -> Plot:
    """The place of a figure that has no data, with the reason."""
    return Plot(name, title, reason, None, None)
