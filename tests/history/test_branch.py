"""A history on a branch, in real repositories, by real processes."""

import json
import os
import shutil
import zlib

import pytest

from inflor_bench.errors import TrackInputError
from inflor_bench.history import branch
from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import add_run, newest_comparable, open_history
from inflor_bench.history.push import push
from inflor_bench.record.run_file import read_run, run_name
from tests.command import at_once
from tests.record.builders import make_git, make_machine, make_record, write_run
from tests.refusal import one_sentence

BRANCH = "bench-data"
ADD = """
import sys
from pathlib import Path
from inflor_bench.history.history import add_run
from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.push import fetch, push
repository, remote, *runs = sys.argv[1:]
store = HistoryBranch(Path(repository), "bench-data")
print("ready", flush=True)
sys.stdin.readline()
for run in runs:
    assert add_run(store, Path(run))[1]
    if remote:
        push(store, remote)
"""


def run_file(directory, number, **changes):
    about = {"run_id": f"run{number}", "created": f"2026-11-24T12:{number:02}:00+00:00", "git": make_git(f"c{number}")}
    return write_run(directory / f"given{number}.json", [make_record(provenance={**about, **changes})])


def ids(store):
    return sorted(run.run_id for run in load_runs(store, None).runs)


@pytest.fixture
def store(repository):
    repository.commit("First", a="1")
    return HistoryBranch(repository.path, BRANCH)


def contents(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_adding_touches_no_work_tree_no_index_and_no_head(store, repository, tmp_path):
    (repository.path / "a.txt").write_text("changed")
    (repository.path / "staged.txt").write_text("staged")
    repository.git("add", "staged.txt")
    (repository.path / "new.txt").write_text("untracked")
    status = repository.git("status", "--porcelain=v2", "--branch")
    watched = [repository.path / ".git" / name for name in ("index", "HEAD", "config", "logs/HEAD")]
    before = {path: path.read_bytes() for path in watched}
    tree = {path: value for path, value in contents(repository.path).items() if ".git" not in path.parts}
    for number in range(3):
        assert add_run(store, run_file(tmp_path, number))[1]
    assert {path: path.read_bytes() for path in watched} == before
    after = contents(repository.path)
    assert {path: value for path, value in after.items() if ".git" not in path.parts} == tree
    assert repository.git("status", "--porcelain=v2", "--branch") == status
    assert not (repository.path / ".git" / "FETCH_HEAD").exists()
    assert repository.git("rev-list", "--count", BRANCH) == "3"
    assert repository.git("merge-base", "--all", "main", BRANCH, ok=False) == "", "an orphan"


def test_git_itself_reads_what_was_added(store, repository, tmp_path):
    given = run_file(tmp_path, 1)
    name, _ = add_run(store, given)
    assert repository.git("ls-tree", "-r", "--name-only", BRANCH) == name
    shown = repository.git("show", f"{BRANCH}:{name}")
    assert json.loads(shown) == json.loads(given.read_text())
    assert "\n" not in shown, "compact"
    assert name == run_name(read_run(given))
    assert repository.git("fsck", "--strict") == ""


def test_the_same_run_is_added_once_and_another_under_its_name_is_refused(store, repository, tmp_path):
    given = run_file(tmp_path, 1)
    assert add_run(store, given) == (run_name(read_run(given)), True)
    tip = repository.git("rev-parse", BRANCH)
    given.write_text(json.dumps(json.loads(given.read_text()), indent=4))
    assert add_run(store, given)[1] is False, "however it is written"
    other = write_run(tmp_path / "other.json", [make_record(accuracy=0.5, provenance={"run_id": "run1"})])
    with pytest.raises(TrackInputError, match="holds the run run1 as"):
        add_run(store, other)
    run_file(tmp_path, 1, command=["another"])
    with pytest.raises(TrackInputError, match="is there with another content"):
        add_run(store, tmp_path / "given1.json")
    assert repository.git("rev-parse", BRANCH) == tip


def test_writers_at_once_all_land(store, repository, tmp_path):
    files = [run_file(tmp_path, number) for number in range(9)]
    at_once(ADD, [(repository.path, "", *files[start::3]) for start in range(3)])
    assert ids(store) == sorted(f"run{number}" for number in range(9))
    assert repository.git("rev-list", "--count", "--first-parent", BRANCH) == "9", "a commit each, none lost"


@pytest.fixture
def remote(repository, tmp_path):
    """A bare remote of the repository, and a way to clone it."""
    path = tmp_path / "remote.git"
    repository.git("init", "-q", "--bare", str(path))
    repository.git("remote", "add", "origin", f"file://{path}")
    repository.git("push", "-q", "origin", "main")

    def clone(name, *options):
        repository.git("clone", "-q", *options, f"file://{path}", str(tmp_path / name))
        return tmp_path / name

    return path, clone


def test_writers_that_push_at_once_all_land(store, repository, remote, tmp_path):
    path, clone = remote
    places = [repository.path, clone("one"), clone("shallow", "--depth", "1")]
    files = [run_file(tmp_path, number) for number in range(6)]
    at_once(ADD, [(place, "origin", *files[start::3]) for start, place in enumerate(places)])
    assert ids(HistoryBranch(path, BRANCH)) == sorted(f"run{number}" for number in range(6))
    repository.git("fsck", "--strict", cwd=path)
    assert repository.git("for-each-ref", "refs/inflor-bench") == "", "nothing is left of a fetch"


def test_what_only_the_remote_has_is_built_upon(store, repository, remote, tmp_path):
    path, clone = remote
    add_run(store, run_file(tmp_path, 1))
    push(store, "origin")
    other = HistoryBranch(clone("other"), BRANCH)
    assert ids(other) == ["run1"], "as fetched, without a local branch"
    add_run(other, run_file(tmp_path, 2))
    push(other, "origin")
    assert repository.git("rev-list", "--count", BRANCH, cwd=path) == "2", "forward, without a merge"
    assert ids(store) == ["run1"]
    repository.git("fetch", "-q", "origin")
    assert ids(store) == ["run1", "run2"], "a local branch that is behind what was fetched"
    add_run(store, run_file(tmp_path, 3))
    assert repository.git("rev-list", "--count", "--first-parent", BRANCH) == "3"
    push(store, "origin")
    assert ids(HistoryBranch(path, BRANCH)) == ids(store) == ["run1", "run2", "run3"]


def diverge(store, repository, clone, tmp_path):
    """A history whose branch of `origin`, as fetched, and whose local one each have what the other lacks."""
    add_run(store, run_file(tmp_path, 1))
    push(store, "origin")
    other = HistoryBranch(clone("other"), BRANCH)
    add_run(other, run_file(tmp_path, 2))
    other.set_aside(other.entries()[:1])
    push(other, "origin")
    add_run(store, run_file(tmp_path, 3))
    repository.git("fetch", "-q", "origin")
    assert repository.git("rev-list", "--left-right", "--count", f"{BRANCH}...origin/{BRANCH}") == "1\t2"


def test_of_branches_that_diverged_both_are_read(store, repository, remote, tmp_path):
    path, clone = remote
    diverge(store, repository, clone, tmp_path)
    assert ids(store) == ["run2", "run3"], "and what was set aside there stays so"
    assert [stranger.name.split("/")[0] for stranger in store.strangers()] == ["damaged"]
    baseline = newest_comparable(store, read_run(run_file(tmp_path, 9, git=make_git("head", parent="c2"))))
    assert baseline.run.run_id == "run2", "of a commit that only origin has a run of"
    before = repository.git("for-each-ref")
    assert add_run(store, tmp_path / "given2.json")[1] is False, "it is there already"
    assert repository.git("for-each-ref") == before
    assert add_run(store, run_file(tmp_path, 4))[1]
    assert repository.git("rev-list", "--count", f"{BRANCH}..origin/{BRANCH}") == "0", "built upon both"
    push(store, "origin")
    assert ids(HistoryBranch(path, BRANCH)) == ids(store) == ["run2", "run3", "run4"]


def test_what_two_branches_have_another_content_of_is_named_and_nothing_is_overwritten(
    store, repository, remote, tmp_path
):
    _, clone = remote
    diverge(store, repository, clone, tmp_path)
    other = HistoryBranch(tmp_path / "other", BRANCH)
    name, _ = add_run(other, run_file(tmp_path, 3, command=["another"]))
    push(other, "origin")
    repository.git("fetch", "-q", "origin")
    assert ids(store) == ["run2", "run3"]
    (told,) = [stranger.what for stranger in store.strangers() if stranger.name == name]
    assert told.startswith("differs between here and origin")
    with pytest.raises(TrackInputError, match=f"{name} differs between here and origin"):
        add_run(store, run_file(tmp_path, 4))


def test_what_was_set_aside_on_one_side_stays_so_in_a_merge(store, repository, remote, tmp_path):
    path, clone = remote
    for number in (1, 2):
        add_run(store, run_file(tmp_path, number))
    push(store, "origin")
    other = HistoryBranch(clone("other"), BRANCH)
    store.set_aside(store.entries()[:1])
    add_run(other, run_file(tmp_path, 3))
    push(other, "origin")
    push(store, "origin")
    assert ids(HistoryBranch(path, BRANCH)) == ["run2", "run3"]
    assert [stranger.name.split("/")[0] for stranger in store.strangers()] == ["damaged"]


def test_a_remote_that_refuses_or_is_not_there_is_one_sentence_and_nothing_is_lost(store, remote, tmp_path):
    path, _ = remote
    hook = path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    add_run(store, run_file(tmp_path, 1))
    with pytest.raises(TrackInputError, match=r"cannot be pushed to origin .*hook declined"):
        push(store, "origin")
    with pytest.raises(TrackInputError, match="cannot be fetched from elsewhere"):
        push(store, "elsewhere")
    with pytest.raises(TrackInputError, match="is no remote"):
        push(store, "--upload-pack=touch x")
    assert ids(store) == ["run1"]


def test_git_merges_two_branches_that_each_added_runs(store, repository, tmp_path):
    add_run(store, run_file(tmp_path, 0))
    repository.git("branch", "theirs", BRANCH)
    theirs = HistoryBranch(repository.path, "theirs")
    for number in range(1, 6):
        add_run(store if number % 2 else theirs, run_file(tmp_path, number))
    repository.git("checkout", "-q", BRANCH)
    repository.git("merge", "-q", "-m", "Merge", "theirs")  # a conflict would fail
    assert repository.git("status", "--porcelain") == ""
    assert ids(store) == [f"run{number}" for number in range(6)]
    assert ids(HistoryDirectory(repository.path)) == ids(store), "the checkout is a history, too"


def test_a_branch_that_is_checked_out_is_left_alone(store, repository, tmp_path):
    add_run(store, run_file(tmp_path, 1))
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"), BRANCH)
    with pytest.raises(TrackInputError, match=r"is checked out in .*tree"):
        add_run(store, run_file(tmp_path, 2))
    assert repository.git("status", "--porcelain", cwd=tmp_path / "tree") == ""
    assert ids(store) == ["run1"]


def test_nobody_has_to_have_a_name(repository, tmp_path, monkeypatch):
    repository.git("config", "user.useConfigOnly", "true")
    for variable in [name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "EMAIL"))]:
        monkeypatch.delenv(variable)
    store = HistoryBranch(repository.path, BRANCH)
    add_run(store, run_file(tmp_path, 1))
    assert repository.git("log", "-1", "--format=%an <%ae>", BRANCH) == "inflor-bench <inflor-bench@localhost>"


def test_a_hook_and_a_bare_repository_are_no_hindrance(store, repository, tmp_path, monkeypatch):
    bare = tmp_path / "bare.git"
    repository.git("init", "-q", "--bare", str(bare))
    monkeypatch.setenv("GIT_DIR", str(repository.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.path / ".git" / "index"))
    index = (repository.path / ".git" / "index").read_bytes()
    add_run(HistoryBranch(bare, BRANCH), run_file(tmp_path, 1))
    assert (repository.path / ".git" / "index").read_bytes() == index
    monkeypatch.undo()
    assert ids(HistoryBranch(bare, BRANCH)) == ["run1"]
    assert not store.exists()


@pytest.mark.parametrize("name", ["", "-x", "a..b", "a b", "x.lock"])
def test_what_is_no_branch_is_refused(repository, name):
    with pytest.raises(TrackInputError, match="is no name of a branch"):
        HistoryBranch(repository.path, name)


def test_no_repository_is_one_sentence(tmp_path):
    with pytest.raises(TrackInputError, match="no branch can be read here"):
        HistoryBranch(tmp_path, BRANCH)


def test_a_damaged_and_a_missing_object_are_named_and_the_rest_is_read(store, repository, tmp_path):
    names = [add_run(store, run_file(tmp_path, number))[0] for number in range(4)]
    for name, damage in ((names[0], "missing"), (names[2], "corrupt")):
        blob = repository.git("rev-parse", f"{BRANCH}:{name}")
        path = repository.path / ".git" / "objects" / blob[:2] / blob[2:]
        path.chmod(0o644)
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"x" * path.stat().st_size)
    loaded = load_runs(store, None)
    assert [run.run_id for run in loaded.runs] == ["run1", "run3"]
    assert [item.name for item in loaded.damaged] == [names[0], names[2]]
    assert all(f"{BRANCH}:{item.name}" in item.reason for item in loaded.damaged)
    assert add_run(store, run_file(tmp_path, 5))[1], "what is lost hinders nobody who adds"
    store.set_aside([entry for entry in store.entries() if entry.name in (names[0], names[2])])
    loaded = load_runs(store, None)
    assert ([run.run_id for run in loaded.runs], loaded.damaged) == (["run1", "run3", "run5"], ())


def test_a_branch_whose_commit_is_lost_is_no_empty_history(store, repository, tmp_path):
    add_run(store, run_file(tmp_path, 1))
    commit = repository.git("rev-parse", BRANCH)
    (repository.path / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    for asked in (store.exists, lambda: ids(store), lambda: add_run(store, run_file(tmp_path, 2))):
        with one_sentence(TrackInputError, f"git update-ref -d {store.ref}"):
            asked()
    repository.git("update-ref", "-d", store.ref)
    add_run(store, run_file(tmp_path, 2))
    assert ids(store) == ["run2"]


def test_a_git_that_hangs_while_it_reads_is_ended_and_the_files_are_named(store, tmp_path, monkeypatch):
    names = [add_run(store, run_file(tmp_path, number))[0] for number in range(2)]
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    real = shutil.which("git")
    git.write_text(f'#!/bin/sh\ncase "$*" in *--batch) exec sleep 600;; esac\nexec {real} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(branch, "LIMIT_SECONDS", 0.5)
    loaded = load_runs(store, None)
    assert ([item.name for item in loaded.damaged], loaded.runs) == (names, [])


@pytest.mark.parametrize("tail", [b"", b"x\n" * 400])
def test_a_run_of_which_a_letter_changed_is_named_and_those_beside_it_are_read(store, repository, tmp_path, tail):
    """Git gives such a blob, all of it where it is longer than it says, and ends only then."""
    names = [add_run(store, run_file(tmp_path, number))[0] for number in range(5)]
    for name in names[0:4:2]:
        blob = repository.git("rev-parse", f"{BRANCH}:{name}")
        path = repository.path / ".git" / "objects" / blob[:2] / blob[2:]
        changed = zlib.decompress(path.read_bytes()).replace(b"run", b"ran", 1) + tail
        path.chmod(0o644)
        path.write_bytes(zlib.compress(changed))
    for _ in range(20):  # whether git has ended when the next file is asked for is chance
        loaded = load_runs(store, None)
        assert [run.run_id for run in loaded.runs] == ["run1", "run3", "run4"]
        assert [item.name for item in loaded.damaged] == [names[0], names[2]]
        assert all("git cannot read it" in item.reason for item in loaded.damaged)


def test_links_and_files_elsewhere_are_never_read(store, repository, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    add_run(store, run_file(tmp_path, 1))
    files = store.files(*store.tips())
    blob = repository.git("hash-object", "-w", "--stdin", given=str(secret))
    odd = {"link.json": ("120000", blob), "a/b/deep.json": ("100644", blob), "README.md": ("100644", blob)}
    store.move(store.commit(files | odd, store.tips(), "Odd"), *store.tips(), "odd")
    assert [entry.name for entry in store.entries()] == list(files)
    assert {stranger.name for stranger in store.strangers()} == {"link.json", "a/b/deep.json"}


@pytest.mark.parametrize("kind", ["directory", "branch"])
def test_a_directory_comes_before_a_branch_of_its_name(store, repository, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(repository.path)
    assert not open_history(BRANCH).exists()
    add_run(store, run_file(tmp_path, 1))
    if kind == "directory":
        (repository.path / BRANCH).mkdir()
    assert isinstance(open_history(BRANCH), HistoryDirectory if kind == "directory" else HistoryBranch)


def test_a_baseline_comes_from_a_branch_as_from_a_directory(store, tmp_path):
    directory = HistoryDirectory(tmp_path / "runs")
    for number, machine in enumerate(("here", "elsewhere", "here", "elsewhere")):
        given = run_file(tmp_path, number, machine=make_machine(machine), git=make_git(f"c{number}"))
        assert add_run(store, given)[0] == add_run(directory, given)[0]
    for parent in range(4):
        git = make_git("head", parent=f"c{parent}")
        head = read_run(run_file(tmp_path, 9, git=git, machine=make_machine("here")))
        found = [newest_comparable(place, head, cache=tmp_path / "cache") for place in (store, directory)]
        assert [baseline.run.run_id for baseline in found] == [f"run{parent}"] * 2
        assert found[0].reason == found[1].reason
        assert str(found[0].run.path).startswith(f"{BRANCH}:")
