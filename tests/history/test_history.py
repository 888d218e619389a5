from pathlib import Path

import pytest

from inflor_bench.errors import TrackInputError
from inflor_bench.git.repository import git_state
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import newest_comparable, run_files
from inflor_bench.record.origin import Git
from inflor_bench.record.run_file import Run, read_run, run_path
from inflor_bench.record.section import Absent
from inflor_bench.verdict.compare import judge
from tests.record.builders import make_git, make_machine, make_provenance, make_record, make_suite, write_run
from tests.repository import Repository

NOGIT = Absent(status="unavailable", reason="no git state: not a git repository")


class Directory:
    """A history that runs are added to, a minute apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.minutes = 0

    def add(
        self,
        git: Git | Absent,
        *,
        machine: str = "here",
        neurons: tuple[str, ...] = ("soft", "hard"),
        suite: str | None = "default",
    ) -> Run:
        self.minutes += 1
        changes = {
            "git": git,
            "suite": suite,
            "machine": make_machine(machine),
            "run_id": f"run{self.minutes}",
            "created": f"2026-11-24T{10 + self.minutes // 60}:{self.minutes % 60:02}:00+00:00",
        }
        path = run_path(self.path, make_provenance(**changes))
        return read_run(write_run(path, [make_record(neuron=neuron, provenance=changes) for neuron in neurons]))


@pytest.fixture
def history(tmp_path):
    return Directory(tmp_path / "history")


def chosen(history, head, repository=None):
    baseline = newest_comparable(history.path, head, repository=repository and repository.path)
    return baseline.run and baseline.run.run_id


def loaded(history):
    return load_runs(HistoryDirectory(history.path), None)


def commits(repository, *names):
    states = []
    for name in names:
        repository.commit(name, a=name)
        states.append(git_state(repository.path))
    return states


def test_an_empty_history(history, tmp_path):
    head = read_run(write_run(tmp_path / "head.json", make_suite()))
    baseline = newest_comparable(history.path, head)
    assert (baseline.run, baseline.damaged) == (None, ())
    assert "there is no directory and no branch" in baseline.reason
    history.path.mkdir()
    assert "holds no other run" in newest_comparable(history.path, head).reason
    assert loaded(history).runs == []
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackInputError, match="is not a directory"):
        newest_comparable(tmp_path / "file", head)


def test_files_are_oldest_first_and_only_run_files(history):
    runs = [history.add(make_git(name), machine=name) for name in ("c", "a", "b")]
    machine = runs[0].path.parent
    write_run(machine / "20260101T000000Z_0_x.cells" / "cell.json", make_suite())
    (machine / ".temporary.json").write_text("{")
    (machine / "x.damaged").write_text("{")
    assert run_files(history.path) == [run.path for run in runs]
    assert [run.run_id for run in loaded(history).runs] == ["run1", "run2", "run3"]


def test_the_run_itself_is_no_baseline(history):
    head = history.add(make_git())
    assert chosen(history, head) is None
    history.add(make_git())
    assert chosen(history, head) == "run2"


def test_the_nearest_ancestor_comes_before_the_newest_run(history, repository):
    first, second, third = commits(repository, "first", "second", "third")
    history.add(second)
    history.add(first)  # an older commit, measured later
    head = history.add(third)
    assert chosen(history, head, repository) == "run1"
    assert "nearest commit" in newest_comparable(history.path, head, repository=repository.path).reason


def test_the_same_commit_counts_only_where_no_ancestor_was_measured(history, repository):
    first, second = commits(repository, "first", "second")
    history.add(second)
    head = history.add(second)
    assert chosen(history, head, repository) == "run1"
    assert "same commit" in newest_comparable(history.path, head, repository=repository.path).reason
    history.add(first)
    # Else a second run of a regressed commit would be compared with itself, and pass.
    assert chosen(history, head, repository) == "run3"


def test_the_same_machine_comes_first(history, repository):
    first, second, third = commits(repository, "first", "second", "third")
    history.add(first, machine="here")
    history.add(second, machine="elsewhere")
    head = history.add(third, machine="here")
    assert chosen(history, head, repository) == "run1"
    assert chosen(history, history.add(third, machine="a third"), repository) == "run2"


def test_other_branches_come_last(history, repository):
    [first] = commits(repository, "first")
    repository.git("checkout", "-q", "-b", "other")
    [other] = commits(repository, "other")
    repository.git("checkout", "-q", "main")
    [second] = commits(repository, "second")
    history.add(first, machine="elsewhere")
    history.add(other, machine="here")
    head = history.add(second, machine="here")
    assert chosen(history, head, repository) == "run1"
    history.path.joinpath(make_machine("elsewhere").fingerprint).rename(history.path.parent / "gone")
    baseline = newest_comparable(history.path, head, repository=repository.path)
    assert baseline.run.run_id == "run2"
    assert "git says that this commit does not stand on it" in baseline.reason
    comparison = judge(baseline.run, read_run(head.path))
    assert "does not say" in comparison.shown, "and without the repository nobody knows"


def test_dirty_runs_are_never_a_baseline(history, repository):
    first, second = commits(repository, "first", "second")
    history.add(first.model_copy(update={"dirty": True, "diff_sha256": "0" * 64}))
    head = history.add(second)
    baseline = newest_comparable(history.path, head, repository=repository.path)
    assert baseline.run is None
    assert "clean" in baseline.reason
    dirty = second.model_copy(update={"dirty": True, "diff_sha256": "0" * 64})
    assert chosen(history, history.add(dirty), repository) == "run2"  # a dirty head has a clean base


def test_a_rebased_base_is_found_by_its_tree(history, repository):
    [root] = commits(repository, "root")
    repository.git("checkout", "-q", "-b", "feature")
    [before] = commits(repository, "feature")
    repository.git("commit", "-q", "--amend", "-m", "feature, rebased")
    after = git_state(repository.path)
    assert (before.sha != after.sha, before.tree == after.tree) == (True, True)
    [head_state] = commits(repository, "next")
    history.add(before)
    history.add(make_git("stranger"))
    head = history.add(head_state)
    baseline = newest_comparable(history.path, head, repository=repository.path)
    assert baseline.run.git.sha == before.sha
    assert "rebased" in baseline.reason
    assert root.sha != before.sha


def test_a_shallow_clone_and_no_repository_use_what_the_run_says(history, repository, tmp_path):
    commits(repository, "first", "second")
    first = git_state(repository.path)
    commits(repository, "third")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.path}", str(clone))
    history.add(first)
    history.add(make_git("stranger"))
    head = history.add(git_state(clone))
    assert chosen(history, head) == "run1"
    baseline = newest_comparable(history.path, head, repository=clone)
    assert baseline.run.run_id == "run1"


def test_no_git_at_all_takes_the_newest_of_this_machine(history):
    history.add(NOGIT)
    history.add(NOGIT)
    history.add(NOGIT, machine="elsewhere")
    assert chosen(history, history.add(NOGIT)) == "run2"


def test_a_run_with_all_cells_comes_before_a_nearer_one_with_some(history, repository):
    first, second, third = commits(repository, "first", "second", "third")
    history.add(first)
    history.add(second, neurons=("soft",))
    history.add(second, neurons=("relu",))
    head = history.add(third)
    assert chosen(history, head, repository) == "run1"
    assert chosen(history, history.add(third, neurons=("soft-mpr",)), repository) is None
    assert chosen(history, history.add(third, neurons=("soft", "hard-mpr")), repository) == "run2"  # one cell each
    partial = history.add(third, neurons=("soft",))
    assert chosen(history, partial, repository) == "run2"


def test_a_run_of_the_same_suite_comes_before_a_nearer_one_of_another(history, repository):
    first, second, third = commits(repository, "first", "second", "third")
    history.add(first, neurons=("soft",))
    history.add(second, suite="zoo")
    head = history.add(third)
    assert chosen(history, head, repository) == "run1", "although the other suite's run has all cells"
    baseline = newest_comparable(history.path, history.add(third, suite="third"), repository=repository.path)
    assert baseline.run.run_id == "run3", "for want of better the newest is shown"
    assert "another suite, default" in baseline.reason


def test_a_run_that_may_gate_comes_before_one_that_has_more_cells(history, repository):
    [first] = commits(repository, "first")
    repository.git("checkout", "-q", "-b", "other")
    [other] = commits(repository, "other")
    repository.git("checkout", "-q", "main")
    [second] = commits(repository, "second")
    history.add(first, neurons=("soft",))
    history.add(other, neurons=("soft", "hard"))
    assert chosen(history, history.add(second), repository) == "run1"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"benchmarks": []}'])
def test_a_damaged_file_is_named_and_the_next_one_is_taken(history, repository, content):
    first, second, third = commits(repository, "first", "second", "third")
    history.add(first)
    victim = history.add(second)
    head = history.add(third)
    victim.path.write_text(content)
    baseline = newest_comparable(history.path, head, repository=repository.path)
    assert baseline.run.run_id == "run1"
    [damaged] = baseline.damaged
    assert damaged.path == victim.path
    assert str(victim.path) in damaged.reason
    listing = loaded(history)
    assert ([run.run_id for run in listing.runs], len(listing.damaged)) == (["run1", "run3"], 1)


def test_a_wholly_damaged_history_is_not_an_empty_one(history, tmp_path):
    head = read_run(write_run(tmp_path / "head.json", make_suite()))
    for name in ("a", "b"):
        history.add(make_git(name)).path.write_text("{")
    baseline = newest_comparable(history.path, head)
    assert baseline.run is None
    assert len(baseline.damaged) == 2
    assert "none of the 2 other run files is readable" in baseline.reason


def test_a_history_without_our_names_works_too(tmp_path):
    head = read_run(write_run(tmp_path / "runs" / "head.json", make_suite(provenance={"run_id": "head"})))
    write_run(tmp_path / "runs" / "base.json", make_suite())
    assert newest_comparable(tmp_path / "runs", head).run.run_id == "run0"


def test_a_squash_merge_is_the_same_tree_as_the_branch_that_was_measured(history, repository):
    [root] = commits(repository, "root")
    repository.git("checkout", "-q", "-b", "feature")
    [_, last] = commits(repository, "one", "two")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--squash", "feature")
    repository.git("commit", "-q", "-m", "Both at once")
    squashed = git_state(repository.path)
    repository.git("branch", "-q", "-D", "feature")
    assert (squashed.tree, squashed.parents) == (last.tree, [root.sha])
    [next_one] = commits(repository, "next")
    history.add(last)
    history.add(make_git("stranger"))
    head = history.add(next_one)
    baseline = newest_comparable(history.path, head, repository=repository.path)
    assert baseline.run.git.sha == last.sha
    assert "the same tree, rebased" in baseline.reason
    history.add(root)
    assert chosen(history, head, repository) == "run4", "an ancestor under its own name comes first"


def test_a_pull_request_of_a_fork_stands_on_the_upstream_commit(history, repository, tmp_path):
    [first, second] = commits(repository, "first", "second")
    fork = Repository(tmp_path / "fork", tmp_path / "home")
    fork.git("pull", "-q", str(repository.path), "main")
    (fork.path / "fix.txt").write_text("fix")
    fork.git("add", "-A")
    fork.git("commit", "-q", "-m", "Fix")
    in_fork = git_state(fork.path)
    [third] = commits(repository, "third")
    history.add(first)
    history.add(second)
    history.add(third)
    # In the fork itself, git knows what it was forked from, and nothing of what came after.
    assert chosen(history, history.add(in_fork), fork) == "run2"
    # CI merges it: the first parent is what it is compared with.
    repository.git("fetch", "-q", str(fork.path), "main:pull")
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "pull")
    merged = git_state(repository.path)
    assert merged.base_sha == third.sha
    head = history.add(merged)
    assert chosen(history, head, repository) == "run3"
    assert chosen(history, head) == "run3", "without a repository, by what the run itself says"


def test_a_shallow_merge_checkout_knows_its_base(history, repository, tmp_path):
    [first] = commits(repository, "first")
    repository.git("checkout", "-q", "-b", "pull")
    repository.commit("pull", other="1")
    repository.git("checkout", "-q", "main")
    [second] = commits(repository, "second")
    repository.git("checkout", "-q", "-b", "merged")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "pull")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "1", "--branch", "merged", f"file://{repository.path}", str(clone))
    state = git_state(clone)
    assert (state.shallow, state.base_sha) == (True, second.sha)
    history.add(first)
    history.add(second)
    history.add(make_git("stranger"))
    head = history.add(state)
    baseline = newest_comparable(history.path, head, repository=clone)
    assert baseline.run.run_id == "run2"
    assert "the nearest commit that this one stands on" in baseline.reason


def test_a_cache_changes_no_choice(history, repository, tmp_path):
    states = commits(repository, *(f"c{index}" for index in range(8)))
    for index, state in enumerate(states):
        dirty = {"dirty": True, "diff_sha256": "0" * 64} if index % 3 == 2 else {}
        neurons = ("soft",) if index % 4 == 1 else ("soft", "hard")
        history.add(state.model_copy(update=dirty), machine=("here", "there")[index % 2], neurons=neurons)
    for run in map(read_run, run_files(history.path)):
        plain = newest_comparable(history.path, run, repository=repository.path)
        cached = newest_comparable(history.path, run, repository=repository.path, cache=tmp_path / "cache")
        assert (cached.run and cached.run.run_id, cached.reason) == (plain.run and plain.run.run_id, plain.reason)
        assert cached.run == plain.run
