"""Every kind of page in a real browser, from the disk, without a network: no complaint, complete, no dead link."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.reports.conftest import SKIPPED, every_kind, pages, visiting

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


@dataclass
class Look:
    """What one visit to a page has shown: as it opened, dark, narrow and printed, with its script."""

    complaints: list[str]
    broken: int
    empty: dict[str, int]
    scrolled: dict[int, int]
    counts: list[int]
    tables_printed: int
    tools_printed: int
    paper: str
    printed: bytes


COUNTED = ("tbody tr", "svg.plot", "svg.spark", "dd")


def look(visit: Any, path: Path, pdf: Path) -> Look:
    seen = visit(path, width=1600)
    page = seen.page
    empty, scrolled = {}, {}
    for scheme, width in (("light", 1600), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        plots = "[...document.querySelectorAll('svg.plot')].filter(s => !s.getBBox().width).length"
        empty[scheme] = page.evaluate(plots)
        scrolled[width] = page.evaluate("document.documentElement.scrollWidth")
    broken = page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
    counts = [page.locator(what).count() for what in COUNTED]
    page.emulate_media(media="print", color_scheme="dark")
    return Look(
        seen.complaints,
        broken,
        empty,
        scrolled,
        counts,
        page.locator("main h2, p.lede").locator("visible=true").count(),
        page.locator(".filters, .tools, nav, footer").locator("visible=true").count(),
        page.evaluate("getComputedStyle(document.body).backgroundColor"),
        page.pdf(path=pdf, prefer_css_page_size=True)[:5],
    )


@pytest.fixture(scope="module")
def looks(
    browser: Browser, report: Path, compared: Path, site: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Path, Look]:
    pdf = tmp_path_factory.mktemp("pdf") / "page.pdf"
    found = {}
    for path in every_kind(report, compared, site):
        with visiting(browser) as visit:
            found[path] = look(visit, path, pdf)
    return found


def test_every_kind_of_page_opens_without_a_complaint_light_and_dark(looks: dict[Path, Look]) -> None:
    for path, seen in looks.items():
        assert (seen.complaints, seen.broken, seen.empty) == ([], 0, {"light": 0, "dark": 0}), path.name


def test_every_page_of_a_report_opens_without_a_complaint(report: Path, visit: Any) -> None:
    for path in pages(report):
        assert visit(path).complaints == [], path.name


def test_a_complaint_would_be_seen(tmp_path: Path, visit: Any) -> None:
    """The check above must be able to fail."""
    (tmp_path / "bad.html").write_text(
        "<img src='http://example.org/x.png'><script>console.error('x'); nope()</script>"
    )
    seen = visit(tmp_path / "bad.html")
    assert {c.split(":")[0] for c in seen.complaints} >= {"console", "error", "request", "failed"}


def test_no_page_overflows(looks: dict[Path, Look]) -> None:
    for path, seen in looks.items():
        assert all(scrolled <= width for width, scrolled in seen.scrolled.items()), path.name


def test_every_kind_of_page_is_complete_without_javascript(looks: dict[Path, Look], visit: Any) -> None:
    for path, seen in looks.items():
        page = visit(path, java_script_enabled=False).page
        assert [page.locator(what).count() for what in COUNTED] == seen.counts, path
        assert page.locator("button:visible, select:visible, input:visible").count() == 0
        assert seen.counts[0] > 0 or path.name in SKIPPED, path


def test_print_shows_the_tables_and_hides_the_tools(looks: dict[Path, Look], compared: Path, visit: Any) -> None:
    for path, seen in looks.items():
        assert (seen.tables_printed > 0, seen.tools_printed) == (True, 0), path
        assert (seen.paper, seen.printed) == ("rgb(255, 255, 255)", b"%PDF-"), path
    tables = visit(compared / "index.html").page
    tables.emulate_media(media="print")
    assert tables.locator("#models tbody tr:visible").count() == 10
