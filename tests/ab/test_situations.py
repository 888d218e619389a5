"""`ab` wherever a repository stands: real repositories, and copies of our own packages where something is measured.

The table in docs/gate.md says the same in words.
"""

import json
import shutil

import pytest

from inflor_bench.ab.revisions import resolve
from inflor_bench.errors import SuiteInputError
from inflor_bench.git.repository import git_state
from inflor_bench.record.run_file import read_run
from inflor_bench.reports.pages.comment import MARKER
from tests.command import ROOT, call
from tests.place import cells, suite

pytestmark = pytest.mark.long


def small(dataset, neuron):
    return suite(cells(dataset, neuron, timesteps=1), training={"epochs": 1})


def ab(directory, *arguments, **environment):
    return call(directory, "ab", *arguments, COLUMNS="300", **environment)


def of_a_pull_request(repository, **changes):
    """Check out, detached, the merge of a branch with these changes into a main that went on; return main's tip."""
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit("feature", **changes)
    repository.git("checkout", "-q", "main")
    main = repository.commit("main goes on", note="on")
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "feature")
    return main


def test_the_base_of_a_pull_request_is_there_in_a_clone_of_depth_2(repository, tmp_path):
    repository.commit("one", a="1")
    main = of_a_pull_request(repository, b="1")
    repository.git("checkout", "-q", "-b", "merged")
    for depth in (1, 2):
        where = str(tmp_path / f"depth{depth}")
        repository.git("clone", "-q", f"--depth={depth}", "-b", "merged", repository.path.as_uri(), where)
    assert resolve(tmp_path / "depth2", "HEAD^1") == main == git_state(tmp_path / "depth2").base_sha
    with pytest.raises(SuiteInputError, match="in this shallow clone fetch it: git fetch --unshallow"):
        resolve(tmp_path / "depth1", "HEAD^1")
    repository.git("fetch", "-q", "--unshallow", cwd=tmp_path / "depth1")
    assert resolve(tmp_path / "depth1", "HEAD^1") == main


def test_a_base_that_was_rebased_away_is_known_where_git_still_has_it(repository, tmp_path):
    repository.commit("one", a="1")
    before = repository.commit("two", a="2")
    repository.git("commit", "-q", "--amend", "-m", "two, better said")
    assert resolve(repository.path, before) == before
    repository.git("clone", "-q", repository.path.as_uri(), str(tmp_path / "clone"))
    with pytest.raises(SuiteInputError, match=f"'{before}' is no commit of this repository: name one that is"):
        resolve(tmp_path / "clone", before)


def test_without_a_commit_or_without_git_the_command_ends_with_2_and_a_sentence(repository, tmp_path):
    for words, environment in {"'HEAD' is no commit": {}, "git is not installed": {"PATH": str(tmp_path)}}.items():
        done = ab(repository.path, "HEAD", **environment)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def ours(repository):
    """A repository with copies of our packages, without the shipped weights."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for package in ("bench", "models", "reports"):
        shutil.copytree(ROOT / package, repository.path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", repository.path)
    (repository.path / ".gitignore").write_text("__pycache__\n")
    return repository


@pytest.mark.slow
def test_a_base_of_another_version_of_the_schema_is_named_with_the_versions(ours, tmp_path):
    (tmp_path / "empty").mkdir()
    path = tmp_path / "suite.toml"
    path.write_text(small("fashion-mnist", "hard"))
    records = ours.path / "bench/record/schema.py"
    now = records.read_text("utf-8")
    records.write_text(now.replace("SCHEMA_VERSION: Final = 1", "SCHEMA_VERSION: Final = 0").replace("[1]", "[0]", 1))
    assert records.read_text("utf-8") != now
    base = ours.commit("records as they were")
    records.write_text(now)
    ours.commit("records as they are")
    done = ab(ours.path, base, "--suite", path, "--data-root", tmp_path / "empty", "--out", tmp_path / "out")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "schema_version is 0, and this program reads 1" in done.stderr
    assert len(ours.git("worktree", "list").splitlines()) == 1


@pytest.mark.slow
def test_a_pull_request_that_changes_nothing_of_the_code_is_compared_with_its_base_and_passes(ours, tmp_path):
    """Also with a dirty tree, from a detached head: what is judged is the work tree, and it stays as it is."""
    ours.commit("our packages")
    main = of_a_pull_request(ours, b="1")
    (ours.path / "note.txt").write_text("not committed")
    before = ours.git("status", "--porcelain")
    path, summary = tmp_path / "suite.toml", tmp_path / "summary.md"
    path.write_text(small("digits", "relu"))
    done = ab(
        ours.path,
        *("HEAD^1", "--suite", path, "--out", tmp_path / "out"),
        INFLOR_BENCH_CACHE=str(tmp_path / "cache"),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cell = "digits/resnet8/relu/T1/s0"
    log = done.stderr.splitlines()
    assert f"timed   {cell}" in log
    for side in ("base", "head"):  # each is trained by its own code, and counted without a clock
        (path,) = (tmp_path / "out/ab" / side / "runs").glob("*/*.json")
        assert json.loads(path.read_text())["benchmarks"] == []
        record = read_run(path).cells[cell].record
        assert record.provenance.weights.source == "trained"
        assert record.latency.status == "skipped"
    pairs = json.loads((tmp_path / "out/ab/pairs.json").read_text())
    assert (pairs["base"], pairs["head"]) == (main, None)
    for words, kept in (("A/A pair ", pairs["same"][cell]), ("pair ", pairs["pairs"].get(cell))):
        lines = [line for line in log if line.startswith(words)]
        assert all(f", open: {cell}, " in line and line.endswith(" s so far") for line in lines)
        assert len(lines) == (len(kept["latency"]["base"]) if kept else 0)
    comparison = json.loads((tmp_path / "out/ab/comparison.json").read_text())
    assert comparison["counts"]["regressed"] == 0
    assert comparison["counts"]["same"] > 0
    assert comparison["head"]["git"]["dirty"]
    assert summary.read_text("utf-8") == (tmp_path / "out/report/comment.md").read_text("utf-8")
    assert summary.read_text("utf-8").count(MARKER) == 1
    assert ours.git("status", "--porcelain") == before
    assert len(ours.git("worktree", "list").splitlines()) == 1
