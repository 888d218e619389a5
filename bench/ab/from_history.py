"""The base's counts from the history, where that very commit was measured as the head was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from inflor_bench.errors import TrackInputError
from inflor_bench.history.history import open_history
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.origin import Git, Provenance
from inflor_bench.record.run_file import Run, run_of
from inflor_bench.record.schema import Record


def measured_before(history: str, commit: str, head: Run, only: str, repository: Path) -> Run | None:
    """Return the newest run of a clean commit that has the head's cells, measured as those were; None if there is none.

    Counts may differ by processor, versions and threads, so all of these have to be the same; and suite, data, form and
    recipe, so that the commit would be measured so again.
    """
    store = open_history(history, repository)
    entries = [entry for entry in store.entries() if f"_{commit[:12]}_" in entry.name]
    for entry, content in store.read(sorted(entries, key=lambda entry: entry.path.name, reverse=True)):
        with suppress(TrackInputError):  # a damaged file is as good as none: the commit is measured
            if isinstance(content, TrackInputError):
                continue
            run = run_of(entry.path, content)
            if _serves(run, commit, head, only):
                return replace(run, cells={name: run.cells[name] for name in head.cells})
    return None


def _serves(run: Run, commit: str, head: Run, only: str) -> bool:
    if not isinstance(run.git, Git) or run.git.sha != commit or run.git.dirty:
        return False
    names = {name for name in run.cells if fnmatchcase(name, only)}
    return names == head.cells.keys() and all(
        _alike(run.cells[name].record, cell.record) for name, cell in head.cells.items()
    )


def _alike(before: Record, now: Record) -> bool:
    return isinstance(before.accuracy, Accuracy) and _conditions(before) == _conditions(now)


def _conditions(record: Record) -> tuple[object, ...]:
    found: Provenance = record.provenance
    versions = {name: version for name, version in found.versions.items() if name != "inflor-bench"}
    recipe = found.weights.recipe if found.weights else None
    machine = found.machine.fingerprint, found.threads, versions
    return *machine, found.suite, found.dataset, record.model.form, recipe
