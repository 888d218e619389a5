"""The command over real commits, whose code is a script that hands out the run file that lies beside it."""

import subprocess
import sys

import pytest

from inflor_bench.cli.app import main
from tests.record.builders import LAYERS, make_git, make_record, write_run

CELL = "digits/resnet8/soft-mpr/T4/s0"
RUN = """
import os, shutil, sys
from pathlib import Path

arguments, here = sys.argv[1:], Path(__file__).parents[1]
assert arguments[arguments.index("--only") + 1] == "digits/resnet8/soft-mpr/T4/s0"
with open(os.environ["MEASURED"], "a") as log:
    print((here / "number.txt").read_text(), file=log)
if not (here / "result.json").exists():
    sys.exit(print("at first", "it does not build", sep=chr(10), file=sys.stderr) or 2)
runs = Path(arguments[arguments.index("--out") + 1], "runs", "machine")
runs.mkdir(parents=True)
shutil.copy(here / "result.json", runs / "20261124T123000Z_0123456789ab_run0.json")
"""


class History:
    """A repository of commits and the command in it; `measured` are the numbers of the commits that were measured."""

    def __init__(self, repository, monkeypatch, capsys):
        self.repository, self._monkeypatch, self._capsys = repository, monkeypatch, capsys
        self.shas = []
        (repository.path / "bench").mkdir()
        (repository.path / "bench/__init__.py").touch()
        (repository.path / "bench/cli.py").write_text(RUN)
        (repository.path / ".gitignore").write_text("/.bench\n__pycache__\n")
        self._log = repository.path.parent / "measured"
        monkeypatch.setenv("MEASURED", str(self._log))
        monkeypatch.chdir(repository.path)

    def commit(self, **record):
        """A commit that measures this, or the same as before; `record=None` is one that does not build."""
        number = len(self.shas)
        result = self.repository.path / "result.json"
        if "record" in record:
            result.unlink()
        elif record:
            write_run(result, [make_record(CELL, **record)])
        self.shas.append(self.repository.commit(f"Commit {number}", number=str(number)))

    def again(self):
        """A commit that changes nothing."""
        self.shas.append(self.repository.commit(f"Commit {len(self.shas)}"))

    def bisect(self, *arguments, good=0, bad=-1, metric="ac", code=0):
        arguments = (self.shas[good], self.shas[bad], "--metric", metric, "--cell", CELL, *map(str, arguments))
        self._monkeypatch.setattr(sys, "argv", ["inflor-bench", "bisect", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed, said = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, said
        assert "Traceback" not in said
        return subprocess.CompletedProcess(arguments, code, printed, said)

    @property
    def measured(self):
        return list(map(int, self._log.read_text().split())) if self._log.exists() else []


@pytest.fixture
def history(repository, monkeypatch, capsys):
    return History(repository, monkeypatch, capsys)


QUIET = {"firing_rate": [0.2, 0.2, 0.2, 0.2]}
LOUD = {"firing_rate": [0.2, 0.2, 0.3, 0.2]}


def test_commit_value_layer_author_and_files_are_named_and_nothing_is_touched(history):
    repository = history.repository
    history.commit(**QUIET)
    for number in range(1, 17):
        history.commit(**(LOUD if number == 11 else {}))
    (repository.path / "number.txt").write_text("changed and not committed")
    before = repository.git("status", "--porcelain"), repository.git("for-each-ref"), repository.git("worktree", "list")
    done = history.bisect()
    lines = done.stdout.splitlines()
    assert lines[0] == f"first bad  {history.shas[11]}"
    assert lines[1].split() == ["Commit", "11"]
    assert lines[2].split()[0] == "A,", "the author, and the date"
    records = [make_record(CELL, **rates) for rates in (QUIET, LOUD)]
    old, new = (record.synops.total.ac / record.synops.samples for record in records)
    assert f"AC {old:,.12g} at its parent, {new:,.12g} here ({(new - old) / old:+.3%})" in done.stdout
    assert f"spikes: most in {LAYERS[2]}.lif +50" in done.stdout
    moved = [
        name.name
        for name, other in zip(*(record.synops.layers for record in records), strict=True)
        if name.ac != other.ac
    ]
    assert moved
    assert f"AC: most in {moved[0]} +" in done.stdout
    assert [line.split()[1] for line in lines if line.startswith("file")] == ["number.txt", "result.json"]
    assert len(history.measured) == len(set(history.measured)) <= 6, "both ends, and four of sixteen"
    told = [line.split()[0] for line in done.stderr.splitlines()]
    assert told[:2] == ["BAD", "GOOD"]
    assert sorted(told[3:]) == sorted("bad" if number >= 11 else "good" for number in history.measured[2:])
    after = repository.git("status", "--porcelain"), repository.git("for-each-ref"), repository.git("worktree", "list")
    assert after == before
    assert (repository.path / "number.txt").read_text() == "changed and not committed"


def test_what_does_not_build_is_skipped_and_said(history):
    history.commit(**QUIET)
    history.commit()
    history.commit(record=None)
    history.commit(**QUIET)
    history.commit(**LOUD)
    done = history.bisect()
    assert done.stdout.splitlines()[0] == f"first bad  {history.shas[4]}"
    (skipped,) = [line for line in done.stderr.splitlines() if line.startswith("skipped")]
    assert history.shas[2][:12] in skipped
    assert "it does not build" in skipped


def test_where_it_may_be_one_that_does_not_build_all_are_named(history):
    history.commit(**QUIET)
    history.commit(record=None)
    history.commit(**LOUD)
    done = history.bisect(code=2)
    assert {line.split()[0] for line in done.stdout.splitlines()} == {sha[:12] for sha in history.shas[1:]}
    assert "It is one of these 2 commits, of which 1 cannot be measured" in done.stderr


def test_the_same_tree_is_measured_once_also_by_the_next_call(history):
    history.commit(**QUIET)
    for _ in range(6):
        history.again()
    history.commit(**LOUD)
    for _ in range(6):
        history.again()
    first = history.bisect()
    assert first.stdout.splitlines()[0] == f"first bad  {history.shas[7]}"
    assert sorted(history.measured) == [0, 7]
    assert history.bisect().stdout == first.stdout
    assert sorted(history.measured) == [0, 7]
    history.bisect("--out", "elsewhere")
    assert sorted(history.measured) == [0, 0, 7, 7]


def test_what_the_history_has_is_not_measured(history):
    history.commit(**QUIET)
    history.commit(**LOUD)
    git = make_git().model_copy(update={"sha": history.shas[0]})
    place = history.repository.path / ".bench/runs/machine"
    place.mkdir(parents=True)
    write_run(
        place / f"20261124T123000Z_{history.shas[0][:12]}_run0.json",
        [make_record(CELL, **QUIET, provenance={"git": git})],
    )
    assert history.bisect().stdout.splitlines()[0] == f"first bad  {history.shas[1]}"
    assert history.measured == [1]


def test_accuracy_names_the_layers_whose_spikes_moved(history):
    history.commit(accuracy=0.95, **QUIET)
    history.commit()
    history.commit(accuracy=0.90, **LOUD)
    history.commit()
    done = history.bisect(metric="accuracy")
    assert done.stdout.splitlines()[0] == f"first bad  {history.shas[2]}"
    assert f"spikes: most in {LAYERS[2]}" in done.stdout
    assert "AC: most" not in done.stdout


def test_a_step_is_bad_if_it_is_nearer_to_the_bad_value(history):
    for rate in (0.200, 0.2005, 0.202, 0.28, 0.29, 0.3):
        history.commit(firing_rate=rate)
    assert history.bisect(metric="spikes").stdout.splitlines()[0] == f"first bad  {history.shas[3]}"
    assert history.bisect(metric="spikes", bad=2).stdout.splitlines()[0] == f"first bad  {history.shas[2]}"


def test_a_step_that_hangs_is_ended_and_skipped(history, monkeypatch):
    monkeypatch.setattr("inflor_bench.bisect.cells._LEAST_SECONDS", 2.0)
    monkeypatch.setattr("inflor_bench.bisect.cells._PATIENCE", 0.0)
    cli = history.repository.path / "bench/cli.py"
    history.commit(**QUIET)
    cli.write_text(f"import time; time.sleep(600)\n{RUN}")
    history.commit()
    cli.write_text(RUN)
    history.commit(**LOUD)
    done = history.bisect(code=2)
    assert "was not measured within 2 s" in done.stderr


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [("latency", "varies from measurement to measurement: choose one of accuracy"), ("acs", "is no metric")],
)
def test_a_metric_that_is_not_exact_is_refused(history, metric, sentence):
    history.commit(**QUIET)
    history.commit(**LOUD)
    assert sentence in history.bisect(metric=metric, code=2).stderr
    assert history.measured == []


def test_ends_that_do_not_differ_or_cannot_be_measured_are_one_sentence(history):
    history.commit(**QUIET)
    history.commit()
    history.commit(record=None)
    said = history.bisect(bad=1, code=2).stderr.splitlines()[-1]
    assert said.startswith("ac of digits/resnet8/soft-mpr/T4/s0 is ")
    assert "name two commits that differ" in said
    said = history.bisect(code=2).stderr.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"BAD, {history.shas[2][:12]}, cannot be measured: ")
    assert "it does not build" in said[0]
