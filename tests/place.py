"""A directory with a small suite and a cache, the command line in it, and what two runs must have in common."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from inflor_bench.record.run_file import Run, read_run
from tests import command

EXACT = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy")


# `rounds` and `batch_size` of a measurement that is over at once.
QUICK = {"batch_size": 8, "rounds": 3}


def table(name: str, **keys: object) -> str:
    """A table of a TOML file."""
    return "".join([f"[{name}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())])


def cells(dataset: str, *neurons: str, timesteps: int = 2, seeds: Sequence[int] = (0,), **keys: object) -> str:
    """A table of a suite's cells: of a ResNet-8 that is trained, unless said otherwise."""
    about = {"network": "resnet8", "neurons": neurons, "timesteps": [timesteps], "seeds": seeds, "weights": "train"}
    return table("[cells]", dataset=dataset, **{**about, **keys})


def suite(
    *cells: str,
    training: Mapping[str, object] | None = None,
    measure: Mapping[str, object] | None = None,
    **keys: object,
) -> str:
    """A suite file: keys of its own, tables of cells, how networks are trained on digits, and how they are measured."""
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"name": "small", **keys}.items())
    text += "".join(cells)
    if training is not None:
        text += table("training.digits", **training)
    if measure is not None:
        text += table("measure", **measure, profile="quick")
    return text


class Place:
    """A directory with `suite.toml` in it; `fresh` where the variables of a command are read as torch is imported."""

    def __init__(self, directory: Path, suite: str, *, fresh: bool = False) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "suite.toml").write_text(suite)
        self.fresh = fresh
        self._started: list[command.Running | subprocess.Popen[str]] = []

    def start(self, *arguments, directory=None, **environment):
        """Start the command, here or in another directory; its output is read by `communicate`."""
        environment = {"INFLOR_BENCH_CACHE": str(self.directory / "cache"), "INFLOR_BENCH_EAGER": "1", **environment}
        process = command.start(directory or self.directory, *arguments, fresh=self.fresh, **environment)
        self._started.append(process)
        return process

    def close(self):
        """End what a test that failed has left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def install(self, name: str, program: str) -> str:
        """Add a package that offers its `model` as a model of energy; return the path that it is found by."""
        site = self.directory / "site"
        about = site / f"{name}-1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[inflor_bench.energy_models]\n{name} = {name}:model\n")
        (site / f"{name}.py").write_text(program)
        return str(site)

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
