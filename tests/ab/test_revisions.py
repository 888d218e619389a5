"""Commits as directories, in real repositories."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inflor_bench.ab import revisions
from inflor_bench.ab.revisions import checked_out, environment, frozen, python_for, requirements, resolve, top_of
from inflor_bench.errors import SuiteInputError
from inflor_bench.git.repository import git_state
from tests.command import call
from tests.refusal import one_sentence

PROJECT = '[project]\nname = "mine"\ndependencies = [{}]\n'


def test_a_commit_is_checked_out_and_gone_afterwards_and_a_dirty_tree_stays_as_it_is(repository, tmp_path):
    first = repository.commit("one", a="1")
    repository.commit("two", a="2")
    (repository.path / "a.txt").write_text("3")
    (repository.path / "new.txt").write_text("mine")
    before = repository.git("status", "--porcelain")
    with checked_out(repository.path, first, tmp_path / "environments") as revision:
        assert (revision.root / "a.txt").read_text() == "1"
        assert not (revision.root / "new.txt").exists()
        assert (revision.commit, revision.python) == (first, sys.executable)
        assert revision.title == first[:12]
    assert not revision.root.parent.exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert repository.git("status", "--porcelain") == before
    assert (repository.path / "a.txt").read_text() == "3"


def contents(root):
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if ".git" not in path.parts and not (path.is_dir() and not path.is_symlink()) and path.name != ".git"
    }


def test_the_work_tree_is_copied_as_it_is_and_what_is_edited_later_is_not_in_it(repository, tmp_path):
    out = repository.path / "out"
    repository.commit("one", changed="1", removed="1", kept="1")
    (repository.path / ".gitignore").write_text("ignored.txt\n")
    repository.git("add", ".gitignore")
    repository.commit("ignore", staged="1")
    top = repository.path
    (top / "changed.txt").write_text("2")
    (top / "removed.txt").unlink()
    (top / "staged.txt").write_text("2")
    repository.git("add", "staged.txt")
    (top / "a folder").mkdir()
    (top / "a folder" / "new\u00e9.txt").write_text("mine")
    (top / "link").symlink_to("kept.txt")
    (top / "ignored.txt").write_text("no")
    out.mkdir()
    (out / "run.json").write_text("{}")
    repository.git("init", "-q", "nested")
    before = repository.git("status", "--porcelain")
    index = (top / ".git/index").read_bytes()
    with frozen(top, tmp_path / "environments", out) as revision:
        (top / "changed.txt").write_text("3")
        (top / "later.txt").write_text("3")
        assert contents(revision.root) == {
            ".gitignore": "ignored.txt\n",
            "a folder/new\u00e9.txt": "mine",
            "changed.txt": "2",
            "kept.txt": "1",
            "link": "kept.txt",
            "staged.txt": "2",
        }
        assert (revision.commit, revision.title) == (None, "the work tree")
        (top / "changed.txt").write_text("2")
        (top / "later.txt").unlink()
        # A run there says of it what a run here says of the tree.
        there, here = git_state(revision.root), git_state(top, ignore=[out, top / "nested"])
        assert there.dirty
        assert (there.sha, there.diff_sha256) == (here.sha, here.diff_sha256)
    assert not revision.root.parent.exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert repository.git("status", "--porcelain") == before
    assert (top / ".git/index").read_bytes() == index


def test_a_clean_tree_is_copied_clean(repository, tmp_path):
    commit = repository.commit("one", a="1")
    with frozen(repository.path, tmp_path, tmp_path / "out") as revision:
        state = git_state(revision.root)
    assert (state.sha, state.dirty) == (commit, False)


def test_sides_share_native_libraries_but_nothing_that_is_trained(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "cache"))
    commit = repository.commit("one", a="1")
    with checked_out(repository.path, commit, tmp_path) as one, frozen(repository.path, tmp_path, tmp_path) as other:
        for name in ("native", "trained"):
            (one.cache / name).mkdir(exist_ok=True)
            (one.cache / name / "made").write_text("by one")
        assert (other.cache / "native" / "made").exists()
        assert not (other.cache / "trained").exists()
    assert not one.cache.exists()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["native"]
    assert (tmp_path / "cache/native/made").exists()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_the_worktree_is_gone_also_after_a_failure(repository, tmp_path, failure):
    commit = repository.commit("one", a="1")
    roots = []

    def work():
        with checked_out(repository.path, commit, tmp_path) as revision:
            roots.append(revision.root)
            (revision.root / "left.txt").write_text("by a run")
            raise failure

    with pytest.raises(failure):
        work()
    assert not roots[0].parent.exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_a_failure_is_not_hidden_by_a_worktree_that_was_removed_meanwhile(repository, tmp_path):
    commit = repository.commit("one", a="1")

    def work():
        with checked_out(repository.path, commit, tmp_path) as revision:
            repository.git("worktree", "remove", "--force", str(revision.root))
            raise RuntimeError("the cause")

    with pytest.raises(RuntimeError, match="the cause"):
        work()


def test_in_a_hook_the_repository_is_the_one_that_was_asked_for(repository, tmp_path, monkeypatch):
    commit = repository.commit("one", a="1")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    assert top_of(repository.path) == repository.path
    assert resolve(repository.path, "HEAD") == commit


def test_a_commit_has_every_name_that_git_knows(repository):
    first = repository.commit("one", a="1")
    second = repository.commit("two", a="2")
    repository.git("tag", "-a", "v1", "-m", "a tag of its own", first)
    names = {"HEAD": second, "HEAD~1": first, "v1": first, "main": second, first[:10]: first}
    assert {name: resolve(repository.path, name) for name in names} == names


@pytest.mark.parametrize("name", ["nothing", "--help", "HEAD~9", "", "HEAD:a.txt"])
def test_an_unknown_commit_is_one_sentence(repository, name):
    repository.commit("one", a="1")
    with one_sentence(SuiteInputError, "is no commit of this repository: name one that is"):
        resolve(repository.path, name)


def test_in_a_shallow_clone_the_sentence_says_how_to_fetch(repository, tmp_path):
    first = repository.commit("one", a="1")
    repository.commit("two", a="2")
    repository.git("clone", "-q", "--depth=1", repository.path.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(SuiteInputError, match=f"git fetch --depth=1 origin {first}"):
        resolve(tmp_path / "shallow", first)


def test_the_command_ends_with_2_and_a_sentence_for_an_unknown_commit_or_no_repository(repository, tmp_path):
    repository.commit("one", a="1")
    (tmp_path / "plain").mkdir()
    for directory, words in ((repository.path, "'nothing' is no commit"), (tmp_path / "plain", "run it in a clone")):
        done = call(directory, "ab", "nothing", check=2)
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def write_project(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "pyproject.toml").write_text(text)
    return directory


def test_dependencies_are_compared_whatever_their_order_and_blanks(tmp_path):
    one = write_project(tmp_path / "one", PROJECT.format('"torch>=2", "numpy >= 1.26"'))
    two = write_project(tmp_path / "two", PROJECT.format('"numpy>=1.26","torch>=2"'))
    assert requirements(one) == requirements(two) == ["numpy>=1.26", "torch>=2"]
    assert python_for(one, two, tmp_path / "environments") == sys.executable
    assert not (tmp_path / "environments").exists()


@pytest.mark.parametrize("text", [None, "[project", "[tool.x]\n"])
def test_a_project_that_says_nothing_of_dependencies_has_none(tmp_path, text):
    if text is not None:
        write_project(tmp_path, text)
    assert requirements(tmp_path) == []


def wheel(directory: Path) -> Path:
    """A package that needs no network to install."""
    project = directory / "package"
    project.mkdir()
    (project / "tiny.py").write_text("VALUE = 7\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "tiny"\nversion = "1"\n'
    )
    (project / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(directory, settings=None, metadata=None):\n"
        "    name = 'tiny-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{directory}/{name}', 'w') as file:\n"
        "        file.write('tiny.py')\n"
        "        file.writestr('tiny-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n')\n"
        "        file.writestr('tiny-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n'\n"
        "                      'Generator: test\\nTag: py3-none-any\\n')\n"
        "        file.writestr('tiny-1.dist-info/RECORD', '')\n"
        "    return name\n"
    )
    return project


@pytest.mark.slow
def test_other_dependencies_get_an_environment_of_their_own_which_is_kept(tmp_path):
    wanted = [f"tiny @ {wheel(tmp_path).as_uri()}"]
    python = environment(wanted, tmp_path / "environments")
    seen = subprocess.run([python, "-c", "import tiny; print(tiny.VALUE)"], capture_output=True, text=True, check=True)
    assert seen.stdout == "7\n"
    (place,) = (tmp_path / "environments").iterdir()
    made = (place / "pyvenv.cfg").stat().st_mtime_ns
    assert environment(wanted, tmp_path / "environments") == python
    assert (place / "pyvenv.cfg").stat().st_mtime_ns == made


@pytest.mark.slow
def test_dependencies_that_cannot_be_installed_are_one_sentence(tmp_path):
    with one_sentence(SuiteInputError, "own dependencies cannot be installed"):
        environment([f"tiny @ {(tmp_path / 'nothing').as_uri()}"], tmp_path / "environments")


def test_a_pip_that_does_not_end_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'waits'\nbackend-path = ['.']\n"
    )
    (tmp_path / "project" / "waits.py").write_text("import time\ntime.sleep(3600)\n")
    monkeypatch.setattr(revisions, "INSTALL_SECONDS", 5)
    with pytest.raises(SuiteInputError, match=r"not installed within 0\.08\d* minutes: install"):
        environment([f"waits @ {(tmp_path / 'project').as_uri()}"], tmp_path / "environments")
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in left, "what pip has started ends with it"
