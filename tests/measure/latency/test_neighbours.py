"""What other processes take from a measurement: the kernel's own figures, and a real process beside a real one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inflor_bench.measure.latency import Neighbours, neighbours

module = sys.modules["inflor_bench.measure.latency.neighbours"]

BUSY = "import os\nos.sched_setaffinity(0, {%d})\nwhile True: pass"


def pretend(threads: Path, waited: dict[str, float]) -> None:
    for name, seconds in waited.items():
        (threads / name).mkdir(parents=True, exist_ok=True)
        (threads / name / "schedstat").write_text(f"123456 {int(seconds * 1e9)} 7\n")


@pytest.mark.parametrize(("waited", "disturbed"), [(0.0, False), (0.05, False), (0.5, True)])
def test_waiting_is_summed_over_threads_and_relative_to_the_wall_time(tmp_path, monkeypatch, waited, disturbed):
    now = iter([100.0, 102.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(module, "_THREADS", tmp_path)
    pretend(tmp_path, {"1": 4.0, "2": 5.0})
    with neighbours() as seen:
        pretend(tmp_path, {"1": 4.0 + waited, "2": 5.0 + waited})
    assert seen().waited == pytest.approx(2 * waited / 2.0)
    assert seen().disturbed == disturbed


def test_a_system_that_does_not_tell_is_not_said_to_be_disturbed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_THREADS", tmp_path / "nothing")
    with neighbours() as seen:
        pass
    assert (seen().waited, seen().disturbed) == (None, False)


def test_a_process_on_the_same_processor_is_seen():
    before = os.sched_getaffinity(0)
    processor = min(before)
    os.sched_setaffinity(0, {processor})
    other = subprocess.Popen([sys.executable, "-c", BUSY % processor])
    try:
        time.sleep(0.5)
        with neighbours() as seen:
            until = time.monotonic() + 1
            while time.monotonic() < until:
                pass
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, before)
    assert seen().disturbed
    assert seen().involuntary_switches > 0
    assert seen().processors < 0.9


def test_the_limit_is_what_was_seen_of_quiet_and_busy_machines():
    assert not Neighbours(500, 1.99, 0.033).disturbed
    assert Neighbours(500, 1.31, 0.67).disturbed
