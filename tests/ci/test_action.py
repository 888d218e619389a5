"""The action for GitHub: its steps as a runner runs them, in somebody's own repository, and the jobs that use it."""

import os
import re
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from inflor_bench.ci.templates import action_workflow, template
from inflor_bench.errors import TrackInputError
from inflor_bench.record.run_file import read_run
from tests.ci.test_steps import GITHUB
from tests.ci.test_templates import check, complaints
from tests.command import ROOT
from tests.refusal import one_sentence

ADDRESS = f"somebody/inflor-bench@{'0123456789' * 4}"
ACTIONS = {name: ROOT / name / "action.yml" for name in ("", "actions/keep", "actions/comment")}
NET = """import torch
from torch import nn
from inflor_bench.models.neurons import LIF

def build():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), LIF(2, reset="soft", threshold=THRESHOLD), nn.Flatten(),
                         nn.Linear(64, 3))
"""
# What a runner has: our command, and a Python that installs nothing, for there is no network.
PROGRAMS = {
    "inflor-bench": f'exec {sys.executable} -m inflor_bench "$@"',
    "python": f'[ "$1 $2" = "-m pip" ] && echo "$@" >> "$LOG" && exit\nexec {sys.executable} "$@"',
}


def parsed(name):
    return YAML(typ="safe", pure=True).load(ACTIONS[name].read_text("utf-8"))


def scripts(name):
    """The scripts of an action by the first word of their step, and what their variables are."""
    steps = parsed(name)["runs"]["steps"]
    return {step["name"].split()[0].rstrip(","): (step["run"], step.get("env", {})) for step in steps if "run" in step}


def workflow(**what):
    return YAML(typ="safe", pure=True).load(action_workflow(ADDRESS, what.get("suite"), what.get("targets", ())))


class Runner:
    """A clone in which steps run as GitHub runs them, with the values that it puts in for expressions."""

    def __init__(self, repository, remote, place):
        self.clone, self.place = place / "clone", place
        place.mkdir()
        repository.git("clone", "-q", str(remote), str(self.clone))
        (place / "bin").mkdir()
        for name, text in PROGRAMS.items():
            program = place / "bin" / name
            program.write_text(f"#!/bin/bash\n{text}\n")
            program.chmod(0o755)
        self.outputs = place / "outputs"

    def step(self, name, word, check=0, **expressions):
        script, variables = scripts(name)[word]
        given = {
            key: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: expressions[m[1]], value) for key, value in variables.items()
        }
        environment = {
            **os.environ,
            "PATH": f"{self.place / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LOG": str(self.place / "log"),
            "RUNNER_TEMP": str(self.place / "temporary"),
            "GITHUB_OUTPUT": str(self.outputs),
            "GITHUB_SERVER_URL": "https://github.example",
            "INFLOR_BENCH_CACHE": str(self.place / "cache"),
            "INFLOR_BENCH_EAGER": "1",
            **given,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=self.clone, env=environment, capture_output=True, text=True)
        assert done.returncode == check, done.stdout + done.stderr
        return done

    def measure(self, event, targets="", suite="", check=0):
        install = parsed("")["inputs"]["install"]["default"]
        self.step("", "Install", **{"github.action_path": "/action", "inputs.install": install})
        self.step("", "Bring")
        done = self.step(
            "",
            "Measure",
            check,
            **{
                "github.event_name": event,
                "inputs.suite": suite,
                "inputs.targets": targets,
                "inputs.install": install,
            },
        )
        self.step("", "Collect")
        return done


@pytest.fixture
def remote(repository, tmp_path):
    (repository.path / "net.py").write_text(NET.replace("THRESHOLD", "0.5"))
    (repository.path / "pyproject.toml").write_text("[project]\n")
    repository.commit("one")
    path = tmp_path / "remote.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(path))
    return path


TARGETS = "net.py:build --shape 1x4x4 --timesteps 2 --time-axis inside --rounds 3\n\n"


@pytest.mark.slow
def test_a_repository_of_somebody_else_is_measured_kept_and_judged(repository, remote, tmp_path):
    push = Runner(repository, remote, tmp_path / "push")
    push.measure("push", TARGETS)
    assert push.outputs.read_text().split() == ["run=true", "report=true"]
    (run,) = (push.place / "temporary/run").glob("*/*.json")
    (cell,) = read_run(run).cells.values()
    assert cell.record.synops.total.ac > 0
    assert "-m pip install /action" in (push.place / "log").read_text()
    assert "-m pip install ." in (push.place / "log").read_text()

    push.step("actions/keep", "Install", **{"github.action_path": "/action/actions/keep"})
    push.step("actions/keep", "Add", **{"inputs.token": "secret"})
    kept = repository.git("ls-tree", "-r", "--name-only", "bench-data", cwd=remote).splitlines()
    assert kept == [f"{run.parent.name}/{run.name}"]

    # A pull request whose neuron fires more: the merge of base and change is checked out.
    change = Runner(repository, remote, tmp_path / "change")
    (change.clone / "net.py").write_text(NET.replace("THRESHOLD", "0.05"))
    repository.git("commit", "-qam", "lower the threshold", cwd=change.clone)
    done = change.measure("pull_request", TARGETS, check=1)
    assert "regressed" in done.stdout, done.stdout + done.stderr
    assert (change.place / "temporary/report/comment.md").read_text().startswith("<!-- inflor-bench -->")
    assert len([*(change.place / "temporary/run").glob("*/*.json")]) == 1


@pytest.mark.slow
def test_a_base_that_cannot_be_measured_is_said_and_the_head_is_reported(repository, remote, tmp_path):
    change = Runner(repository, remote, tmp_path / "change")
    (change.clone / "other.py").write_text(NET.replace("THRESHOLD", "0.5"))
    repository.git("add", "other.py", cwd=change.clone)
    repository.git("commit", "-qm", "another network", cwd=change.clone)
    done = change.measure("pull_request", TARGETS.replace("net.py", "other.py"))
    assert "The base cannot be measured" in done.stderr
    assert (change.place / "temporary/report/index.html").is_file()


def test_a_suite_and_targets_at_once_are_refused(repository, remote, tmp_path):
    runner = Runner(repository, remote, tmp_path / "runner")
    assert "not both" in runner.measure("push", TARGETS, suite="default", check=2).stderr


def test_a_target_that_fails_fails_the_job_whatever_comes_after_it(repository, remote, tmp_path):
    runner = Runner(repository, remote, tmp_path / "runner")
    fails = '#!/bin/bash\necho "$@" >> "$LOG"\ntest "$2" != bad.py:f || exit 2\necho .bench/head/merged/m/run.json\n'
    (runner.place / "bin/inflor-bench").write_text(fails)
    install = parsed("")["inputs"]["install"]["default"]
    runner.step("", "Bring")
    given = {"github.event_name": "push", "inputs.suite": "", "inputs.install": install}
    targets = {"inputs.targets": "bad.py:f --shape 4\ngood.py:f --shape 4"}
    runner.step("", "Measure", 2, **given, **targets)
    assert "good.py" not in (runner.place / "log").read_text()


def test_a_suite_is_measured_by_run_and_of_a_pull_request_by_ab(repository, remote, tmp_path):
    for event, words in (("push", "run --suite mine.toml"), ("pull_request", "ab HEAD^1 --suite mine.toml")):
        runner = Runner(repository, remote, tmp_path / event)
        (runner.place / "bin/inflor-bench").write_text('#!/bin/bash\necho "$@" >> "$LOG"\n')
        runner.measure(event, suite="mine.toml")
        assert f"{words} --out .bench" in (runner.place / "log").read_text()


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_valid_and_the_checker_finds_nothing(name):
    done = check("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTIONS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    done = check("zizmor", "--offline", "--pedantic", ACTIONS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    for script, _ in scripts(name).values():
        assert "${{" not in script
        assert subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True).stderr == ""


def test_what_the_action_and_the_template_have_in_common_is_the_same():
    def ours(job, word):
        (script,) = [s["run"] for s in GITHUB["jobs"][job]["steps"] if s["name"].startswith(word) and "run" in s]
        return script

    assert scripts("")["Bring"][0] == ours("bench", "Bring")
    assert scripts("")["Collect"][0] == ours("bench", "Collect")
    assert scripts("actions/comment")["Write"][0] == ours("comment", "Write")
    added = ours("history", "Add it").replace("tox run -e history --", "python -m inflor_bench history")
    assert scripts("actions/keep")["Add"][0] == added


@pytest.mark.parametrize("what", [{"suite": "mine.toml"}, {"targets": ["a.py:f --shape 1x4x4", "b.py:g --shape 3"]}])
def test_the_jobs_that_use_it_are_valid_and_only_read_where_others_code_runs(tmp_path, what):
    text = action_workflow(ADDRESS, what.get("suite"), what.get("targets", ()))
    path = tmp_path / "bench.yml"
    path.write_text(text)
    done = check("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = check("zizmor", "--offline", "--pedantic", path)
    assert done.returncode == 0, done.stdout + done.stderr
    made = workflow(**what)
    assert complaints(made) == []
    rights = {name: job["permissions"] for name, job in made["jobs"].items()}
    assert rights == {name: job["permissions"] for name, job in GITHUB["jobs"].items()}
    assert {name: job.get("if") for name, job in made["jobs"].items()} == {
        name: job.get("if") for name, job in GITHUB["jobs"].items()
    }
    given = made["jobs"]["bench"]["steps"][-1]["with"]
    assert given.get("suite") == what.get("suite")
    assert given.get("targets", "").splitlines() == list(what.get("targets", ()))
    assert template("github").startswith("# What does each change cost?")


@pytest.mark.parametrize(
    ("action", "suite", "targets", "sentence"),
    [
        ("somebody/inflor-bench@v1", "mine.toml", (), "all 40 digits"),
        ("inflor-bench", "mine.toml", (), "no action"),
        (ADDRESS, None, (), "Say what the action measures"),
        (ADDRESS, "mine.toml", ("net.py:build",), "Say what the action measures"),
        (ADDRESS, None, ("net.py:build ${{ secrets.TOKEN }}",), "one line"),
        (ADDRESS, None, ("net.py:build\n  uses: x",), "one line"),
    ],
)
def test_what_cannot_be_written_is_refused(action, suite, targets, sentence):
    with one_sentence(TrackInputError, sentence):
        action_workflow(action, suite, targets)
