"""`inflor-bench history` as a command: what it prints, its exit codes, and what is wrong with a history."""

import json
import os
import subprocess
import sys

import pytest

from inflor_bench.cli.app import main
from inflor_bench.history.check import examine
from inflor_bench.history.directory import HistoryDirectory
from tests.command import python
from tests.record.builders import make_git, make_machine, make_record, sha, write_run

NEURONS = ("relu", "soft")


@pytest.fixture
def command(repository, tmp_path, monkeypatch, capsys):
    """Call it in a repository; gives exit code, what was printed, and what was said on standard error."""
    repository.commit("First", a="1")
    monkeypatch.chdir(repository.path)
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["inflor-bench", "history", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed, said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, printed, said)

    return call


def given(tmp_path, number, **changes):
    about = {"run_id": f"run{number}", "created": f"2026-11-2{number}T12:00:00+00:00", "git": make_git(f"c{number}")}
    records = [make_record(neuron=neuron, provenance={**about, **changes}) for neuron in NEURONS]
    return write_run(tmp_path / "given" / f"{number}.json", records)


def test_add_list_show_and_push(command, repository, tmp_path):
    remote = tmp_path / "remote.git"
    repository.git("init", "-q", "--bare", str(remote))
    repository.git("remote", "add", "origin", str(remote))
    dirty = make_git("c2").model_copy(update={"dirty": True, "diff_sha256": "0" * 64, "branch": "\x1b[31mred"})
    files = given(tmp_path, 1), given(tmp_path, 2, git=dirty)
    done = command("add", *files, "--branch", "bench-data", "--push", "origin")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["added", "added", "pushed"]
    done = command("add", files[0], "--branch", "bench-data", "--push", "origin")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["there already", "pushed"]
    assert repository.git("rev-list", "--count", "bench-data", cwd=remote) == "2"

    done = command("list", "--branch", "bench-data")
    first, newest, oldest = done.stdout.splitlines()
    assert first.split() == ["time", "commit", "branch", "machine", "cells", "dirty", "run"]
    machine = sha("bench-box", 12)
    assert oldest.split() == ["2026-11-21", "12:00", sha("c1", 40)[:12], "main", machine, "2", "run1"]
    assert newest.split()[-4:] == [machine, "2", "dirty", "run2"]
    assert "\x1b" not in done.stdout

    listed = json.loads(command("list", "--history", "bench-data", "--json").stdout)
    assert [(run["run_id"], run["dirty"], run["sha"]) for run in listed] == [
        ("run2", True, sha("c2", 40)),
        ("run1", False, sha("c1", 40)),
    ]

    shown = [command("show", name, "--branch", "bench-data").stdout for name in ("run1", sha("c1", 40)[:7])]
    assert shown[0] == shown[1]
    assert f"commit   {sha('c1', 40)} on main" in shown[0]
    assert shown[0].count("95.00%") == 2
    assert command("show", files[0]).stdout.splitlines()[1:] == shown[0].splitlines()[1:]
    assert "never a baseline" in command("show", "run2", "--branch", "bench-data").stdout


def test_what_is_not_there_or_means_several_is_one_sentence(command, tmp_path):
    for number in (1, 2):
        command("add", given(tmp_path, number, git=make_git("same")), "--history", "runs")
    commit = sha("same", 40)[:8]
    for arguments, words in (
        (("show", commit, "--history", "runs"), f"'{commit}' means 2 runs ("),
        (("show", "run9", "--history", "runs"), "holds no run 'run9'"),
        (("list", "--history", "nowhere"), "neither such a directory nor such a branch"),
        (("doctor", "--branch", "nowhere"), "neither such a directory nor such a branch"),
        (("add", "nothing.json"), "does not exist"),
        (("add", given(tmp_path, 3), "--push", "origin"), "is a directory, and a branch is pushed"),
        (("list", "--branch", "a..b"), "is no name of a branch"),
    ):
        done = command(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("place", ["--history", "--branch"])
def test_the_doctor_ends_with_2_until_what_is_damaged_is_set_aside(command, repository, tmp_path, place):
    command("add", given(tmp_path, 1), given(tmp_path, 2), place, "data")
    if place == "--history":
        victim = next((repository.path / "data").glob("*/*run1.json"))
        victim.write_text("{")
    else:
        victim = repository.git("ls-tree", "-r", "--name-only", "data").splitlines()[0]
        repository.git("worktree", "add", "-q", str(tmp_path / "tree"), "data")
        (tmp_path / "tree" / victim).write_text("{")
        repository.git("commit", "-q", "-a", "-m", "Break", cwd=tmp_path / "tree")
        repository.git("worktree", "remove", str(tmp_path / "tree"))
    listed = command("list", place, "data")
    assert "Left out: " in listed.stderr
    assert "run2" in listed.stdout
    done = command("doctor", place, "data")
    assert done.returncode == 2
    assert "damaged  " in done.stdout
    assert done.stdout.splitlines()[-1] == "data: 1 run can be read, 1 damaged."
    done = command("doctor", place, "data", "--set-aside")
    assert done.returncode == 0
    assert "set aside  " in done.stdout
    done = command("doctor", place, "data")
    assert done.returncode == 0
    assert "leftover  damaged/" in done.stdout
    assert repository.git("status", "--porcelain") == ("?? data/" if place == "--history" else "")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv[1:] = ['history', 'add', '--help']\n"
        "from inflor_bench.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'pyarrow', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    assert python("-c", code).stderr == "[]\n"


def test_the_doctor_names_everything_and_its_kind(tmp_path):
    root = tmp_path / "runs"
    machine, other = sha("bench-box", 12), sha("other", 12)

    def at(name, **changes):
        fields = {"run_id": "r1", "created": "2026-11-24T12:30:00+00:00", "git": make_git("c"), **changes}
        return write_run(root / name, [make_record(provenance=fields)])

    proper = f"20261124T123000Z_{sha('c', 40)[:12]}"
    at(f"{machine}/{proper}_r1.json")
    at(f"{proper}_r2.json", run_id="r2")  # flat, and well named
    at(f"{other}/{proper}_r3.json", run_id="r3")  # of another machine
    at("named by hand.json", run_id="r4", machine=make_machine("other"))
    at("unnamable.json", run_id="../r5")
    content = (root / machine / f"{proper}_r1.json").read_bytes()
    (root / "copy.json").write_bytes(content)
    version = at("later.json", run_id="r6")
    version.write_text(version.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    (root / machine / "torn.json").write_text("{")
    (root / "empty.json").write_text("")
    os.symlink("nowhere", root / "link.json")
    (root / machine / f"{proper}_r7.cells").mkdir()
    write_run(root / machine / f"{proper}_r7.cells" / "cell.json", [make_record()])
    (root / machine / f"{proper}_r8.cell.damaged").write_text("")
    (root / machine / ".x.json.0123.tmp").write_text("")
    (root / "README.md").write_text("ours")
    found = examine(HistoryDirectory(root))
    told = {(complaint.kind, complaint.name) for complaint in found.complaints}
    assert told == {
        ("damaged", f"{machine}/torn.json"),
        ("damaged", "empty.json"),
        ("damaged", "link.json"),
        ("other version", "later.json"),
        ("duplicate", "copy.json"),
        ("misplaced", "copy.json"),
        ("misplaced", f"{other}/{proper}_r3.json"),
        ("misplaced", "named by hand.json"),
        ("misplaced", "unnamable.json"),
        ("leftover", f"{machine}/{proper}_r7.cells"),
        ("leftover", f"{machine}/{proper}_r8.cell.damaged"),
        ("leftover", f"{machine}/.x.json.0123.tmp"),
    }
    assert found.readable == 6
    assert {item.name for item in found.damaged} == {f"{machine}/torn.json", "empty.json", "link.json"}
    (same,) = [complaint for complaint in found.complaints if complaint.kind == "duplicate"]
    assert "the same content" in same.sentence
