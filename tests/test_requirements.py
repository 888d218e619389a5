"""The lists of versions agree with pyproject.toml: each bound is tested, and what was tested is allowed."""

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.command import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ASKED = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]]


def listed(name):
    lines = (ROOT / "requirements" / name).read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_the_lowest_versions_are_the_bounds():
    lowest = listed("lowest.txt")
    assert lowest.keys() == {canonicalize_name(asked.name) for asked in ASKED}
    for asked in ASKED:
        (bound,) = [Version(clause.version) for clause in asked.specifier if clause.operator == ">="]
        version = lowest[canonicalize_name(asked.name)]
        # Some projects have no release of just that name, but one with a further number or a post-release.
        assert version.release[: len(bound.release)] == bound.release, asked.name


def test_the_tested_versions_are_allowed():
    tested = listed("tested.txt")
    assert len(tested) > len(ASKED), "with what they need themselves"
    for asked in ASKED:
        assert asked.specifier.contains(tested[canonicalize_name(asked.name)]), asked.name
