"""One measurement a device at a time: among processes, and let go of by one that is killed."""

import signal
import threading
from contextlib import contextmanager

import pytest
import torch

from inflor_bench.cell import device_lock as module
from inflor_bench.cell.device_lock import DeviceBusyError, device_lock, no_lock
from inflor_bench.record.run_file import read_run
from inflor_bench.run.harness import run_provenance
from tests.command import start_python

HOLD = """
import sys, time, contextlib, pathlib, torch
from inflor_bench.cell import device_lock
device_lock.PLACE = pathlib.Path(sys.argv[1])
with device_lock.device_lock(torch.device("cpu"), contextlib.nullcontext):
    print("held", flush=True)
    time.sleep(600)
"""
CPU = torch.device("cpu")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of locks that no other process has."""
    monkeypatch.setattr(module, "PLACE", tmp_path)
    return tmp_path


def holder(place, **variables):
    process = start_python("-c", HOLD, place, env=variables)
    assert process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_waits_until_the_first_is_gone_whatever_caches_both_have(place, tmp_path, monkeypatch):
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "mine"))
    process = holder(place, INFLOR_BENCH_CACHE=str(tmp_path / "theirs"), TMPDIR=str(tmp_path))
    seen = []

    @contextmanager
    def waiting():
        seen.append("waits")
        threading.Timer(0.3, process.send_signal, (signal.SIGKILL,)).start()
        yield
        seen.append("goes on")

    with device_lock(CPU, waiting):
        seen.append("holds")
        process.wait()
    assert seen == ["waits", "goes on", "holds"]


def test_where_nobody_holds_it_nobody_waits(place):
    for _ in range(2):
        with device_lock(CPU, lambda: 1 / 0):
            pass


def test_nobody_waits_for_ever(place, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    process = holder(place)
    try:
        with (
            pytest.raises(DeviceBusyError, match="another measurement on cpu was not done within"),
            device_lock(CPU, waiting),
        ):
            pytest.fail("it is held by another process")
    finally:
        process.kill()
        process.wait()


@contextmanager
def waiting():
    yield


@pytest.mark.parametrize("what", ["a file", "a link of somebody", "no locks"])
def test_where_nothing_can_be_locked_it_is_measured_said_and_recorded(place, what, monkeypatch, capsys):
    assert no_lock() is None
    assert "shared" not in run_provenance(place, []).machine.preimage
    (ours,) = place.glob("inflor-bench-*")
    for lock in ours.iterdir():
        lock.unlink()
    ours.rmdir()
    if what == "a file":
        ours.write_text("")
    elif what == "a link of somebody":
        (place / "elsewhere").mkdir()
        ours.symlink_to(place / "elsewhere")
    else:
        monkeypatch.setattr("inflor_bench.lock.fcntl.flock", refusing)
    capsys.readouterr()
    with device_lock(CPU, lambda: 1 / 0):
        pass
    provenance = run_provenance(place, [])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("Another measurement may run beside this one: ")
    assert provenance.machine.preimage["shared"] == "perhaps: " + said.strip().partition(": ")[2].removesuffix(".")


def refusing(*_):
    raise OSError(38, "no locks here")


MODEL = """
import torch
def make():
    return torch.nn.Linear(4, 2)
"""


def test_measure_waits_its_turn_too(tmp_path):
    """By the place that every process has, which is held only until the other one says that it waits."""
    (tmp_path / "mine.py").write_text(MODEL)
    with device_lock(CPU, waiting):
        process = start_python(
            *("-m", "inflor_bench", "measure", "mine.py:make", "--shape", 4, "--quick", "--rounds", 2), cwd=tmp_path
        )
        try:
            line = next((line for line in process.stderr if "waiting until another measurement" in line), "")
        except BaseException:
            process.kill()
            raise
        assert line == "waiting until another measurement on cpu is done\n"
    process.communicate()
    assert process.returncode == 0
    (path,) = tmp_path.glob(".bench/runs/*/*.json")
    (cell,) = read_run(path).cells.values()
    assert cell.record.latency.status == "measured"
