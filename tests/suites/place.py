"""A directory with a suite and a cache, and the command line in it; and what two runs must have in common."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.track.runs import Run

EXACT = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy")


class Place:
    """A directory with `suite.toml` in it."""

    def __init__(self, directory: Path, suite: str) -> None:
        self.directory = directory
        (directory / "suite.toml").write_text(suite)
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments, **environment):
        """Start the command; its output is read by `communicate`."""
        environment = {"INFLOR_BENCH_CACHE": str(self.directory / "cache"), "INFLOR_BENCH_EAGER": "1", **environment}
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.cli", *map(str, arguments)],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A test run in the background of a shell ignores Ctrl-C, and so would the command.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self._started.append(process)
        return process

    def close(self):
        """End what a test that failed has left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def call(self, *arguments, check=None, **environment):
        process = self.start(*arguments, **environment)
        out, err = process.communicate()
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        if check is not None:
            assert done.returncode == check, out + err
        assert "Traceback" not in out + err, out + err
        return done

    def run(self, *arguments, out="out", check=0, **environment):
        return self.call("run", "--suite", "suite.toml", "--out", out, *arguments, check=check, **environment)

    def runs(self, out="out"):
        """The finished run files, oldest first."""
        return sorted((self.directory / out / "runs").glob("*/*.json"))


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
