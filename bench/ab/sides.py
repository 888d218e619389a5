"""What one side's own code does in processes of its own: a whole run, and the timing of some cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ab import worker
from bench.ab.revisions import Revision
from bench.suites.errors import SuiteInputError
from bench.track.gate import ROUNDS

Answer = dict[str, dict[str, Any]]


class TimingError(Exception):
    """A process of one side could not time anything; the sentence says why."""


@dataclass(frozen=True)
class Settings:
    """What both sides measure: the suite as it was named, which of its cells, and where data and weights are."""

    suite: str
    only: str
    top: Path
    cache: Path
    data_root: Path | None

    def suite_of(self, revision: Revision) -> str:
        """Return the suite as that side has it: a shipped one by name, a file of the repository in that commit."""
        path = Path(self.suite).resolve()
        if not path.is_file():
            return self.suite
        own = revision.root / path.relative_to(self.top) if path.is_relative_to(self.top) else path
        return str(own if own.is_file() else path)


def _environment(revision: Revision, settings: Settings) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(revision.root), os.environ.get("PYTHONPATH"))))
    # The summary of a step is for the verdict, not for what each side says of itself.
    kept = {key: value for key, value in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
    return {**kept, "PYTHONPATH": path, "INFLOR_BENCH_CACHE": str(settings.cache)}


def measure(revision: Revision, settings: Settings, out: Path) -> Path:
    """Measure a side by its own `inflor-bench run`, and return the run file.

    Raises:
        SuiteInputError: It wrote none; the sentence has what it said.
        KeyboardInterrupt: It was stopped.
    """
    before = set(out.glob("runs/*/*.json"))
    data = ["--data-root", str(settings.data_root.resolve())] if settings.data_root else []
    command = [revision.python, "-m", "bench.cli", "run", "--suite", settings.suite_of(revision)]
    done = subprocess.run(
        [*command, "--only", settings.only, "--out", str(out), *data],
        cwd=revision.root,
        env=_environment(revision, settings),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 130:
        raise KeyboardInterrupt
    new = sorted(set(out.glob("runs/*/*.json")) - before)
    if not new:
        raise SuiteInputError(f"{revision.title.capitalize()} cannot be measured: {_last_line(done)}")
    return new[-1]


def time_cells(revision: Revision, settings: Settings, cells: Sequence[str]) -> Answer:
    """Time cells in one process with the code of a side.

    Raises:
        TimingError: The process ended without an answer.
    """
    with tempfile.TemporaryDirectory(prefix="inflor-bench-ab-") as directory:
        request, answer = Path(directory) / "request.json", Path(directory) / "answer.json"
        values = {
            "root": str(revision.root),
            "suite": settings.suite_of(revision),
            "cells": list(cells),
            "cache": str(settings.cache),
            "data_root": str(settings.data_root.resolve()) if settings.data_root else None,
            "rounds": ROUNDS,
        }
        request.write_text(json.dumps(values), "utf-8")
        done = subprocess.run(
            [revision.python, "-P", str(worker.__file__), str(request), str(answer)],
            cwd=revision.root,
            env=_environment(revision, settings),
            capture_output=True,
            text=True,
            errors="replace",
        )
        if not answer.is_file():
            raise TimingError(f"{revision.title} cannot be timed: {_last_line(done)}")
        result: Answer = json.loads(answer.read_text("utf-8"))
        return result


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"{sys.executable} ended with {done.returncode}"
