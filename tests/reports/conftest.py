"""A real headless Chromium, and one report to look at for all tests."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from inflor_bench.record.run_file import Run
from inflor_bench.reports.data.summaries import RunSummary, summary
from inflor_bench.reports.pages.report import build
from inflor_bench.reports.pages.site import publish
from inflor_bench.verdict.compare import judge
from tests.needs import chromium, need
from tests.reports import sample

SOFT_MPR = "models/fashion-mnist-resnet8-soft-mpr-t2-s0.html"
SKIPPED = "models/cifar10-resnet8-soft-t2-s0.html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    need("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Visit:
    """A page that was opened from the disk, and everything that it should not have done."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@contextmanager
def visiting(browser: Browser) -> Iterator[Any]:
    """What opens pages, in contexts of their own; they are closed at the end."""
    contexts: list[BrowserContext] = []

    def open_page(path: Path, *, anchor: str = "", width: int = 1200, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        seen = Visit(page)
        page.on(
            "console",
            lambda m: seen.complaints.append(f"console: {m.text}") if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda e: seen.complaints.append(f"error: {e}"))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "data:")) else seen.complaints.append(f"request: {r.url}"),
        )
        page.on("requestfailed", lambda r: seen.complaints.append(f"failed: {r.url}"))
        page.on("dialog", lambda d: (seen.complaints.append(f"dialog: {d.message}"), d.dismiss()))
        page.goto(path.as_uri() + anchor)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    with visiting(browser) as open_page:
        yield open_page


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """What `make` makes in a folder, made by the first worker that asks for it; nobody changes it."""
    base = factory.getbasetemp()
    folder = next((path for path in base.parents if re.fullmatch(r"pytest-\d+", path.name)), base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists():
            made.write_text(str(make(folder / "in")))
    return Path(made.read_text())


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Nine models, the last of which could not be measured."""
    records = sample.nine()
    records.append(sample.skipped(sample.record("cifar10/resnet8/soft/T2/s0"), "cifar10 is not here: give --data"))
    return sample.run_of(records, tmp_path_factory.mktemp("run") / "run.json")


@pytest.fixture(scope="session")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "report", lambda folder: build(run, folder).parent)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An earlier run of some of the models, which spiked less."""
    records = [r for r in sample.nine(run_id="r0000000", sha="a" * 40, scale=0.9) if "fashion" in r.name]
    return sample.run_of(records, tmp_path_factory.mktemp("base") / "base.json")


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> list[RunSummary]:
    """Twelve earlier runs; the models spiked more in the last four."""
    folder = tmp_path_factory.mktemp("past")
    return [
        summary(
            sample.run_of(
                sample.nine(
                    run_id=f"h{i:07}",
                    created=f"2026-02-{i + 1:02}T10:00:00+00:00",
                    sha=f"{i:x}" * 40,
                    scale=0.9 if i < 8 else 1.0,
                ),
                folder / f"{i}.json",
            )
        )
        for i in range(12)
    ]


@pytest.fixture(scope="session")
def compared(run: Run, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all that it can have: a comparison and trends."""

    def make(folder: Path) -> Path:
        base, past = request.getfixturevalue("base"), request.getfixturevalue("past")
        return build(run, folder, comparison=judge(base, run), history=[*past, summary(run)]).parent

    return once(tmp_path_factory, "compared", make)


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of four run files: a root, its child, one of another branch, and one that lacks data."""
    folder = tmp_path_factory.mktemp("history")
    for i in range(4):
        records = sample.nine(
            run_id=f"h000000{i}",
            created=f"2026-02-0{i + 1}T10:00:00+00:00",
            sha=f"{i}" * 40,
            parents=[f"{i - 1}" * 40] if i else [],
            scale=1.0 if i < 2 else 0.9,
        )[5:]
        if i == 3:
            records[0] = sample.skipped(records[0], "fashion-mnist is not here")
        sample.run_of(records, folder / f"2026020{i + 1}T100000Z_{str(i) * 12}_h000000{i}.json")
    return folder


@pytest.fixture(scope="session")
def site(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "site", lambda folder: publish(history, folder).index.parent)


def pages(report: Path) -> list[Path]:
    own = [report / name for name in ("index.html", "compare.html", "trends.html")]
    return [*filter(Path.exists, own), *sorted((report / "models").glob("*.html"))]


def every_kind(report: Path, compared: Path, site: Path) -> list[Path]:
    """A page of each kind that there is, with and without a base, a history and what was measured."""
    return [
        *(compared / name for name in ("index.html", "compare.html", "trends.html", SOFT_MPR, SKIPPED)),
        report / "index.html",
        site / "index.html",
        site / "runs" / "20260203T100000Z_222222222222_h0000002" / SOFT_MPR,
    ]
