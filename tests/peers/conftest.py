"""Models from the packages of others, measured by the command line in a process of its own."""

import pytest

from inflor_bench.record.run_file import read_run
from tests import command


@pytest.fixture
def measure(tmp_path):
    """Write a file of models and measure one of them; gives its record, or the refusal where one is expected."""

    def call(source, factory, *arguments, check=0):
        (tmp_path / "nets.py").write_text(source)
        words = ("measure", f"nets.py:{factory}", "--rounds", 3, "--quick", *arguments)
        done = command.call(tmp_path, *words, check=check, fresh=True)
        if check:
            return done.stderr
        (path,) = (tmp_path / ".bench/runs").glob("*/*.json")
        (cell,) = read_run(path).cells.values()
        return cell.record

    return call


@pytest.fixture
def load():
    """The model of a source, as the measuring process makes it."""

    def make(source, factory):
        import torch

        namespace = {"__name__": "nets"}
        exec(source, namespace)
        torch.manual_seed(0)
        return namespace[factory]().eval()

    return make
