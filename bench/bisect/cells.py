"""One cell, measured at any commit by that commit's own code, once a tree."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from inflor_bench.ab.from_history import measured_before
from inflor_bench.ab.processes import Settings, count
from inflor_bench.ab.revisions import checked_out
from inflor_bench.errors import SuiteInputError, TrackInputError
from inflor_bench.git.command import GitError, git
from inflor_bench.record.run_file import Run, read_run
from inflor_bench.record.schema import Record

# A step that takes so many times as long as the longest so far hangs; one that is quick is given some minutes.
_PATIENCE, _LEAST_SECONDS = 10.0, 600.0


class UnmeasuredError(Exception):
    """A commit whose cell cannot be measured; the sentence says why."""


@dataclass
class CellAt:
    """A cell at commits of a repository.

    Attributes:
        settings: The repository, the suite, and the cell as `only`.
        place: Where runs are kept, each under a hash of its tree, so that the same tree is measured once.
        history: A directory or a branch with runs that may hold commits measured as the first one was.
    """

    settings: Settings
    place: Path
    history: str
    _first: Run | None = None
    _longest: float = 0.0
    _records: dict[str, Record] = field(default_factory=dict)

    def at(self, commit: str, progress: Callable[[], None]) -> Record:
        """Return the record of the cell at a commit. `progress` is called while it is measured.

        Raises:
            UnmeasuredError: The commit's code cannot be built or run, or does not measure the cell.
        """
        tree = self._tree(commit)
        if tree not in self._records:
            run = self._known(commit, tree) or self._measured(commit, tree, progress)
            if self.settings.only not in run.cells:
                raise UnmeasuredError(f"its suite has no cell {self.settings.only}")
            self._first = self._first or run
            self._records[tree] = run.cells[self.settings.only].record
        return self._records[tree]

    def known(self, commit: str) -> Record | None:
        """Return the record of a commit that was measured here, or whose tree was."""
        return self._records.get(self._tree(commit))

    def _tree(self, commit: str) -> str:
        return git(self.settings.top, "rev-parse", "--verify", f"{commit}^{{tree}}").decode("ascii").strip()

    def _out(self, tree: str) -> Path:
        suite = Path(self.settings.suite)
        content = suite.read_bytes() if suite.is_file() else b""
        asked = [tree, self.settings.suite, hashlib.sha256(content).hexdigest(), self.settings.only]
        return self.place / hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]

    def _known(self, commit: str, tree: str) -> Run | None:
        for path in sorted(self._out(tree).glob("runs/*/*.json"), reverse=True):
            with suppress(TrackInputError):  # a damaged file is as good as none
                return read_run(path)
        if self._first is None:
            return None
        return measured_before(self.history, commit, self._first, self.settings.only, self.settings.top)

    def _measured(self, commit: str, tree: str, progress: Callable[[], None]) -> Run:
        started = time.monotonic()
        limit = max(_LEAST_SECONDS, _PATIENCE * self._longest) if self._first else math.inf
        try:
            with checked_out(self.settings.top, commit, self.place / "environments") as revision:
                run = read_run(count(revision, self.settings, self._out(tree), lambda done: progress(), limit))
        except (SuiteInputError, TrackInputError, GitError) as error:
            raise UnmeasuredError(str(error)) from None
        self._longest = max(self._longest, time.monotonic() - started)
        return run
