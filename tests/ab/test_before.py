"""When the base's counts come from the history, and when it is measured anew: run files changed in one respect."""

import json

import pytest

from inflor_bench.ab.from_history import measured_before
from inflor_bench.record.origin import DatasetProvenance, WeightsProvenance
from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from tests.record.builders import make_git, make_machine, make_record, sha, write_run

CELLS = ("digits/resnet8/soft/T4/s0", "digits/resnet8/soft-mpr/T4/s0")
BASE = make_git("base")
SHIPPED = WeightsProvenance(source="shipped", sha256=sha("weights"), recipe={"epochs": 3})


def records(cells=CELLS, sections=None, **provenance):
    said = {"git": make_git("head"), "suite": "default", "weights": SHIPPED, **provenance}
    return [make_record(cell, provenance=said, **(sections or {})) for cell in cells]


@pytest.fixture
def head(tmp_path):
    return read_run(write_run(tmp_path / "head.json", records(run_id="head")))


@pytest.fixture
def history(tmp_path):
    """What writes a run of the base into a history, and returns its path; `number` is its place in time."""

    def write(number=1, cells=CELLS, sections=None, name=None, **provenance):
        name = name or f"20261124T12300{number}Z_{BASE.sha[:12]}_run{number}"
        path = tmp_path / "runs" / make_machine().fingerprint / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_run(path, records(cells, sections, run_id=f"run{number}", **{"git": BASE, **provenance}))

    return write


def found(tmp_path, head, only="*"):
    run = measured_before(str(tmp_path / "runs"), BASE.sha, head, only, tmp_path)
    return run and run.path


def test_the_newest_run_of_the_commit_is_taken(tmp_path, head, history):
    assert found(tmp_path, head) is None
    history(1)
    newest = history(2)
    assert found(tmp_path, head) == newest


def test_a_time_that_only_one_of_them_has_makes_no_difference(tmp_path, head, history):
    path = history(sections={"latency": Absent(status="skipped", reason="counted only")})
    assert found(tmp_path, head) == path


@pytest.mark.parametrize(
    "changed",
    [
        {"git": make_git("another")},
        {"git": make_git("base", dirty=True, diff_sha256=sha("changes"))},
        {"machine": make_machine("another")},
        {"threads": 1},
        {"versions": {"python": "3.11.7", "torch": "2.15.0"}},
        {"suite": "full"},
        {"dataset": None},
        {"dataset": DatasetProvenance(name="digits", split="test", samples=360, sha256=sha("other images"))},
        {"weights": None},
        {"weights": SHIPPED.model_copy(update={"recipe": {"epochs": 4}})},
        {"cells": CELLS[:1]},
        {"cells": (*CELLS, "digits/resnet8/relu/T1/s0")},
        {"sections": {"accuracy": Absent(status="failed", reason="a damaged file")}},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_what_is_not_measured_as_the_head_was_does_not_do(tmp_path, head, history, changed):
    history(2, name=f"20261124T123002Z_{BASE.sha[:12]}_other", **changed)
    assert found(tmp_path, head) is None
    fit = history(1)
    assert found(tmp_path, head) == fit


def test_the_version_of_this_program_is_the_commits_own(tmp_path, head, history):
    path = history(versions={"python": "3.11.7", "torch": "2.14.1", "inflor-bench": "0.0.1"})
    assert found(tmp_path, head) == path


def test_cells_that_were_not_asked_for_are_no_difference_and_not_in_it(tmp_path, history):
    history()
    head = read_run(write_run(tmp_path / "head.json", records(CELLS[:1], run_id="head")))
    assert found(tmp_path, head) is None
    run = measured_before(str(tmp_path / "runs"), BASE.sha, head, CELLS[0], tmp_path)
    assert list(run.cells) == [CELLS[0]]


def test_a_damaged_run_is_passed_over(tmp_path, head, history):
    whole, damaged = history(1), history(2)
    damaged.write_text(damaged.read_text()[:-40])
    assert found(tmp_path, head) == whole


def test_a_branch_of_git_is_a_history_too(tmp_path, head, history, repository):
    path = history()
    repository.commit("one", a="1")
    repository.git("checkout", "-q", "--orphan", "bench-data")
    repository.git("rm", "-q", "-rf", ".")
    stored = repository.path / path.parent.name / path.name
    stored.parent.mkdir()
    stored.write_text(json.dumps(json.loads(path.read_text())))
    repository.commit("runs")
    repository.git("checkout", "-q", "main")
    run = measured_before("bench-data", BASE.sha, head, "*", repository.path)
    assert run is not None
    assert list(run.cells) == sorted(CELLS)
