"""pytest-benchmark as the harness: what every benchmark of ours shares. Imports no models, also not indirectly."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

import inflor_bench
from inflor_bench.cell.derived import derive
from inflor_bench.cell.device_lock import no_lock
from inflor_bench.git.repository import git_state
from inflor_bench.record.costs import Latency
from inflor_bench.record.origin import ModelDescription, Provenance
from inflor_bench.record.provenance import machine, versions
from inflor_bench.record.run_file import cell_document
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent, Section
from inflor_bench.terminal import say, terminal


def run_benchmarks(test_file: str, *plugins: object) -> int:
    """Run one file of `benchmarks/` by pytest with the plugins that give it its work; return pytest's exit code."""
    path = Path(inflor_bench.__file__ or "").parent / "benchmarks" / test_file
    arguments = [
        str(path),
        *("-c", os.devnull, "--rootdir", str(path.parent), "--import-mode=importlib"),
        *("-p", "no:cacheprovider", "-p", "no:logging", "-p", "no:warnings", "-s", "--tb=short"),
    ]
    return int(pytest.main(arguments, plugins=[_Defects(), *plugins]))


class _Defects:
    """The pytest plugin that replaces pytest's terminal: it prints unexpected errors, and nothing else."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: pytest.TestReport
    ) -> None:
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.fail.Exception):
            terminal().print(f"{node.name} failed by a defect:\n{report.longreprtext}")

    def pytest_internalerror(self, excrepr: object) -> None:
        terminal().print(str(excrepr))


def make_record(
    cell: str, description: ModelDescription, provenance: Provenance, sections: Mapping[str, Section]
) -> Record:
    """Build the record of a cell from its sections by name, and derive what follows from them."""
    values: dict[str, Any] = dict(sections)
    values["derived"] = derive(sections.get("power"), sections.get("energy"))
    return Record(name=cell, model=description, provenance=provenance, **values)


def run_document(record: Record, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the run document of one cell, which the test of `request` has measured.

    Where its latency was measured it is a benchmark with the rounds that pytest-benchmark timed, else it has no time.
    """
    config: Any = request.config
    session = getattr(config, "_benchmarksession", None)  # there is none where somebody's own tests run without it
    timed: Any = request.getfixturevalue("benchmark").stats if isinstance(record.latency, Latency) else None
    header = {
        "machine_info": session.get_machine_info() if session else {},
        "commit_info": _commit_info(record.provenance),
        "datetime": datetime.now(UTC).isoformat(),
        "version": version("pytest-benchmark"),
    }
    return cell_document(header, record, timed and timed.as_dict(include_data=True, flat=False, stats=True))


def run_provenance(out: Path, command: Sequence[str], device: str = "cpu") -> Provenance:
    """What is known of a run before anything is measured; files under `out` do not make the tree dirty."""
    threads = torch.get_num_threads()
    return Provenance(
        run_id=uuid.uuid4().hex[:12],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=list(command),
        git=git_state(Path.cwd(), ignore=[out]),
        machine=machine(threads, shared=beside()),
        versions=versions(),
        threads=threads,
        device=device,
    )


def beside() -> str | None:
    """Why another measurement may run beside this one, where devices cannot be locked; printed, too. Else None."""
    unlocked = no_lock()
    if unlocked is None:
        return None
    say(f"Another measurement may run beside this one: {unlocked}.")
    return f"perhaps: {unlocked}"


def _commit_info(provenance: Provenance) -> dict[str, Any]:
    """The keys that readers of pytest-benchmark's file look for."""
    git = provenance.git
    if isinstance(git, Absent):
        return {
            "id": "unversioned",
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": None,
            "branch": "(unknown)",
        }
    return {
        "id": git.sha,
        "time": git.committed,
        "author_time": git.committed,
        "dirty": git.dirty,
        "project": Path.cwd().name,
        "branch": git.branch or "(detached head)",
    }
