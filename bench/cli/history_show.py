"""One run of a history on a terminal: where it comes from, and the main figures of its cells."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inflor_bench.errors import TrackInputError
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import Store
from inflor_bench.record.rows import RecordRow, rows_of
from inflor_bench.record.run_file import Run, read_run, run_of
from inflor_bench.record.section import Absent
from inflor_bench.text import plain

_NAMED = 5


def find(store: Store, wanted: str, cache: Path | None) -> Run:
    """Return the run that is meant by its id, the beginning of its commit, its name in the history, or a file's path.

    Raises:
        TrackInputError: There is none, there are several, or it cannot be read.
    """
    if os.path.isfile(wanted):
        return read_run(Path(wanted))
    listing = load_runs(store, cache)
    runs = listing.runs
    found = [run for run in runs if run.file == wanted or run.run_id == wanted]
    found = found or [run for run in runs if run.file.rpartition("/")[2] in (wanted, f"{wanted}.json")]
    if not found and re.fullmatch(r"[0-9a-f]{4,64}", wanted):
        found = [run for run in runs if run.sha is not None and run.sha.startswith(wanted)]
    damaged = next((item for item in listing.damaged if wanted in item.name), None)
    if not found and damaged is not None:
        raise TrackInputError(damaged.reason)
    if not found:
        raise TrackInputError(f"{store.title}: holds no run {plain(wanted)!r}; `inflor-bench history list` names them.")
    if len(found) > 1:
        names = ", ".join(plain(run.file) for run in found[-_NAMED:])
        more = f" and {len(found) - _NAMED} older" if len(found) > _NAMED else ""
        raise TrackInputError(f"{store.title}: {plain(wanted)!r} means {len(found)} runs ({names}{more}); give one.")
    entry = next((entry for entry in store.entries() if entry.name == found[0].file), None)
    if entry is None:
        raise TrackInputError(f"{store.title}: {found[0].file} was taken away just now; try again.")
    _, content = next(store.read([entry]))
    if isinstance(content, TrackInputError):
        raise content
    return run_of(entry.path, content)


def print_run(run: Run, console: Console) -> None:
    """Print a run."""
    rows = rows_of(run, str(run.path))
    for name, value in _about(run).items():
        console.print(Text(f"{name:<9}{plain(value)}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold")
    for column in ("accuracy", "rate", "AC", "MAC", "estimated J", "s", "J"):
        table.add_column(column, justify="right", no_wrap=True)
    skipped = []
    for record in rows.records:
        if record.skipped is None:
            table.add_row(Text(plain(record.cell)), *map(Text, _figures(record)))
        else:
            skipped.append(f"{record.cell}: not measured: {record.skipped}")
    if table.row_count:
        console.print(table)
    for line in skipped:
        console.print(Text(plain(line)), soft_wrap=True)


def _about(run: Run) -> dict[str, str]:
    machine = run.machine.preimage
    about = {"file": str(run.path), "run": run.run_id, "created": run.created}
    if isinstance(run.git, Absent):
        about["commit"] = run.git.reason
    else:
        dirty = ", with uncommitted changes: never a baseline" if run.git.dirty else ""
        about["commit"] = f"{run.git.sha}{f' on {run.git.branch}' if run.git.branch else ''}{dirty}"
        about["message"] = run.git.message
    known = [f"{key} {machine[key]}" for key in ("cpu", "gpu", "os", "torch", "threads") if key in machine]
    return about | {"machine": ", ".join([run.machine.fingerprint, *known])}


def _figures(record: RecordRow) -> list[str]:
    """Return the figures per inference, s of a whole batch; a dash where something was not measured."""

    def share(count: int | None, of: int | None, form: str) -> str:
        return "–" if count is None or of is None else format(count / of, form)

    energy = record.energy_joules[0] if record.energy_joules else None
    plainly = [record.firing_rate, energy, record.latency, record.joules]
    rate, estimated, latency, joules = ("–" if value is None else f"{value:.3g}" for value in plainly)
    ac = share(record.ac, record.synops_samples, ",.0f")
    mac = share(record.mac, record.synops_samples, ",.0f")
    return [share(record.correct, record.samples, ".2%"), rate, ac, mac, estimated, latency, joules]
