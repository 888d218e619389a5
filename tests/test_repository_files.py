"""What people expect to find in a repository: that it is valid, and says the same as the files that it repeats."""

import configparser
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.command import ROOT, call

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def yaml(path):
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


def valid(schema, path):
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("citation-file-format", ROOT / "CITATION.cff"),
        ("github-issue-config", ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"),
        *(("github-issue-forms", path) for path in FORMS),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_it_is_valid_by_its_schema(schema, path):
    done = valid(schema, path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_is_of_this_software_and_of_the_paper():
    citation = yaml(ROOT / "CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    (paper,) = citation["references"]
    assert paper["title"] in " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert paper["identifiers"][0]["value"].removeprefix("arXiv:") in (ROOT / "README.md").read_text("utf-8")


def test_what_a_commit_is_checked_with_is_what_lint_runs():
    hooks = {hook["id"]: hook for repo in yaml(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    lint = tox["testenv:lint"]
    needed = [line for line in lint["deps"].split() if line.startswith("ruff")]
    for name in ("ruff-check", "ruff-format"):
        assert hooks[name]["additional_dependencies"] == needed
        words = [word for word in hooks[name]["entry"].split() if word != "--force-exclude"]
        assert f"{' '.join(words)} ." in lint["commands"]
    assert hooks["lint"]["entry"] == "tox run -e lint"
    assert hooks["lint"]["additional_dependencies"] == tox["tox"]["requires"].split()


def test_version_and_completion_are_those_of_every_command_line(tmp_path):
    done = call(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"inflor-bench {PROJECT['version']}\n")
    done = call(tmp_path, "--help")
    assert "--install-completion" in done.stdout
