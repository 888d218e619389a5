"""Every kind of page in a real browser, from the disk, without a network: no complaint, complete, no dead link."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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
    tables_printed: bool
    tools_printed: int
    paper: str
    printed: bytes


BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
# A figure that is explored is drawn on a canvas in place of its picture.
EMPTY = """[...document.querySelectorAll('.canvas:not(.live) svg.plot')].filter(s => !s.getBBox().width).length
    + [...document.querySelectorAll('.explored canvas')].filter(c => !c.getBoundingClientRect().width).length"""
COUNTED = ("tbody tr", "svg.plot", "svg.spark", "dd")


def look(visit: Any, path: Path, pdf: Path) -> Look:
    seen = visit(path, width=1600)
    page = seen.page
    empty, scrolled = {}, {}
    for scheme, width in (("light", 1600), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        empty[scheme] = page.evaluate(EMPTY)
        scrolled[width] = page.evaluate("document.documentElement.scrollWidth")
    broken = page.evaluate(BROKEN)
    counts = [page.locator(what).count() for what in COUNTED]
    page.emulate_media(media="print", color_scheme="dark")
    return Look(
        seen.complaints,
        broken,
        empty,
        scrolled,
        counts,
        page.locator("main h2").first.is_visible() or page.locator("p.lede").is_visible(),
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
        seen = visit(path)
        assert (seen.complaints, seen.page.evaluate(BROKEN), seen.page.evaluate(EMPTY)) == ([], 0, 0), path.name


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


def test_print_shows_the_tables_and_hides_the_tools(looks: dict[Path, Look], compared: Path, visit: Any) -> None:
    for path, seen in looks.items():
        assert (seen.tables_printed, seen.tools_printed) == (True, 0), path
        assert (seen.paper, seen.printed) == ("rgb(255, 255, 255)", b"%PDF-"), path
    tables = visit(compared / "index.html").page
    tables.emulate_media(media="print")
    assert tables.locator("#models tbody tr:visible").count() == 10
