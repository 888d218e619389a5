"""One measurement a device at a time: among processes, and let go of by one that is killed."""

import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import torch

from bench.suites.device_lock import device_lock

HOLD = """
import sys, time, contextlib, pathlib, torch
from bench.suites.device_lock import device_lock
with device_lock(torch.device("cpu"), pathlib.Path(sys.argv[1]), contextlib.nullcontext):
    print("held", flush=True)
    time.sleep(600)
"""
CPU = torch.device("cpu")


def holder(cache):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(cache)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_waits_until_the_first_is_gone(tmp_path):
    process = holder(tmp_path)
    seen = []

    @contextmanager
    def waiting():
        seen.append("waits")
        threading.Timer(0.3, process.send_signal, (signal.SIGKILL,)).start()
        yield
        seen.append("goes on")

    with device_lock(CPU, tmp_path, waiting):
        seen.append("holds")
        process.wait()
    assert seen == ["waits", "goes on", "holds"]


def test_where_nobody_holds_it_nobody_waits(tmp_path):
    for _ in range(2):
        with device_lock(CPU, tmp_path, lambda: 1 / 0):
            pass


def test_where_no_file_can_be_made_it_is_measured_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    with device_lock(CPU, tmp_path / "file", lambda: 1 / 0):
        pass
