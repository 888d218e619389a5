"""`export`, `init-ci` and the summary of a step, by the command line in real processes."""

import configparser
import json
import subprocess
import sys

import pytest

from inflor_bench.ci.templates import PLACES, template
from inflor_bench.record.run_file import read_run
from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark
from inflor_bench.verdict.render import MARKER
from tests.command import call
from tests.record.builders import make_record, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run.json", [make_record()])


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("github-action-benchmark", lambda run: github_action_benchmark(run, smaller_is_better=True)),
        ("github-action-benchmark-bigger", lambda run: github_action_benchmark(run, smaller_is_better=False)),
        ("bencher", bencher_metric_format),
    ],
)
def test_export_prints_a_run_in_the_format_of_each_program(run, tmp_path, kind, document):
    done = call(tmp_path, "export", run, "--format", kind)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == document(read_run(run)) != []


def test_export_writes_a_file_where_it_is_told_to(run, tmp_path):
    done = call(tmp_path, "export", run, "--format", "bencher", "--out", "deep/file.json")
    assert (done.returncode, done.stdout) == (0, "deep/file.json\n")
    assert json.loads((tmp_path / "deep/file.json").read_text()) == bencher_metric_format(read_run(run))


def test_export_of_what_is_no_run_is_one_sentence(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    done = call(tmp_path, "export", "run.json", "--format", "bencher")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "run.json" in done.stderr


@pytest.mark.parametrize("provider", PLACES)
def test_init_ci_writes_to_the_top_of_the_repository_and_names_what_tox_lacks(repository, provider):
    below = repository.path / "docs" / "deep"
    below.mkdir(parents=True)
    (repository.path / "tox.ini").write_text("[testenv:bench]\ncommands = mine\n")
    done = call(below, "init-ci", "--provider", provider)
    assert done.returncode == 0, done.stderr
    target = repository.path / PLACES[provider]
    assert target.read_text("utf-8") == template(provider)
    assert f"wrote   {target}" in done.stdout
    lacking = configparser.ConfigParser()
    lacking.read_string(done.stdout[done.stdout.index("[testenv:") :])
    assert lacking.sections() == ["testenv:ab", "testenv:history"]


def test_what_init_ci_says_that_tox_lacks_is_what_tox_reads(repository):
    said = call(repository.path, "init-ci").stdout
    (repository.path / "tox.ini").write_text(said[said.index("[testenv:") :])
    asked = ["config", "-e", "bench,ab,history", "-k", "commands", "deps"]
    done = subprocess.run([sys.executable, "-m", "tox", *asked], cwd=repository.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("run --out", "ab --out", "history"):
        assert f"commands = inflor-bench {command}" in done.stdout
    assert "testenv" not in call(repository.path, "init-ci", "--force").stdout


def test_init_ci_overwrites_nothing_unless_it_is_told_to(repository):
    target = repository.path / PLACES["github"]
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    refused = call(repository.path, "init-ci")
    assert (refused.returncode, target.read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert call(repository.path, "init-ci", "--force").returncode == 0
    assert target.read_text("utf-8") == template("github")


def test_init_ci_outside_of_a_repository_is_one_sentence(tmp_path):
    done = call(tmp_path, "init-ci")
    assert done.returncode == 2
    assert "is in no repository" in done.stderr
    assert not list(tmp_path.rglob("*.yml"))


def test_a_comparison_is_added_to_the_summary_of_the_step_and_annotated(run, tmp_path):
    worse = write_run(tmp_path / "worse.json", [make_record(firing_rate=[0.2, 0.3, 0.2, 0.2])])
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    job = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = call(tmp_path, "compare", run, worse, **job)
    assert done.returncode == 1
    assert any(line.startswith("::error title=regressed") for line in done.stdout.splitlines())
    assert summary.read_text("utf-8").startswith(f"before\n{MARKER}\n### InfLoR-Bench: regressed")
