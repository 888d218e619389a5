"""Every kind of page in a real browser, from the disk, without a network: no complaint, complete, no dead link."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.reports.conftest import SKIPPED, every_kind, pages

pytestmark = pytest.mark.long


class Attributes(HTMLParser):
    """The ids and links of a page as it is written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" and "href" in found else []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_without_a_complaint(
    report: Path, compared: Path, site: Path, visit: Any, scheme: str
) -> None:
    for path in {*(pages(report) if scheme == "light" else ()), *every_kind(report, compared, site)}:
        seen = visit(path, color_scheme=scheme)
        broken = seen.page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        empty = seen.page.evaluate("[...document.querySelectorAll('svg.plot')].filter(s => !s.getBBox().width).length")
        assert (seen.complaints, broken, empty) == ([], 0, 0), path.name


def test_a_complaint_would_be_seen(tmp_path: Path, visit: Any) -> None:
    """The check above must be able to fail."""
    (tmp_path / "bad.html").write_text(
        "<img src='http://example.org/x.png'><script>console.error('x'); nope()</script>"
    )
    seen = visit(tmp_path / "bad.html")
    assert {c.split(":")[0] for c in seen.complaints} >= {"console", "error", "request", "failed"}


@pytest.mark.parametrize("width", [360, 1600])
def test_no_page_overflows(report: Path, compared: Path, site: Path, visit: Any, width: int) -> None:
    for path in every_kind(report, compared, site):
        page = visit(path, width=width).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


def test_every_kind_of_page_is_complete_without_javascript(
    report: Path, compared: Path, site: Path, visit: Any
) -> None:
    for path in every_kind(report, compared, site):
        counts = []
        for script in (True, False):
            page = visit(path, java_script_enabled=script).page
            counts.append([page.locator(what).count() for what in ("tbody tr", "svg.plot", "svg.spark", "dd")])
            assert script or page.locator("button:visible, select:visible, input:visible").count() == 0
        assert counts[0] == counts[1]
        assert counts[0][0] > 0 or path.name in SKIPPED, path


def test_print_shows_the_tables_and_hides_the_tools(
    report: Path, compared: Path, site: Path, visit: Any, tmp_path: Path
) -> None:
    for path in every_kind(report, compared, site):
        page = visit(path, color_scheme="dark").page
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator("main h2").first.is_visible() or page.locator("p.lede").is_visible(), path
        assert not page.locator(".filters, .tools, nav, footer").locator("visible=true").count()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        printed = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
        assert printed[:5] == b"%PDF-"
    tables = visit(compared / "index.html").page
    tables.emulate_media(media="print")
    assert tables.locator("#models tbody tr:visible").count() == 10


def test_every_internal_link_leads_somewhere_and_ids_are_unique(report: Path, compared: Path, site: Path) -> None:
    read = cache(Attributes)
    run = site / "runs" / "20260203T100000Z_222222222222_h0000002"
    for path in {*pages(compared), *pages(report), *pages(run), site / "index.html", site / "trends.html"}:
        seen = read(path)
        assert len(seen.ids) == len(set(seen.ids)), path
        for link in seen.links:
            target, _, anchor = link.partition("#")
            if target:
                assert (path.parent / target).exists(), f"{path}: {link}"
                assert not anchor or anchor in read((path.parent / target).resolve()).ids, f"{path}: {link}"
            else:
                assert anchor in seen.ids, f"{path}: {link}"
