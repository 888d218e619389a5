"""Axe, the checker of accessibility, on every kind of page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reports.conftest import every_kind

pytestmark = pytest.mark.long


def serious(page: Any, **rules: Any) -> list[tuple[str, str]]:
    """What axe finds on a page that keeps somebody from using it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]


def opened(visit: Any, path: Path, scheme: str) -> Any:
    # axe brings its own script, which the page's policy would refuse.
    page = visit(path, color_scheme=scheme, bypass_csp=True).page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    return page


def test_axe_finds_nothing_serious(report: Path, compared: Path, site: Path, visit: Any) -> None:
    for path in every_kind(report, compared, site):
        assert serious(opened(visit, path, "light")) == [], path.name


def test_axe_sees_the_colours_of_a_dark_page(compared: Path, visit: Any) -> None:
    """Of the comparison, which has all of them: those of verdicts, tables and figures."""
    assert serious(opened(visit, compared / "compare.html", "dark"), runOnly=["color-contrast"]) == []


@pytest.mark.slow
def test_axe_sees_the_colours_of_every_dark_page(report: Path, compared: Path, site: Path, visit: Any) -> None:
    """The one rule that depends on them."""
    for path in every_kind(report, compared, site):
        assert serious(opened(visit, path, "dark"), runOnly=["color-contrast"]) == [], path.name
