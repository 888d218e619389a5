"""A directory with a suite and a cache, and the command line in it; and what two runs must have in common."""

from __future__ import annotations

import subprocess
from pathlib import Path

from inflor_bench.record.run_file import Run, read_run
from tests import command

EXACT = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy")


class Place:
    """A directory with `suite.toml` in it; `fresh` where the variables of a command are read as torch is imported."""

    def __init__(self, directory: Path, suite: str, *, fresh: bool = False) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        (directory / "suite.toml").write_text(suite)
        self.fresh = fresh
        self._started: list[command.Running | subprocess.Popen[str]] = []

    def start(self, *arguments, **environment):
        """Start the command; its output is read by `communicate`."""
        environment = {"INFLOR_BENCH_CACHE": str(self.directory / "cache"), "INFLOR_BENCH_EAGER": "1", **environment}
        process = command.start(self.directory, *arguments, fresh=self.fresh, **environment)
        self._started.append(process)
        return process

    def close(self):
        """End what a test that failed has left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def call(self, *arguments, check=None, **environment):
        return command.finish(self.start(*arguments, **environment), check)

    def run(self, *arguments, out="out", check=0, **environment):
        return self.call("run", "--suite", "suite.toml", "--out", out, *arguments, check=check, **environment)

    def runs(self, out="out"):
        """The finished run files, oldest first."""
        return sorted((self.directory / out / "runs").glob("*/*.json"))

    def only_run(self, out="out"):
        (path,) = self.runs(out)
        return read_run(path)


def same_results(one: Run, two: Run) -> int:
    """Hold two runs to the same cells with the same weights, accuracy bits and counts; return how many cells."""
    assert one.cells.keys() == two.cells.keys()
    for name, cell in one.cells.items():
        ours, theirs = cell.record, two.cells[name].record
        assert ours.model == theirs.model, name
        for section in EXACT:
            assert getattr(ours, section) == getattr(theirs, section), (name, section)
        assert ours.provenance.weights.sha256 == theirs.provenance.weights.sha256, name
        assert ours.provenance.dataset == theirs.provenance.dataset, name
        assert ours.provenance.threads == theirs.provenance.threads, name
    return len(one.cells)
