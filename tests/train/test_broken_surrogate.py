"""A commit that breaks the surrogate gradient: its networks are trained anew, and the canary regresses."""

import re

import pytest

from inflor_bench.record.run_file import read_run
from tests.checkout import copy, inflor_bench
from tests.place import cells, suite
from tests.repository import Repository

CANARY = "digits/resnet8/soft/T2/s0"
SUITE = suite(cells("digits", "soft"), training={"epochs": 4}, measure={"rounds": 5})

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Two commits: the code as it is, and one in which no membrane passes a gradient on."""
    place = tmp_path_factory.mktemp("broken")
    (place / "home").mkdir()
    made = Repository(place / "repository", place / "home")
    copy(made.path)
    (made.path / "canary.toml").write_text(SUITE)
    made.commit("As it is")
    equations = made.path / "models/functional.py"
    text = equations.read_text("utf-8")
    broken = re.sub(r"\(u >= 0\) & \(u <= 1\)", "(u >= 5) & (u <= 6)", text)
    assert broken != text
    equations.write_text(broken, "utf-8")
    made.commit("Break the surrogate gradient")
    return made


def call(repository, *arguments):
    done = inflor_bench(repository.path, *arguments, INFLOR_BENCH_CACHE=str(repository.path.parent / "cache"))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_run_trains_the_canary_anew_and_it_regresses(repository, tmp_path):
    runs = []
    for commit, code in (("main^", 0), ("main", 1), ("main", 1)):  # a second run hides nothing
        repository.git("checkout", "-q", "--detach", commit)
        known = set(tmp_path.glob("runs/*/*.json"))
        done = call(repository, "run", "--suite", "canary.toml", "--out", tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        (path,) = set(tmp_path.glob("runs/*/*.json")) - known
        runs.append(read_run(path).cells[CANARY].record)
        assert not code or re.search(r"accuracy.*regressed|regressed.*accuracy", done.stdout)
    before, broken, again = (record.provenance.weights for record in runs)
    assert [weights.source for weights in (before, broken, again)] == ["trained", "trained", "cached"]
    assert before.training_key != broken.training_key == again.training_key
    assert runs[0].accuracy.correct - runs[1].accuracy.correct > 35, "a tenth of the test set"


def test_ab_sees_it_regress(repository, tmp_path):
    repository.git("checkout", "-q", "main")
    done = call(repository, "ab", "HEAD^", "HEAD", "--suite", "canary.toml", "--out", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"accuracy.*regressed|regressed.*accuracy", done.stdout)
