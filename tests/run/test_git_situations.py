"""Which base a run is compared with, wherever its repository stands: real repositories, the command in real processes.

The one cell has no training data here, so it is skipped at once; the choice of the base does not depend on that. The
table in docs/gate.md says the same in words.
"""

import re
import shutil
from pathlib import Path

import pytest

from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import SCHEMA_VERSION
from inflor_bench.reports.pages.comment import MARKER
from tests.place import Place, cells, suite
from tests.repository import Repository

pytestmark = pytest.mark.long

SUITE = suite(cells("fashion-mnist", "hard"))
HERE = "on this machine"


class Situation(Place):
    """A repository with a suite, and the runs of it, which lie outside of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, SUITE)
        self.out = directory / "out"
        for name in ("home", "empty"):
            (directory / name).mkdir(exist_ok=True)
        self.repository = Repository(directory / "repository", directory / "home")

    def commit(self, message, **files):
        return self.repository.commit(message, **files)

    def file(self, run):
        """Where the run of a place that this one is a copy of lies here."""
        return self.out / "runs" / run.path.parent.name / run.path.name

    def run(self, directory=None, **environment):
        """Measure; return the run, the file of the base, why it was chosen, and what was said besides."""
        before = set(self.runs())
        arguments = ("run", "--suite", self.directory / "suite.toml", "--data-root", self.directory / "empty")
        where = directory or self.repository.path
        done = self.call(*arguments, "--out", self.out, check=0, directory=where, COLUMNS="300", **environment)
        name, reason = re.search(r"^base    (.*?): (.*)$", done.stdout, re.MULTILINE).groups()
        self.summary = (self.out / "report/comment.md").read_text("utf-8")
        (path,) = set(self.runs()) - before
        return read_run(path), None if name == "none" else Path(name), reason, done.stderr


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two commits, both measured; what the runs said is kept beside them."""
    place = Situation(tmp_path_factory.mktemp("measured"))
    place.commit("one", suite=SUITE)
    place.first = place.run()
    place.first_summary = place.summary
    place.commit("two", a="2")
    place.second = place.run()
    return place


@pytest.fixture
def place(measured, tmp_path):
    """A copy of that, with the files of the two runs."""
    shutil.copytree(measured.directory, tmp_path, dirs_exist_ok=True)
    place = Situation(tmp_path)
    place.one, place.two = place.file(measured.first[0]), place.file(measured.second[0])
    return place


def test_without_a_history_a_run_has_no_base_and_ends_well(measured):
    _, base, reason, _ = measured.first
    assert (base, reason) == (None, f"{measured.out / 'runs'} holds no other run")
    assert measured.first_summary.startswith(MARKER)
    assert "No base was given" in measured.first_summary


def test_a_commit_is_compared_with_the_one_before(measured):
    first, (_, base, reason, _) = measured.first[0], measured.second
    assert (base, reason) == (first.path, f"the nearest commit that this one stands on, {HERE}")
    assert "No base was given" not in measured.summary


def test_a_dirty_tree_is_compared_with_its_own_commit_and_is_nobodys_base(place):
    (place.repository.path / "a.txt").write_text("not committed")
    summary = place.directory / "summary.md"
    dirty, base, reason, _ = place.run(GITHUB_STEP_SUMMARY=str(summary))
    assert (dirty.git.dirty, dirty.git.message) == (True, "two")
    assert (base, reason) == (place.two, f"the commit that was changed here, {HERE}")
    assert summary.read_text("utf-8") == place.summary
    place.commit("three", a="3")
    _, base, reason, _ = place.run()
    assert (base, reason) == (place.two, f"the nearest commit that this one stands on, {HERE}")


def test_a_detached_head_is_a_commit_like_any_other(place):
    place.repository.git("checkout", "-q", "--detach", "HEAD")
    head, base, reason, _ = place.run()
    assert (head.git.branch, head.git.message) == (None, "two")
    assert (base, reason) == (place.one, f"the nearest commit that this one stands on, {HERE}")


def test_the_merge_of_a_pull_request_is_compared_with_the_branch_that_it_goes_to(place):
    git = place.repository.git
    git("checkout", "-q", "-b", "feature", "HEAD^")
    place.commit("feature", b="1")
    feature, *_ = place.run()
    git("checkout", "-q", "--detach", "main")
    git("merge", "-q", "--no-ff", "-m", "as a pull request", "feature")
    merge, base, reason, _ = place.run()
    assert merge.git.parents[1] == feature.git.sha
    assert (base, reason) == (place.two, f"the nearest commit that this one stands on, {HERE}")


def test_a_shallow_clone_finds_its_parent_by_what_the_run_itself_says(place):
    place.commit("three", a="3")
    clone = place.directory / "clone"
    place.repository.git("clone", "-q", "--depth", "1", place.repository.path.as_uri(), str(clone))
    head, base, reason, _ = place.run(clone)
    assert (head.git.shallow, base) == (True, place.two)
    assert reason == f"the nearest commit that this one stands on, {HERE}"


def test_a_base_that_was_rebased_is_known_by_its_tree(place):
    place.one.unlink()
    place.repository.git("commit", "-q", "--amend", "-m", "two, better said")
    place.commit("three", a="3")
    _, base, reason, _ = place.run()
    assert (base, reason) == (place.two, f"the same tree, rebased, {HERE}")


def test_without_git_the_newest_run_of_this_machine_is_the_base(place):
    plain, programs = place.directory / "plain", place.directory / "programs"
    shutil.copytree(place.repository.path, plain, ignore=shutil.ignore_patterns(".git"))
    programs.mkdir()
    why = f"the newest run; without git nothing says what this one stands on, {HERE}"
    third, base, reason, _ = place.run(plain)
    assert "not a git repository" in third.git.reason
    assert (base, reason) == (place.two, why)
    fourth, base, reason, _ = place.run(PATH=str(programs))
    assert fourth.git.reason == "no git state: git is not installed"
    assert (base, reason) == (third.path, why)


def change(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_the_base_of_another_machine_is_taken_where_this_one_has_none(place):
    elsewhere = place.one.parent.with_name("0123456789ab")
    for path in (place.one, place.two):
        change(path, path.parent.name, elsewhere.name)
    place.one.parent.rename(elsewhere)
    place.commit("three", a="3")
    _, base, reason, _ = place.run()
    assert base == elsewhere / place.two.name
    assert reason == "the nearest commit that this one stands on, on another machine"


def test_a_base_of_another_version_of_the_schema_is_named_and_the_next_one_is_taken(place):
    change(place.two, f'"schema_version":{SCHEMA_VERSION}', '"schema_version":999')
    place.commit("three", a="3")
    _, base, reason, said = place.run()
    assert (base, reason) == (place.one, f"the nearest commit that this one stands on, {HERE}")
    assert f"{place.two}: " in said
    assert "schema_version is 999" in said
    assert "update inflor-bench" in said
