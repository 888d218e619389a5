"""What is missing is a skip with its reason, and a failure where nothing may be left out; in a pytest of its own."""

import pytest

from tests.command import ROOT, python
from tests.needs import COMPLETE, NEEDS, need

TESTS = """
import pytest
from tests.needs import need

@pytest.mark.needs("jq")
def test_marked():
    pass

@pytest.fixture
def machine():
    need("jq")

def test_by_a_fixture(machine):
    pass

@pytest.mark.needs()
def test_that_needs_nothing():
    pass
"""


def outcome(directory, **environment):
    """What pytest says of TESTS where there is not a single program."""
    (directory / "test_it.py").write_text(TESTS)
    (directory / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text("utf-8"))
    empty = directory / "no programs"
    empty.mkdir(exist_ok=True)
    words = ("-m", "pytest", "-rsE", "-p", "no:cacheprovider", "-p", "no:warnings", "test_it.py")
    variables = {"PYTHONPATH": str(ROOT), "PATH": str(empty), COMPLETE: "", **environment}
    return python(*words, cwd=directory, check=None, **variables)


def test_what_needs_it_is_skipped_with_the_reason_and_the_rest_passes(tmp_path):
    done = outcome(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 skipped" in done.stdout
    assert done.stdout.count("no jq here: install the package jq") == 2, done.stdout


def test_where_nothing_may_be_left_out_each_such_skip_is_a_failure(tmp_path):
    done = outcome(tmp_path, **{COMPLETE: "1"})
    assert done.returncode == 1, done.stdout
    assert "1 passed, 2 errors" in done.stdout
    assert f"{COMPLETE} is set" in done.stdout


def test_what_is_there_is_no_reason_to_skip(monkeypatch, tmp_path):
    (tmp_path / "jq").write_text("")
    (tmp_path / "jq").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    need("jq")
    with pytest.raises(KeyError):
        need("a name that nothing has")


@pytest.mark.parametrize("name", NEEDS)
def test_every_need_can_be_looked_for(name, monkeypatch, tmp_path):
    """On a machine that has no programs and no data."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("INFLOR_BENCH_DATA", str(tmp_path))
    if name not in ("tensorboard", "tonic", "aedat"):
        assert not NEEDS[name].is_there()


def test_ci_installs_what_the_tests_need_and_says_so():
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert f"export {COMPLETE}=1" in script
    packages = {item.remedy.rsplit(maxsplit=1)[1] for item in NEEDS.values() if "package" in item.remedy}
    assert all(package in script for package in packages - {"gcc", "util-linux"})
