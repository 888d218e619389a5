"""Importing works where the modules and names of POSIX are missing, and what needs them says so in one sentence."""

import importlib.util
import json
import os
import sys
from contextlib import nullcontext

import pytest
import torch

from inflor_bench import lock
from inflor_bench.cell.device_lock import device_lock, no_lock
from inflor_bench.errors import TrackInputError
from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.record.open_run import open_run, recover_unfinished
from tests.command import ROOT, python
from tests.record.builders import make_provenance, make_record, write_run

FOLDERS = {"bench": "inflor_bench", "models": "inflor_bench.models", "reports": "inflor_bench.reports"}
# Takes from our modules alone what Windows lacks: other packages have ways of their own there, which are not tried.
IMPORTER = """
import builtins, importlib, json, os, signal, sys, types

MISSING = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
NAMES = {
    "os": "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchmod fchown fork forkpty getegid geteuid getgid "
    "getloadavg getpgid getpriority getresuid getsid getuid kill killpg lchown mkfifo nice pipe2 posix_fadvise "
    "posix_fallocate pread pwrite register_at_fork sched_getaffinity sched_setaffinity sendfile setpgid setpriority "
    "setsid setuid statvfs sync sysconf tcgetpgrp uname wait wait3 wait4 waitid".split(),
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIG_BLOCK "
    "SIG_SETMASK SIG_UNBLOCK alarm pthread_kill pthread_sigmask setitimer sigtimedwait sigwait".split(),
}
views = {}
for module in (os, signal):
    views[module.__name__] = view = types.ModuleType(module.__name__)
    vars(view).update({name: value for name, value in vars(module).items() if name not in NAMES[module.__name__]})
whole = builtins.__import__


def without(name, globals=None, locals=None, fromlist=(), level=0):
    if (globals or {}).get("__name__", "").partition(".")[0] in sys.argv[1].split():
        if name in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}")
        if name in views:
            return views[name]
    return whole(name, globals, locals, fromlist, level)


builtins.__import__ = without
failed = {}
for name in ["inflor_bench.breach", *sys.argv[2:]]:
    try:
        if name == "inflor_bench.breach":
            exec("import os; os.setpgid(0, 0); import fcntl", {"__name__": name})
        else:
            importlib.import_module(name)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""


def modules():
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent.name != "benchmarks":
                yield ".".join((package, *path.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(
                    ".__init__"
                )


def test_every_module_is_imported_without_what_windows_lacks():
    names = list(modules())
    assert len(names) > 200
    done = python("-c", IMPORTER, "inflor_bench", *names)
    failed = json.loads(done.stdout.splitlines()[-1])
    assert failed.pop("inflor_bench.breach").startswith("AttributeError"), "the importer would not see a breach"
    if importlib.util.find_spec("ray") is None:  # the only package of an extra that is imported with a module of ours
        failed = {name: why for name, why in failed.items() if "Ray cannot be imported" not in why}
    assert failed == {}


@pytest.fixture
def no_locks(monkeypatch):
    """The sentence of a system without flock; our modules believe to run on it."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("lock_without_fcntl", lock.__file__)
    without = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(without)
    monkeypatch.setattr(lock, "NO_LOCKS", without.NO_LOCKS)
    return without.NO_LOCKS


def test_a_run_that_nothing_would_guard_is_refused_before_anything_is_measured(tmp_path, no_locks):
    with pytest.raises(TrackInputError) as refused:
        open_run(tmp_path, make_provenance())
    assert str(refused.value) == no_locks
    assert no_locks.count(". ") == 0
    assert "use Linux" in no_locks
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_run_that_may_be_live_is_left_alone_where_that_cannot_be_told(tmp_path, no_locks):
    cells = tmp_path / "machine" / "run.cells"
    cells.mkdir(parents=True)
    (cells / "cell.json").write_text("kept")
    with pytest.raises(TrackInputError, match="locked"):
        recover_unfinished(tmp_path)
    assert (cells / "cell.json").read_text() == "kept"


def test_a_history_is_read_there_and_not_written(tmp_path, no_locks):
    run = write_run(tmp_path / "runs" / "run.json", [make_record()])
    history = HistoryDirectory(tmp_path / "runs")
    tables = load_tables(history, tmp_path / "cache")
    assert [row.file for row in tables.run_rows()] == ["run.json"]
    assert no_locks in tables.note
    with pytest.raises(TrackInputError, match="locked"):
        history.add("machine/other.json", run.read_text())
    assert [path.name for path in (tmp_path / "runs").rglob("*.json")] == ["run.json"]


def test_a_device_is_measured_there_all_the_same_and_why_it_is_not_held_is_known(tmp_path, monkeypatch, no_locks):
    monkeypatch.setattr("inflor_bench.cell.device_lock.PLACE", tmp_path)
    with device_lock(torch.device("cpu"), nullcontext):
        assert os.listdir(tmp_path) == []
    assert no_lock() == no_locks.removesuffix(".")
