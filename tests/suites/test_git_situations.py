"""Which base a run is compared with, wherever its repository stands: real repositories, the command in real processes.

The one cell has no data here, so it is skipped at once; the choice of the base does not depend on that. The table in
docs/gate.md says the same in words.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from bench.track.runs import read_run
from reports.comment import MARKER
from tests.suites.forked import call

SUITE = """
name = "small"
[[cells]]
dataset = "fashion-mnist"
network = "resnet8"
neurons = ["hard"]
timesteps = [2]
seeds = [0]
weights = "zoo"
"""
HERE = "on this machine"


class Place:
    """A repository with a suite, and the runs of it, one after the other, outside of the repository."""

    def __init__(self, repository, directory: Path) -> None:
        self.repository, self.out = repository, directory / "out"
        (directory / "empty").mkdir()
        self.commit("the suite", suite=SUITE)
        self.arguments = ["--suite", directory / "repository/suite.txt", "--data-root", directory / "empty"]

    def commit(self, message, **files):
        return self.repository.commit(message, **files)

    def runs(self):
        """Run files, the latest last."""
        return sorted((self.out / "runs").glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns)

    def run(self, directory=None, **environment):
        """Measure; return the run, the file of the base, why it was chosen, and what was said besides."""
        environment = {"INFLOR_BENCH_CACHE": str(self.out.parent / "cache"), "COLUMNS": "300", **environment}
        done = call(directory or self.repository.path, "run", *self.arguments, "--out", self.out, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        name, reason = re.search(r"^base    (.*?): (.*)$", done.stdout, re.MULTILINE).groups()
        self.summary = (self.out / "report/comment.md").read_text("utf-8")
        return read_run(self.runs()[-1]), None if name == "none" else Path(name), reason, done.stderr


@pytest.fixture
def place(repository, tmp_path):
    return Place(repository, tmp_path)


def test_without_a_history_a_run_has_no_base_and_ends_well(place):
    _, base, reason, _ = place.run()
    assert (base, reason) == (None, f"{place.out / 'runs'} holds no other run")
    assert place.summary.startswith(MARKER)
    assert "No base was given" in place.summary


def test_a_dirty_tree_is_compared_with_its_own_commit_and_is_nobodys_base(place, tmp_path):
    place.run()
    place.commit("two", a="2")
    clean, *_ = place.run()
    (place.repository.path / "a.txt").write_text("not committed")
    summary = tmp_path / "summary.md"
    dirty, base, reason, _ = place.run(GITHUB_STEP_SUMMARY=str(summary))
    assert (dirty.git.dirty, dirty.git.sha) == (True, clean.git.sha)
    assert (base, reason) == (clean.path, f"the commit that was changed here, {HERE}")
    assert summary.read_text("utf-8") == place.summary
    place.commit("three", a="3")
    _, base, reason, _ = place.run()
    assert (base, reason) == (clean.path, f"the nearest commit that this one stands on, {HERE}")


def test_a_detached_head_and_the_merge_of_a_pull_request_stand_on_what_they_are_made_from(place):
    first, *_ = place.run()
    git = place.repository.git
    git("checkout", "-q", "-b", "feature")
    place.commit("feature", b="1")
    feature, *_ = place.run()
    git("checkout", "-q", "main")
    place.commit("main", a="1")
    main, *_ = place.run()
    git("checkout", "-q", "--detach", feature.git.sha)
    detached, base, reason, _ = place.run()
    assert (detached.git.branch, base) == (None, first.path)
    assert reason == f"the nearest commit that this one stands on, {HERE}"
    git("checkout", "-q", "--detach", "main")
    git("merge", "-q", "--no-ff", "-m", "as a pull request", "feature")
    merge, base, _, _ = place.run()
    assert merge.git.parents == [main.git.sha, feature.git.sha]
    assert base == main.path  # not the pull request's own commit


def test_a_shallow_clone_finds_its_parent_by_what_the_run_itself_says(place, tmp_path):
    place.commit("two", a="2")
    second, *_ = place.run()
    place.commit("three", a="3")
    clone = tmp_path / "clone"
    place.repository.git("clone", "-q", "--depth", "1", place.repository.path.as_uri(), str(clone))
    head, base, reason, _ = place.run(clone)
    assert (head.git.shallow, base) == (True, second.path)
    assert reason == f"the nearest commit that this one stands on, {HERE}"


def test_a_base_that_was_rebased_is_known_by_its_tree(place):
    place.repository.git("checkout", "-q", "-b", "feature")
    place.commit("before", a="1")
    before, *_ = place.run()
    place.repository.git("commit", "-q", "--amend", "-m", "after")
    place.commit("next", a="2")
    _, base, reason, _ = place.run()
    assert (base, reason) == (before.path, f"the same tree, rebased, {HERE}")


def test_without_git_the_newest_run_of_this_machine_is_the_base(place, tmp_path):
    first, *_ = place.run()
    plain, programs = tmp_path / "plain", tmp_path / "programs"
    shutil.copytree(place.repository.path, plain, ignore=shutil.ignore_patterns(".git"))
    programs.mkdir()
    why = f"the newest run; git does not say that this commit stands on it, {HERE}"
    second, base, reason, _ = place.run(plain)
    assert "not a git repository" in second.git.reason
    assert (base, reason) == (first.path, why)
    third, base, reason, _ = place.run(PATH=str(programs))
    assert third.git.reason == "no git state: git is not installed"
    assert (base, reason) == (second.path, why)


def changed(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_the_base_of_another_machine_is_taken_where_this_one_has_none(place):
    first, *_ = place.run()
    fingerprint = first.machine.fingerprint
    elsewhere = first.path.parent.with_name("0123456789ab")
    first.path.parent.rename(elsewhere)
    changed(elsewhere / first.path.name, fingerprint, elsewhere.name)
    place.commit("two", a="2")
    _, base, reason, _ = place.run()
    assert base == elsewhere / first.path.name
    assert reason == "the nearest commit that this one stands on, on another machine"


def test_a_base_of_another_version_of_the_schema_is_named_and_the_next_one_is_taken(place):
    first, *_ = place.run()
    place.commit("two", a="2")
    second, *_ = place.run()
    version = json.loads(second.path.read_text())["benchmarks"][0]["extra_info"]["inflor_bench"]["schema_version"]
    changed(second.path, f'"schema_version":{version}', '"schema_version":999')
    place.commit("three", a="3")
    _, base, reason, said = place.run()
    assert (base, reason) == (first.path, f"the nearest commit that this one stands on, {HERE}")
    assert f"{second.path}: " in said
    assert "schema_version is 999" in said
    assert "update inflor-bench" in said
