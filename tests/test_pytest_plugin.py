"""The plugin of pytest, in somebody else's repository: what a test measures, its limits, and the run of a session."""

import json
import os
import subprocess
import sys

import pytest
import torch

from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from tests.command import fork
from tests.measure.synops import oracle

pytestmark = pytest.mark.long

TESTS = """
import pytest
import torch
from torch import nn

X, LABELS = torch.rand(20, 6, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3


def build(hidden):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 3))


@pytest.mark.efficiency(mac="<= 45", accuracy=">= 0")
@pytest.mark.parametrize("hidden", [4, 8])
def test_it_stays_small(efficiency, hidden):
    record = efficiency(build(hidden), X, LABELS)
    assert record.synops.samples == 20


def test_it_is_timed(efficiency, benchmark):
    model = build(4).train()
    model[1].eval()  # for good, as somebody freezes a part
    record = efficiency(model, X, name="timed")
    assert [part.training for part in model.modules()] == [True, True, False, True]
    assert record.latency.batch_size == 20


def test_each_has_a_name(efficiency):
    efficiency(build(4), X, name="one")
    with pytest.raises(ValueError, match="^one: this test has measured a model of that name"):
        efficiency(build(8), X, name="one")
    with pytest.raises(ValueError, match="'timed' was measured before"):
        efficiency(build(8), X, name="timed")


class Fails(nn.Linear):
    def forward(self, x):
        if (x > 5).any():
            raise ArithmeticError("too large")
        return super().forward(x)


def test_what_was_measured_before_it_failed_is_kept(efficiency):
    x = X.clone()
    x[15, 0] = 9
    with pytest.raises(ValueError, match="after 10 samples.*ArithmeticError: too large"):
        efficiency(Fails(6, 3), x, name="fails", batch_size=10)


@pytest.mark.efficiency(acs="<= 3")
def test_a_limit_that_there_is_not(efficiency):
    efficiency(build(4), X)
"""

SMALL = "test_net.py::test_it_stays_small[4]"


def _pytest(directory, words, said):
    with open(said, "w") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    os.chdir(directory)
    words = ["--color=no", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", *words]
    sys.exit(int(pytest.main(words)))


@pytest.fixture
def run(tmp_path):
    """Run pytest over the tests; gives its exit code and what it printed."""
    (tmp_path / "test_net.py").write_text(TESTS)

    def call(*words):
        process = fork(_pytest, str(tmp_path), [str(word) for word in words], str(tmp_path / "said"))
        process.join()
        return process.exitcode, (tmp_path / "said").read_text()

    return call


def runs(directory):
    return [read_run(path) for path in sorted(directory.glob("runs/*/*.json"), key=os.path.getmtime)]


def test_a_test_that_measures_is_held_to_its_limits_and_names_the_layer(run, tmp_path):
    code, said = run("test_net.py", "--efficiency-out", "out")
    assert code == 1, said
    assert "2 failed, 4 passed" in said
    x = torch.rand(20, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    first, last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)
    of_first = oracle.linear(x, first.weight).effective
    total = of_first + oracle.linear(torch.relu(first(x)), last.weight).effective
    broken = (
        f"efficiency: mac <= 45 is broken: {total / 20:.6g} MAC per inference; {of_first / total:.0%} of it in layer"
    )
    assert f"{broken} '0', {of_first / 20:.6g}" in said
    assert "key budgets[0].acs is unknown" in said
    (made,) = runs(tmp_path / "out")
    names = {"test_net.py::test_it_stays_small[4]", "test_net.py::test_it_stays_small[8]", "timed", "one", "fails"}
    assert made.cells.keys() == names
    assert made.cells["fails"].record.synops.status == "failed"
    small = made.cells["test_net.py::test_it_stays_small[8]"].record
    assert small.synops.total.mac == total
    assert small.accuracy.n == 20
    assert small.latency.reason.startswith("not_timed: the test does not ask")
    assert [str(budget) for budget in small.provenance.budgets] == ["mac <= 45", "accuracy >= 0"]
    assert made.cells["timed"].record.accuracy.reason.startswith("no_labels")
    (entry,) = json.loads(made.path.read_text())["benchmarks"]
    assert entry["name"] == "test_it_is_timed"
    assert len(entry["stats"]["data"]) == made.cells["timed"].record.latency.rounds
    assert f"run     {made.path.relative_to(tmp_path)}" in said


def test_without_an_option_nothing_is_written(run, tmp_path):
    code, said = run("test_net.py", "-k", "timed")
    assert code == 0, said
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[:2] not in ("__", ".b")) == [
        "said",
        "test_net.py",
    ]


def test_a_session_is_judged_by_a_run_file_and_by_a_history(run, tmp_path):
    code, said = run(SMALL, "--efficiency-out", "out")
    assert code == 0, said
    text = (tmp_path / "test_net.py").read_text()
    (tmp_path / "test_net.py").write_text(text.replace("hidden), nn.ReLU()", "hidden), nn.Identity()"))
    (base,) = runs(tmp_path / "out")
    code, said = run(SMALL, "--efficiency-out", "out", "--efficiency-base", base.path)
    assert code == 1, said
    assert "1 passed" in said
    assert "regressed" in said
    assert " mac " in said
    code, said = run("test_net.py", "-k", "timed", "--efficiency-out", "new", "--efficiency-base", "out/runs")
    assert code == 0, said
    assert "base    none: " in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--efficiency-base", "x.json"), "give --efficiency-out, too"),
        (("--efficiency-out", "test_net.py"), "give a writable output directory"),
        (("--efficiency-out", "out", "--efficiency-base", "test_net.py"), "is damaged or truncated JSON"),
    ],
)
def test_bad_input_is_one_sentence(run, words, told):
    code, said = run("test_net.py", *words)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert told in said
    assert "Traceback" not in said


def test_a_session_that_measures_nothing_leaves_nothing(run, tmp_path):
    assert run("test_net.py", "-k", "nothing", "--efficiency-out", "out")[0] == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_loading_it_imports_nothing_but_pytest():
    code = (
        "import pytest, sys; before = set(sys.modules); import inflor_bench.pytest_plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['inflor_bench', 'inflor_bench.pytest_plugin']"


@pytest.mark.slow
def test_workers_of_xdist_write_into_one_run(tmp_path):
    (tmp_path / "test_net.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-k", "small", "--efficiency-out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    (made,) = runs(tmp_path / "out")
    assert len(made.cells) == 2
    assert all(isinstance(cell.record.latency, Absent) for cell in made.cells.values())
    assert json.loads(made.path.read_text())["benchmarks"] == []
