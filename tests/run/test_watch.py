"""The live line: what it says, and that it stands on a real terminal while a run goes on."""

import io
import re

import pynvml
import pytest
import torch
from rich.console import Console

from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.rapl import RaplMeter
from inflor_bench.run.watch import PowerLine, WatchPlugin
from tests.command import on_a_terminal
from tests.measure.power.fake_nvml import Constant, Gpu, Library, World, install

pytestmark = pytest.mark.long

UUID = "GPU-0f1e2d3c-0000-1111-2222-333344445555"
CUDA = torch.device("cuda", 0)


@pytest.fixture
def gpu_line(monkeypatch):
    """A line over a fake GPU of 200 W, in virtual time."""

    def make(gpu, **options):
        world = World()
        gpu.switch(world.time - 10, gpu.idle)
        library = Library(world, [gpu], **options)
        install(monkeypatch, library)
        line = PowerLine(CUDA, [NvmlEnergyMeter(UUID)], world.now)
        return line, world, library

    return make


def test_power_clock_temperature_and_throttling_stand_in_one_line(gpu_line):
    line, world, library = gpu_line(Gpu(UUID, idle=Constant(200.0), event_reasons=0x40))
    assert line.text().startswith("cuda:0  power: reading")
    world.wait(1.0)
    assert line.text() == "cuda:0  200 W  1400 MHz  60 °C  throttled: hardware thermal slowdown"
    line.close()
    assert library.open == 0
    assert "W" not in line.text().split()


def test_a_meter_that_stands_still_or_is_lost_is_no_power_of_0(gpu_line):
    line, world, _ = gpu_line(Gpu(UUID, stuck_at=100.5))
    line.text()
    world.wait(2.0)
    line.text()
    world.wait(1.0)
    assert "power not measured (the meter stands still)" in line.text()
    errors = {"nvmlDeviceGetTotalEnergyConsumption": (3, pynvml.NVML_ERROR_GPU_IS_LOST)}
    line, world, library = gpu_line(Gpu(UUID), errors=errors)
    for _ in range(4):
        world.wait(1.0)
        text = line.text()
    assert "power not measured (gpu_is_lost)" in text
    assert library.open == 0


def test_without_a_meter_the_reason_stands_there(tmp_path):
    line = PowerLine(torch.device("cpu"), [RaplMeter(tmp_path)])
    assert line.text().startswith("cpu  power not measured (rapl_not_found)")
    assert not re.search(r"\b0 W", line.text())


NET = """
import time
from torch import nn
class Slow(nn.Linear):
    def forward(self, x):
        time.sleep(0.02)
        return super().forward(x)
def build():
    return Slow(8, 4)
"""


def test_on_a_terminal_the_line_stands_while_a_model_is_measured_and_goes_before_the_table(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    command = ["measure", "net.py:build", "--shape", "8", "--quick", "--watch", "--require-power", "--rounds", "3"]
    command += ["--sweep-batch", "2", "--variant", "cuda-graph", "--tdp", "65"]
    code, seen, output = on_a_terminal(tmp_path, *command, shared=False, COLUMNS="120")
    measured = re.search(r"measured energy", output)
    assert code == (0 if measured else 1), seen
    assert measured or "power was required and not measured: " in seen
    assert not re.search(r"\b0(\.0*)? W", output + seen)
    lines = re.findall(r"cpu  (?:[\d.]+ W|power[^\x1b\r\n]*)", seen)
    assert len(lines) > 1
    assert "cpu  " not in output
    assert "latency" in output


def test_where_there_is_no_terminal_it_says_so():
    file = io.StringIO()
    plugin = WatchPlugin(torch.device("cpu"), Console(file=file))
    plugin.pytest_sessionstart()
    plugin.pytest_sessionfinish()
    assert file.getvalue() == "--watch shows its line on a terminal only.\n"
