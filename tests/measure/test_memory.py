from dataclasses import asdict

import pytest
import torch
from torch import nn

from inflor_bench.measure.memory import Memory, parameter_bytes, peak_memory
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record import costs

MODULE = nn.Linear(10, 5)
CPU = torch.device("cpu")
STATUS = "Name:\tpython\nVmHWM:\t{hwm} kB\nVmRSS:\t{rss} kB\nThreads:\t4\n"


def measure(call, proc):
    return peak_memory(call, MODULE, batch_size=3, device=CPU, proc=proc)


def test_parameters_count_once_and_by_their_own_size():
    shared = nn.Linear(10, 5)
    module = nn.Sequential(shared, nn.Linear(5, 5, bias=False).half(), shared, nn.BatchNorm1d(5))
    assert parameter_bytes(module) == (50 + 5) * 4 + 25 * 2 + 10 * 4


def test_a_batch_that_needs_64_mib_is_seen():
    def run(mib):
        result = peak_memory(lambda: torch.ones(mib << 18), MODULE, batch_size=1, device=CPU)
        if isinstance(result, Unavailable):
            pytest.skip(result.reason)
        return result

    run(1)
    small, large = run(1), run(64)
    assert 60 << 20 < large.above_baseline_bytes - small.above_baseline_bytes < 68 << 20
    assert large.peak_bytes > large.above_baseline_bytes
    again = run(1)
    assert again.above_baseline_bytes < 16 << 20


def test_the_peak_starts_anew_and_the_result_becomes_the_record_section(tmp_path):
    (tmp_path / "clear_refs").touch()
    (tmp_path / "status").write_text(STATUS.format(hwm=1000, rss=1000))
    result = measure(lambda: (tmp_path / "status").write_text(STATUS.format(hwm=1700, rss=1200)), tmp_path)
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert result == Memory("host_peak_rss", 3, 1700 * 1024, 700 * 1024, 220)
    assert costs.Memory(**asdict(result)).peak_bytes == 1700 * 1024


def test_where_the_peak_cannot_be_had_the_reason_is_given_and_nothing_runs(tmp_path):
    def never():
        raise AssertionError("ran")

    assert measure(never, tmp_path / "none").reason.startswith("peak_rss_not_readable: ")
    (tmp_path / "clear_refs").touch()
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert "no VmHWM" in measure(never, tmp_path).reason
    (tmp_path / "status").write_text(STATUS.format(hwm=90000, rss=1000))
    assert measure(never, tmp_path).reason.startswith("peak_rss_not_resettable: ")
    assert peak_memory(never, MODULE, batch_size=1, device=torch.device("meta")).reason.startswith("unknown_device: ")
