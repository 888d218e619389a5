"""Axe, the checker of accessibility, on every kind of page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reports.conftest import every_kind

pytestmark = pytest.mark.long


def test_axe_finds_nothing_serious(report: Path, compared: Path, site: Path, visit: Any) -> None:
    """All rules on the light page; on the dark one that of colours, which alone depend on it."""
    from axe_playwright_python.sync_playwright import Axe

    for path in every_kind(report, compared, site):
        # axe brings its own script, which the page's policy would refuse.
        page = visit(path, color_scheme="light", bypass_csp=True).page
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
            serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], (path.name, scheme)
