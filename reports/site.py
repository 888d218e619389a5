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

from bench.track.compare import compare
from bench.track.errors import TrackInputError
from bench.track.history import run_files
from bench.track.runs import read_run
from reports import canvas, siteindex
from reports.errors import ReportInputError
from reports.files import replaced, write
from reports.moments import Moment, from_json, moment, to_json
from reports.page import Site, build
from reports.text import slug

FORMAT = 1
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,150}")
_POOLED = 4  # with fewer reports to build, starting processes takes longer than they save


@dataclass(frozen=True)
class Entry:
    """One run file: its content's hash, its place on the site, and what is kept of it."""

    path: Path
    digest: str
    place: str
    moment: Moment


@dataclass(frozen=True)
class Published:
    """What `publish` did: reports built and reports that were there; a sentence for each file that cannot be read."""

    index: Path
    built: int
    kept: int
    damaged: Sequence[str]


def publish(runs: Path, site: Path, progress: Callable[[int, int], None] | None = None) -> Published:
    """Bring a site up to date with a directory of run files.

    `progress` is told how many of the reports that have to be built are done.

    Raises:
        ReportInputError: There is no readable run, or the site cannot be written.
    """
    entries, damaged = _entries(runs, site)
    if not entries:
        raise ReportInputError(f"{runs}: there is no run to publish{f' ({damaged[0]})' if damaged else ''}.")
    bases = {entry.place: _base(entry, entries[:index]) for index, entry in enumerate(entries)}
    stale = [entry for entry in entries if not _is_current(site, entry, bases[entry.place])]
    _build_all(site, stale, bases, progress or (lambda done, total: None))
    summaries = {entry.place: _summary(site, entry.place) for entry in entries}
    with canvas.for_page():
        write(site, siteindex.files([(e.place, e.moment, _counts(summaries[e.place])) for e in entries], damaged))
    newest = site / "runs" / entries[-1].place
    write(site, {name: (newest / name).read_bytes() for name in ("badge.json", "badge.svg")})
    return Published(site / "index.html", len(stale), len(entries) - len(stale), damaged)


def _entries(runs: Path, site: Path) -> tuple[list[Entry], list[str]]:
    """Every readable run, oldest first."""
    found: dict[str, Entry] = {}
    damaged = []
    for path in run_files(runs):
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            place = path.stem if _SAFE.fullmatch(path.stem) else slug(path.stem)
            if place in found:
                place = f"{place}-{digest[:8]}"
            found[place] = Entry(path, digest, place, _kept(site, place, digest) or moment(read_run(path)))
        except (TrackInputError, OSError) as error:
            damaged.append(str(error))
    return sorted(found.values(), key=lambda entry: (entry.moment.order, entry.place)), damaged


def _kept(site: Path, place: str, digest: str) -> Moment | None:
    """What an earlier call kept of the same run file."""
    summary = _summary(site, place)
    if summary.get("run") != digest or summary.get("format") != FORMAT:
        return None
    try:
        return from_json(summary["moment"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _summary(site: Path, place: str) -> Mapping[str, Any]:
    try:
        document = json.loads((site / "runs" / place / "summary.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _counts(summary: Mapping[str, Any]) -> Mapping[str, int] | None:
    """The verdicts that an earlier call kept; None where there are none, or somebody damaged them."""
    counts = summary.get("counts")
    return counts if isinstance(counts, dict) and all(type(count) is int for count in counts.values()) else None


def _base(head: Entry, older: Sequence[Entry]) -> Entry | None:
    """The earlier run that a run is compared with: of a commit that it stands on where there is one, else the newest.

    Only earlier runs count, so that a report stays as it is when the history grows. Those of this machine come first;
    another run of the same commit comes last, for it would hide what the commit did.
    """
    mine = head.moment
    stands_on = [*mine.parents[:1], *([mine.base_sha] if mine.base_sha else []), *mine.parents[1:]]

    def rank(place: int, entry: Entry) -> tuple[int, bool, bool, int]:
        sha = entry.moment.sha
        near = stands_on.index(sha) if sha in stands_on else len(stands_on)
        return near, sha == mine.sha, entry.moment.machine != mine.machine, -place

    fit = [
        (rank(place, entry), entry)
        for place, entry in enumerate(older)
        if not entry.moment.dirty and entry.moment.cells.keys() & mine.cells.keys()
    ]
    return min(fit, key=lambda pair: pair[0])[1] if fit else None


def _key(base: Entry | None) -> str | None:
    return None if base is None else base.digest


def _is_current(site: Path, entry: Entry, base: Entry | None) -> bool:
    summary = _summary(site, entry.place)
    wanted = {"format": FORMAT, "run": entry.digest, "base": _key(base)}
    return {key: summary.get(key) for key in wanted} == wanted and (site / "runs" / entry.place / "index.html").exists()


def _build_all(
    site: Path, stale: Sequence[Entry], bases: Mapping[str, Entry | None], progress: Callable[[int, int], None]
) -> None:
    progress(0, len(stale))
    workers = min(os.cpu_count() or 1, len(stale))
    if len(stale) < _POOLED or workers < 2:
        for done, entry in enumerate(stale, 1):
            _build(site, entry, bases[entry.place])
            progress(done, len(stale))
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        futures = [pool.submit(_build, site, entry, bases[entry.place]) for entry in stale]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, len(stale))
    finally:
        pool.shutdown(cancel_futures=True)


def _build(site: Path, entry: Entry, base: Entry | None) -> None:
    """The report of one run. The one that is there stays until the new one is whole."""
    head = read_run(entry.path)
    comparison = compare(read_run(base.path), head) if base else None
    summary = {
        "format": FORMAT,
        "run": entry.digest,
        "base": _key(base),
        "base_place": base.place if base else None,
        "counts": comparison.counts if comparison else None,
        "moment": to_json(entry.moment),
    }
    with replaced(site / "runs" / entry.place) as out:
        build([head], out, comparison=comparison, site=Site("../../", "../../trends.html"))
        write(out, {"summary.json": json.dumps(summary, ensure_ascii=True, separators=(",", ":")) + "\n"})
