"""The environments of tox.ini have what their commands need, also those without the package itself."""

import configparser
import importlib.util
import json
import os
import re
import shlex
import subprocess
import venv
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.command import ROOT, python
from tests.record.builders import make_git, make_record, write_run
from tests.repository import Repository

pytestmark = pytest.mark.long

TOX = configparser.ConfigParser(interpolation=None)
TOX.read_string((ROOT / "tox.ini").read_text("utf-8"))
ENVIRONMENTS = {name.removeprefix("testenv:"): TOX[name] for name in TOX.sections() if name.startswith("testenv:")}

# Runs modules as `python -m` does, one after the other, where the packages that are named cannot be imported.
HIDE = """
import contextlib, io, json, runpy, sys, traceback
hidden, commands = json.load(sys.stdin)
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
sys.path.insert(0, "")
done = []
for sys.argv in commands:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            code = 1
            traceback.print_exc()
    done.append([int(code), out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


def lines(environment, key):
    """The lines of a value; of `commands` each is one command."""
    value = re.sub(
        r"\{\[testenv:(\w+)\](\w+)\}",
        lambda match: ENVIRONMENTS[match[1]][match[2]],
        ENVIRONMENTS[environment].get(key, ""),
    )
    return [line for line in value.splitlines() if line and not line.startswith("#")]


def commands(environment, *posargs, key="commands"):
    """The words of each command, with these arguments."""
    given = re.compile(r"\{posargs(:[^}]*)?\}")
    found = []
    for line in lines(environment, key):
        words = given.sub(lambda match: shlex.join(posargs) or (match[1] or ":")[1:], line)
        found.append(shlex.split(words.replace("{toxinidir}", str(ROOT))))
    return found


def installed_with(requirements):
    """The distributions that requirements bring, with what those need."""
    todo, found = [Requirement(text) for text in requirements], set()
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        if name in found or (asked.marker and not asked.marker.evaluate({"extra": ""})):
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # ruff and mypy, which are programs and not imported
            continue
        found.add(name)
        todo += map(Requirement, needed)
    return found


def hidden_from(environment):
    """The packages that are here and would not be in an environment without the package itself."""
    there = installed_with(lines(environment, "deps")) | {"inflor-bench"}
    return [
        package
        for package, distributions in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in distributions} & there
    ]


def bare(environment, asked, directory=ROOT, **variables):
    """Run commands without what the environment lacks; gives exit code, output and errors of each."""
    assert all(command[:2] == ["python", "-m"] for command in asked)
    given = json.dumps([hidden_from(environment), [command[2:] for command in asked]])
    return json.loads(python("-c", HIDE, given=given, cwd=directory, **variables).stdout)


def history_commands(directory):
    """A history on a branch and one in a directory, and every command that there is for them, with its exit code."""
    repository = Repository(directory / "repository", directory)
    repository.commit("First", a="1")
    repository.git("init", "-q", "--bare", str(directory / "remote.git"))
    repository.git("remote", "add", "origin", str(directory / "remote.git"))
    given = []
    for number in (1, 2):
        about = {"run_id": f"run{number}", "created": f"2026-11-2{number}T12:00:00+00:00", "git": make_git(f"{number}")}
        given.append(str(write_run(directory / f"{number}.json", [make_record(provenance=about)])))
    asked = [(0, "add", *given, "--branch", "bench-data", "--push", "origin"), (0, "add", *given, "--history", "runs")]
    for place in (("--branch", "bench-data"), ("--history", "runs")):
        asked += [
            (0, "list", *place),
            (0, "list", *place, "--json"),
            (0, "show", "run1", *place),
            (0, "doctor", *place),
        ]
    (repository.path / "broken").mkdir()
    (repository.path / "broken" / "a.json").write_text("{")
    asked += [
        (2, "doctor", "--history", "broken"),
        (0, "doctor", "--history", "broken", "--set-aside"),
        (0, "list", "--history", "broken"),
    ]
    return repository.path, asked


def test_every_history_command_runs_in_its_environment(tmp_path):
    from inflor_bench.cli.history import history

    directory, asked = history_commands(tmp_path)
    assert {command.name or command.callback.__name__ for command in history.registered_commands} == {
        command for _, command, *_ in asked
    }
    assert {"torch", "pyarrow", "pandas", "scipy", "pytest"} <= set(hidden_from("history"))
    called = [command for _, *arguments in asked for command in commands("history", *arguments)]
    results = bare("history", called, directory, INFLOR_BENCH_CACHE=str(tmp_path / "cache"))
    for (expected, *arguments), (code, out, err) in zip(asked, results, strict=True):
        assert "Traceback" not in err, err
        assert code == expected, (arguments, err)
        if arguments[0] in ("list", "show") and "broken" not in arguments:
            assert "run1" in out
    assert not (tmp_path / "cache").exists(), "no cache without pyarrow"


def test_the_import_rules_are_checked_without_torch():
    *_, command = commands("lint")
    ((code, out, err),) = bare("lint", [command], PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0, out + err
    assert "passed" in out


@pytest.mark.slow
def test_the_history_environment_as_it_is_installed(tmp_path):
    """What its dependencies bring is asked of pip, so that nothing of this environment is there."""
    place = tmp_path / "environment"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *lines("history", "deps")], check=True)
    (before,) = commands("history", key="commands_pre")
    subprocess.run([python, *before[1:]], check=True)
    directory, asked = history_commands(tmp_path)
    for code, *arguments in asked:
        (command,) = commands("history", *arguments)
        done = subprocess.run(
            [python, *command[1:]],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_a_command_names_is_there(environment):
    """Of the environments that have everything: programs and options are known, and files exist."""
    scripts = {entry.name for entry in metadata.entry_points(group="console_scripts")}
    for program, *rest in commands(environment):
        if program == "inflor-bench":
            assert program in scripts
            known = python("-m", "inflor_bench", rest[0], "--help").stdout
            assert all(word in known for word in rest if word.startswith("--"))
        elif program == "python":
            assert rest[0] == "-m"
            assert rest[1] == "pytest" or importlib.util.find_spec(rest[1]) is not None
            assert all((ROOT / word).exists() for word in rest if word.startswith("tests/"))
        else:
            assert program in " ".join(lines(environment, "deps")), f"{program} is not installed there"
