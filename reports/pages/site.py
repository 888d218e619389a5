"""A site of many runs: plain static files with addresses that stay.

    index.html, trends.html             every run, and the metrics from run to run
    runs/<run file's name>/             the report of one run, compared with the run before it
    commits/<sha>/, latest/             lead to the newest run of a commit, and of all
    badge.json, badge.svg, data/        of the newest run; every run and every value as files

A run's report is built once, and again only if its run file or that of its base changes; it comes to its place when it
is whole, so what was stopped goes on where it was. Pages whose run file is gone stay, and are listed no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from inflor_bench.errors import ReportInputError
from inflor_bench.git.repository import commit_pages, known_ancestry
from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import bases
from inflor_bench.record.rows import RunRow
from inflor_bench.record.run_file import read_run
from inflor_bench.reports.data.summaries import RunSummary, summary_of_rows
from inflor_bench.reports.data.text import slug
from inflor_bench.reports.draw import canvas
from inflor_bench.reports.files import replaced, write
from inflor_bench.reports.pages import site_index
from inflor_bench.reports.pages.report import Site, build
from inflor_bench.verdict.accepted import Accepted
from inflor_bench.verdict.compare import judge_in

FORMAT = 2
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,150}")
_POOLED = 4  # with fewer reports to build, starting processes takes longer than they save


@dataclass(frozen=True)
class PublishedRun:
    """One run file: where it lies, its place on the site, and what is kept of it."""

    path: Path
    place: str
    row: RunRow
    summary: RunSummary


@dataclass(frozen=True)
class Against:
    """What a run is judged by: the base, None where there is none, and why it was chosen; and what was accepted."""

    base: PublishedRun | None
    reason: str
    accepted: tuple[Accepted, ...]
    repository: Path

    @property
    def key(self) -> dict[str, str | None]:
        """What decides the verdicts beside the run itself."""
        accepted = hashlib.sha256(repr(self.accepted).encode("utf-8", "replace")).hexdigest()
        return {"base": self.base.row.sha256 if self.base else None, "reason": self.reason, "accepted": accepted}


@dataclass(frozen=True)
class Published:
    """What `publish` did: reports built and reports that were there; a sentence for each file that cannot be read.

    `regressed` says whether the newest run regressed.
    """

    index: Path
    built: int
    kept: int
    damaged: Sequence[str]
    regressed: bool


def publish(
    runs: Path,
    site: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    accepted: Sequence[Accepted] = (),
    repository: Path | None = None,
    cache: Path | None = None,
) -> Published:
    """Bring a site up to date with a directory of run files.

    Args:
        runs: The directory.
        site: Where the pages go.
        progress: Is told how many of the reports that have to be built are done.
        accepted: Regressions that somebody accepted.
        repository: A directory where git may know the ancestry of the runs; the current one by default.
        cache: The directory of caches, which keep what was read of the runs.

    Raises:
        ReportInputError: There is no readable run, or the site cannot be written.
    """
    entries, cells, damaged = _entries(runs, cache)
    if not entries:
        raise ReportInputError(f"{runs}: there is no run to publish{f' ({damaged[0]})' if damaged else ''}.")
    given = tuple(accepted), repository or Path.cwd()
    against = {
        entry.place: Against(*_base(entry, entries[:index], cells, given[1]), *given)
        for index, entry in enumerate(entries)
    }
    stale = [entry for entry in entries if not _is_current(site, entry, against[entry.place])]
    _build_all(site, stale, against, progress or (lambda done, total: None))
    counts = {entry.place: _counts(_written(site, entry.place)) for entry in entries}
    with canvas.for_page():
        listed = [(e.place, e.summary, counts[e.place]) for e in entries]
        write(site, site_index.files(listed, damaged, commit_pages(given[1])))
    newest = site / "runs" / entries[-1].place
    write(site, {name: (newest / name).read_bytes() for name in ("badge.json", "badge.svg")})
    regressed = bool((counts[entries[-1].place] or {}).get("regressed"))
    return Published(site / "index.html", len(stale), len(entries) - len(stale), damaged, regressed)


def _entries(runs: Path, cache: Path | None) -> tuple[list[PublishedRun], Mapping[str, set[str]], list[str]]:
    """Every readable run, oldest first; the names of the cells of each file; what cannot be read."""
    store = HistoryDirectory(runs)
    tables = load_tables(store, cache)
    records = tables.record_rows()
    paths = {entry.name: entry.path for entry in store.entries()}
    found: dict[str, PublishedRun] = {}
    for row in sorted(tables.run_rows(), key=lambda row: (row.file.rpartition("/")[2], row.file)):
        path = paths.get(row.file)
        if path is None:  # it was taken away just now
            continue
        place = path.stem if _SAFE.fullmatch(path.stem) else slug(path.stem)
        if place in found:
            place = f"{place}-{row.sha256[:8]}"
        found[place] = PublishedRun(path, place, row, summary_of_rows(row, records.get(row.file, [])))
    entries = sorted(found.values(), key=lambda entry: (entry.summary.order, entry.place))
    return entries, tables.cells(), [item.reason for item in tables.damaged]


def _base(
    head: PublishedRun, older: Sequence[PublishedRun], cells: Mapping[str, set[str]], repository: Path
) -> tuple[PublishedRun | None, str]:
    """The earlier run that a run is compared with, and why. Only earlier ones count: a report stays as it is."""
    rows = {entry.row.file: entry for entry in older}
    known = known_ancestry(head.row, repository)
    chosen = bases(head.row, cells[head.row.file], [entry.row for entry in older], cells, known)
    return (rows[chosen[0][0].file], chosen[0][1]) if chosen else (None, "")


def _written(site: Path, place: str) -> Mapping[str, Any]:
    try:
        document = json.loads((site / "runs" / place / "summary.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _counts(written: Mapping[str, Any]) -> Mapping[str, int] | None:
    """The verdicts that an earlier call kept; None where there are none, or somebody damaged them."""
    counts = written.get("counts")
    return counts if isinstance(counts, dict) and all(type(count) is int for count in counts.values()) else None


def _is_current(site: Path, entry: PublishedRun, against: Against) -> bool:
    written = _written(site, entry.place)
    wanted = {"format": FORMAT, "run": entry.row.sha256, **against.key}
    return {key: written.get(key) for key in wanted} == wanted and (site / "runs" / entry.place / "index.html").exists()


def _build_all(
    site: Path, stale: Sequence[PublishedRun], against: Mapping[str, Against], progress: Callable[[int, int], None]
) -> None:
    progress(0, len(stale))
    workers = min(os.cpu_count() or 1, len(stale))
    if len(stale) < _POOLED or workers < 2:
        for done, entry in enumerate(stale, 1):
            _build(site, entry, against[entry.place])
            progress(done, len(stale))
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        futures = [pool.submit(_build, site, entry, against[entry.place]) for entry in stale]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, len(stale))
    finally:
        pool.shutdown(cancel_futures=True)


def _build(site: Path, entry: PublishedRun, against: Against) -> None:
    """The report of one run. The one that is there stays until the new one is whole."""
    head = read_run(entry.path)
    base = read_run(against.base.path) if against.base else None
    comparison = judge_in(against.repository, base, head, against.accepted)
    written = {
        "format": FORMAT,
        "run": entry.row.sha256,
        **against.key,
        "base_place": against.base.place if against.base else None,
        "counts": comparison.counts if base or comparison.findings else None,
    }
    with replaced(site / "runs" / entry.place) as out:
        build(head, out, comparison=comparison, site=Site("../../", "../../trends.html"))
        write(out, {"summary.json": json.dumps(written, ensure_ascii=True, separators=(",", ":")) + "\n"})
