import os
import subprocess
from pathlib import Path

import pytest

from inflor_bench.git import command
from inflor_bench.git.repository import ancestry, commit_pages, git_state, stored_ancestry
from inflor_bench.record.origin import Git
from inflor_bench.record.section import Absent
from tests.record.builders import make_git, sha
from tests.repository import Repository


def test_a_clean_commit(repository):
    first = repository.commit("First", a="1")
    second = repository.commit("Second: ä \x01", a="2")
    (repository.path / "folder").mkdir()
    state = git_state(repository.path / "folder")
    assert state == Git(
        sha=second,
        tree=repository.git("rev-parse", "HEAD^{tree}"),
        parents=[first],
        base_sha=first,
        first_parent_index=1,
        branch="main",
        dirty=False,
        diff_sha256=None,
        shallow=False,
        message="Second: ä \x01",
        committed=repository.git("log", "-1", "--format=%cI"),
    )


def test_a_root_commit(repository):
    repository.commit("First", a="1")
    state = git_state(repository.path)
    assert (state.parents, state.base_sha, state.first_parent_index) == ([], None, 0)


def test_a_detached_head(repository):
    first = repository.commit("First", a="1")
    repository.commit("Second", a="2")
    repository.git("checkout", "-q", "--detach", first)
    state = git_state(repository.path)
    assert (state.sha, state.branch, state.first_parent_index) == (first, None, 0)


def test_no_repository_no_commit_no_git(repository, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "not a git repository" in git_state(elsewhere).reason
    assert isinstance(git_state(repository.path), Absent)  # no commit yet
    assert isinstance(git_state(tmp_path / "missing"), Absent)
    monkeypatch.setenv("PATH", str(elsewhere))
    state = git_state(repository.path)
    assert state == Absent(status="unavailable", reason="no git state: git is not installed")


def states(repository, *changes) -> list[Git]:
    """The state after each change."""
    found = []
    for change in changes:
        change(repository.path)
        found.append(git_state(repository.path))
    return found


@pytest.mark.parametrize(
    "configured",
    [
        ("diff.ignoreSubmodules", "all"),
        ("submodule.inside.ignore", "all"),
        ("submodule.inside.ignore", "dirty"),
        ("diff.submodule", "log"),
        ("status.showUntrackedFiles", "no"),
    ],
)
def test_a_submodule_with_changes_is_a_difference_however_git_is_configured(repository, tmp_path, configured):
    other = Repository(tmp_path / "other", tmp_path)
    other.commit("Other", x="1")
    trusting = ("-c", "protocol.file.allow=always")
    repository.git(*trusting, "submodule", "--quiet", "add", "--name", "inside", str(other.path), "sub")
    repository.commit("First", a="1")
    changes = (
        lambda path: None,
        lambda path: (path / "sub/y.txt").write_text("untracked"),
        lambda path: (path / "sub/x.txt").write_text("2"),
        lambda path: repository.git("commit", "-qam", "In the submodule", cwd=path / "sub"),
    )
    plain = states(repository, *changes)
    assert [state.dirty for state in plain] == [False, True, True, True]
    repository.git("reset", "-q", "--hard", "HEAD~", cwd=repository.path / "sub")
    (repository.path / "sub/y.txt").unlink()
    for directory in (repository.path, repository.path / "sub"):
        repository.git("config", *configured, cwd=directory)
    again = states(repository, *changes)
    assert [state.dirty for state in again] == [False, True, True, True]
    assert [state.diff_sha256 for state in again[:3]] == [state.diff_sha256 for state in plain[:3]]


def test_every_kind_of_difference_is_dirty_and_has_its_own_hash(repository):
    repository.commit("First", a="1", b="1", ignored="1")
    (repository.path / ".gitignore").write_text("*.log\n")
    clean = repository.commit("Ignore")
    found = states(
        repository,
        lambda path: (path / "x.log").write_text("ignored"),
        lambda path: (path / "a.txt").write_text("2"),
        lambda path: repository.git("add", "a.txt"),
        lambda path: (path / "b.txt").unlink(),
        lambda path: (path / "new.txt").write_text("untracked"),
        lambda path: (path / "new.txt").write_text("untracked, other"),
        lambda path: (path / "link").symlink_to("nowhere"),
        lambda path: os.chmod(path / "ignored.txt", 0o755),
    )
    assert [state.dirty for state in found] == [False] + [True] * 7
    hashes = [state.diff_sha256 for state in found]
    assert hashes[0] is None
    assert hashes[1] == hashes[2]  # staged or not, the content is the same
    assert len(set(hashes)) == 7
    assert {state.sha for state in found} == {clean}
    repository.git("checkout", "-q", ".")
    repository.git("reset", "-q", "--hard")
    repository.git("clean", "-qfd")
    assert not git_state(repository.path).dirty


def test_byte_code_that_importing_left_is_not_dirty(repository):
    """A repository of a model without .gitignore: to measure it is to import it."""
    repository.commit("First", a="1")
    (repository.path / "package/__pycache__").mkdir(parents=True)
    (repository.path / "package/__pycache__/net.cpython-311.pyc").write_bytes(b"code")
    assert not git_state(repository.path).dirty
    (repository.path / "package/net.py").write_text("")
    assert git_state(repository.path).dirty


def test_touching_a_file_is_not_dirty(repository):
    repository.commit("First", a="1")
    os.utime(repository.path / "a.txt", (1, 1))
    assert not git_state(repository.path).dirty


def test_a_change_within_the_tick_of_the_commit_is_seen(repository):
    for key, value in [("core.trustctime", "false"), ("core.checkStat", "minimal")]:
        repository.git("config", key, value)
    repository.commit("First", a="1")
    file, index = repository.path / "a.txt", repository.path / ".git" / "index"
    stamp = file.stat().st_mtime_ns - 10**10
    os.utime(file, ns=(stamp, stamp))
    repository.git("update-index", "--refresh")
    file.write_text("2")  # the same size, and the same time as far as the clock can tell
    os.utime(file, ns=(stamp, stamp))
    os.utime(index, ns=(stamp, stamp))
    assert git_state(repository.path).dirty


def test_the_users_configuration_does_not_change_the_hash(repository):
    repository.commit("First", a="1\n2\n3\n", ü="1")
    (repository.path / "a.txt").write_text("1\n2\n4\n")
    (repository.path / "ü.txt").rename(repository.path / "ö.txt")
    plain = git_state(repository.path)
    for key, value in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.context", "0"),
        ("diff.external", "false"),
        ("core.quotePath", "false"),
        ("color.ui", "always"),
        ("log.showSignature", "true"),
    ]:
        repository.git("config", key, value)
    assert git_state(repository.path) == plain


def test_the_place_of_the_runs_does_not_make_a_tree_dirty(repository):
    repository.commit("First", a="1")
    runs = repository.path / "runs"
    runs.mkdir()
    (runs / "1.json").write_text("{}")
    assert git_state(repository.path).dirty
    assert not git_state(repository.path, ignore=[runs]).dirty
    (repository.path / "runs2").write_text("")
    assert git_state(repository.path, ignore=[runs]).dirty


def test_the_base_of_a_branch_is_where_it_left_main(repository):
    repository.commit("First", a="1")
    fork = repository.commit("Second", a="2")
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit("Feature 1", b="1")
    last = repository.commit("Feature 2", b="2")
    repository.git("checkout", "-q", "main")
    tip = repository.commit("Third", c="1")
    repository.git("checkout", "-q", "feature")
    assert git_state(repository.path).base_sha == fork
    # The merge checkout of a pull request: the first parent is the base.
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "feature")
    state = git_state(repository.path)
    assert (state.parents, state.base_sha, state.first_parent_index) == ([tip, last], tip, 3)


def test_the_base_of_a_merge_is_its_first_parent_whatever_the_default_branch_is(repository):
    repository.commit("First", a="1")
    repository.git("checkout", "-q", "-b", "release")
    tip = repository.commit("Release", b="1")
    repository.git("checkout", "-q", "-b", "fix")
    repository.commit("Fix", c="1")
    repository.git("checkout", "-q", "--detach", "release")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "fix")
    assert git_state(repository.path).base_sha == tip


def test_a_shallow_clone_knows_its_parent_and_no_index(repository, tmp_path):
    first = repository.commit("First", a="1")
    second = repository.commit("Second", a="2")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.path}", str(clone))
    state = git_state(clone)
    assert (state.sha, state.shallow, state.first_parent_index) == (second, True, None)
    assert (state.parents, state.base_sha) == ([first], first)
    found = ancestry(clone, "HEAD")
    assert (found.shas, found.complete) == ((second,), False)
    assert found.contains(first) is None


def test_a_worktree_and_a_hook_see_their_own_directory(repository, tmp_path, monkeypatch):
    repository.commit("First", a="1")
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "b.txt").write_text("1")
    repository.git("add", "-A", cwd=tmp_path / "tree")
    repository.git("commit", "-q", "-m", "Other", cwd=tmp_path / "tree")
    monkeypatch.setenv("GIT_DIR", str(repository.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.path / ".git" / "index"))
    state = git_state(tmp_path / "tree")
    assert (state.message, state.branch, state.dirty) == ("Other", "other", False)


def test_the_state_is_read_without_writing(repository):
    repository.commit("First", a="1", b="1")
    (repository.path / "a.txt").write_text("2")
    os.utime(repository.path / "b.txt", (1, 1))  # git would like to note that it is unchanged
    before = snapshot(repository.path / ".git")
    git_state(repository.path)
    ancestry(repository.path, "HEAD")
    assert snapshot(repository.path / ".git") == before


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_ancestry_is_nearest_first(repository):
    commits = [repository.commit(f"Commit {index}", a=str(index)) for index in range(5)]
    found = ancestry(repository.path, commits[3])
    assert found.shas == tuple(reversed(commits[:4]))
    assert found.trees == tuple(repository.git("rev-parse", f"{commit}^{{tree}}") for commit in reversed(commits[:4]))
    assert [found.contains(commit) for commit in commits] == [True] * 4 + [False]
    assert found.contains(commits[0][:9]) is True


def test_ancestry_of_a_merge_begins_with_what_it_was_merged_into(repository):
    root = repository.commit("Root", a="1")
    repository.git("checkout", "-q", "-b", "side")
    side = [repository.commit(f"Side {index}", b=str(index)) for index in range(2)]
    repository.git("checkout", "-q", "main")
    main = [repository.commit(f"Main {index}", a=str(index)) for index in range(2, 4)]
    repository.git("merge", "-q", "--no-ff", "-m", "Merge", "side")
    merge = repository.git("rev-parse", "HEAD")
    found = ancestry(repository.path, merge)
    assert found.shas == (merge, *reversed(main), root, *reversed(side))
    assert found.shas[:4] == tuple(repository.git("rev-list", "--first-parent", "HEAD").split())
    assert found.trees == tuple(repository.git("rev-parse", f"{commit}^{{tree}}") for commit in found.shas)


@pytest.mark.parametrize("commit", ["--output=here", "main; rm", "", "f" * 40, "HEAD~1"])
def test_what_is_no_commit_has_no_ancestry(repository, commit):
    repository.commit("First", a="1")
    repository.commit("Second", a="2")
    assert ancestry(repository.path, commit) is None
    assert not (repository.path / "here").exists()


def test_what_a_run_says_of_its_ancestry():
    found = stored_ancestry(make_git("head", parent="base", base_sha=sha("fork", 40)))
    assert found.shas == (sha("head", 40), sha("base", 40), sha("fork", 40))
    assert found.contains(sha("base", 7)) is True
    assert found.contains(sha("older", 40)) is None
    assert stored_ancestry(Absent(status="unavailable", reason="no git")).contains("a" * 40) is None


def test_a_message_in_another_encoding(repository):
    repository.commit("First", a="1")
    message = repository.path / ".git" / "message"
    message.write_bytes("Zweiter: ü".encode("latin-1"))
    subprocess.run(
        ["git", "-c", "i18n.commitEncoding=latin-1", "commit", "-q", "--allow-empty", "-F", str(message)],
        cwd=repository.path,
        env=repository.environment,
        check=True,
    )
    assert git_state(repository.path).message == "Zweiter: ü"


def test_a_git_that_hangs_is_ended_and_says_what_it_was_asked(repository, tmp_path, monkeypatch):
    repository.commit("First", a="1")
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\nexec sleep 600\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(command, "LIMIT_SECONDS", 0.5)
    state = git_state(repository.path)
    assert isinstance(state, Absent)
    assert state.reason == "no git state: git rev-parse was not done within 0.5 s"


@pytest.mark.parametrize(
    ("remote", "pages"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/commit/"),
        ("https://user:secret@gitlab.example/group/sub/b", "https://gitlab.example/group/sub/b/commit/"),
        ("git@github.com:a/b.git", "https://github.com/a/b/commit/"),
        ("ssh://git@host.example:2222/a/b.git/", "https://host.example/a/b/commit/"),
        ("/srv/git/b.git", ""),
        ("file:///srv/git/b.git", ""),
        ("https://host.example/a b/<script>", ""),
        (None, ""),
    ],
)
def test_the_pages_of_commits_are_those_of_the_remote(repository, remote, pages):
    if remote is not None:
        repository.git("remote", "add", "origin", remote)
    assert commit_pages(repository.path) == pages
