"""The measurement in real time and real processes, RAPL on a tree of files, and that importing costs nothing."""

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from inflor_bench.measure.power import (
    QUICK,
    NvmlEnergyMeter,
    PowerMeasurement,
    Profile,
    measure_power,
    meters_for,
    separate,
)
from inflor_bench.measure.power.inventory import inventory
from inflor_bench.measure.power.null import NullMeter
from inflor_bench.measure.power.progress import Completions
from inflor_bench.measure.power.rapl import RaplMeter
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record.provenance import machine
from tests.command import python, start_python
from tests.measure.power.fake_nvml import World
from tests.measure.power.wattmeter import Crashing, Wattmeter

SHORT = Profile("short", trials=2, seconds=0.1, iterations=5, idle_seconds=0.05, lead_seconds=0.02, delay_seconds=0.02)


def load():
    time.sleep(0.004)


def test_a_real_load_runs_in_the_callers_thread_and_its_joules_are_shared_out(tmp_path):
    threads, calls = set(), []

    def load():
        threads.add(threading.current_thread())
        calls.append(time.perf_counter())
        time.sleep(0.004)

    before = threading.active_count()
    result = measure_power(load, [Wattmeter(tmp_path / "log")], batch_size=2, profile=SHORT)
    assert threads == {threading.current_thread()}
    assert threading.active_count() == before
    assert (tmp_path / "log").read_text().split() == ["open", "close"]
    inferences = 2 * sum(result.iterations)
    assert result.joules_per_inference * inferences == pytest.approx(sum(result.window_seconds) * 10.0, rel=0.3)
    assert result.joules_per_inference_above_idle == pytest.approx(0, abs=0.5 * result.joules_per_inference)
    assert min(result.iterations) >= 5
    assert sum(result.iterations) <= len(calls)
    assert result.flags[0].startswith("short_profile: 2 windows")
    assert result.temperature_celsius == 41.0


def test_the_load_begins_after_the_idle_device_was_watched(tmp_path):
    calls = []
    began = time.perf_counter()
    profile = replace(SHORT, idle_seconds=0.3)
    measure_power(
        lambda: calls.append(time.perf_counter()), [Wattmeter(tmp_path / "log")], batch_size=1, profile=profile
    )
    assert calls[0] - began > profile.lead_seconds + profile.idle_seconds


def test_an_error_of_the_load_reaches_the_caller_and_nothing_is_left(tmp_path):
    count = []

    def load():
        count.append(1)
        time.sleep(0.001)
        if len(count) == 20:
            raise RuntimeError("out of memory")

    before = threading.active_count(), children()
    with pytest.raises(RuntimeError, match="out of memory"):
        measure_power(load, [Wattmeter(tmp_path / "log")], batch_size=1, profile=SHORT)
    assert (threading.active_count(), children()) == before
    assert (tmp_path / "log").read_text().split() == ["open", "close"]


def children():
    """The processes that this one started and that are still there, ended ones that nobody waited for too."""
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


def test_a_meter_that_breaks_ends_the_load_and_gives_its_reason(tmp_path):
    calls = []

    def load():
        calls.append(1)
        time.sleep(0.001)
        if len(calls) == 3:  # each window wants 5 of them, so the first is still open
            (tmp_path / "broken").touch()

    meter = Wattmeter(tmp_path / "log", fails_once=tmp_path / "broken")
    assert measure_power(load, [meter], batch_size=1, profile=SHORT) == Unavailable("broken: it broke.")
    assert (tmp_path / "log").read_text().split() == ["open", "close"]
    assert len(calls) >= 3


def test_a_process_that_dies_with_its_meter_is_told_and_costs_nothing_else(tmp_path):
    result = measure_power(load, [Crashing(tmp_path / "log")], batch_size=1, profile=SHORT)
    assert isinstance(result, Unavailable)
    assert result.reason == "meter_process_failed: the process that reads the power meter ended: the driver crashed."


def test_a_process_that_dies_between_its_question_and_the_answer_is_told(tmp_path, monkeypatch):
    deaf = tmp_path / "python"
    deaf.write_text("#!/bin/sh\nread request\nexec 0<&-\necho load\necho completed\nsleep 0.2\necho it died >&2\n")
    deaf.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(deaf))
    result = measure_power(load, [Wattmeter(tmp_path / "log")], batch_size=1, profile=SHORT)
    assert isinstance(result, Unavailable)
    assert result.reason == "meter_process_failed: the process that reads the power meter ended: it died."


def test_a_process_that_the_driver_holds_is_ended(tmp_path, monkeypatch):
    held = tmp_path / "python"
    held.write_text("#!/bin/sh\nread request\necho load\nexec sleep 600\n")
    held.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(held))
    monkeypatch.setattr(separate, "LIMIT_SECONDS", 0.5)
    result = measure_power(load, [Wattmeter(tmp_path / "log")], batch_size=1, profile=SHORT)
    assert isinstance(result, Unavailable)
    assert "not done within 0.5 s" in result.reason


def test_no_process_watches_on_where_the_measuring_one_was_killed(tmp_path):
    code = (
        "import sys, time\n"
        "from inflor_bench.measure.power import FULL, measure_power\n"
        "from tests.measure.power.wattmeter import Wattmeter\n"
        "measure_power(lambda: time.sleep(0.01), [Wattmeter(sys.argv[1])], batch_size=1, profile=FULL)\n"
    )
    process = start_python("-c", code, tmp_path / "log")
    while not (tmp_path / "log").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while (tmp_path / "log").read_text().split() != ["open", "close"]:
        assert time.monotonic() < deadline, "it still watches"
        time.sleep(0.01)


def test_iterations_between_completions_are_shared_in_proportion():
    progress = Completions(start=1.0, moments=[2.0, 4.0, 4.5])
    assert progress.iterations_at(1.0) == 0
    assert progress.iterations_at(1.5) == pytest.approx(0.5)
    assert progress.iterations_at(2.0) == pytest.approx(1)
    assert progress.iterations_at((3 * 2.0 + 4.0) / 4) == pytest.approx(1.25)
    assert progress.iterations_at(4.5) == progress.iterations_at(9.0) == 3


@pytest.fixture
def powercap(tmp_path):
    def zone(path, name, energy, limit=1_000_000):
        folder = tmp_path / path
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "energy_uj").write_text(f"{energy}\n")
        (folder / "max_energy_range_uj").write_text(f"{limit}\n")
        return folder / "energy_uj"

    zone.root = tmp_path
    return zone


def test_rapl_adds_packages_and_memory_and_counts_nothing_twice(powercap):
    counted = [
        powercap("intel-rapl:0", "package-0", 100),
        powercap("intel-rapl:0:2", "dram", 200),
        powercap("intel-rapl:1", "package-1", 300),
        powercap("intel-rapl:1:0", "dram", 400),
    ]
    left_out = [
        powercap("intel-rapl:0:0", "core", 0),
        powercap("intel-rapl:0:1", "uncore", 0),
        powercap("intel-rapl:2", "psys", 0),
        powercap("intel-rapl-mmio:0", "package-0", 0),
    ]
    (powercap.root / "intel-rapl").mkdir()
    reader = RaplMeter(powercap.root).open(lambda: 0.0)
    assert reader.read() == 0
    for n, path in enumerate(counted):
        path.write_text(str(int(path.read_text()) + 10**n))
    for path in left_out:
        path.write_text("500000")
    assert reader.read() == pytest.approx(1111e-6)


def test_rapl_zones_under_two_drivers_that_number_them_otherwise_count_once(powercap):
    counted = [
        powercap("intel-rapl:1", "package-0", 0),
        powercap("intel-rapl:2", "package-1", 0),
        powercap("intel-rapl:2:0", "dram", 0),
        powercap("intel-rapl-mmio:0:0", "dram", 0),
    ]
    again = [
        powercap("intel-rapl:0", "psys", 0),
        powercap("intel-rapl-mmio:0", "package-0", 0),
        powercap("intel-rapl-mmio:1", "package-1", 0),
        powercap("intel-rapl-mmio:1:0", "dram", 0),
    ]
    reader = RaplMeter(powercap.root).open(lambda: 0.0)
    for n, path in enumerate(counted):
        path.write_text(str(10**n))
    for path in again:
        path.write_text("500000")
    assert reader.read() == pytest.approx(1111e-6)


def test_rapl_wraps_around(powercap):
    counter = powercap("intel-rapl:0", "package-0", 900_000)
    reader = RaplMeter(powercap.root).open(lambda: 0.0)
    for value, joules in ((950_000, 0.05), (150_000, 0.25), (100_000, 1.2), (100_000, 1.2)):
        counter.write_text(str(value))
        assert reader.read() == pytest.approx(joules)


def test_rapl_recovers_known_joules_through_wraps(powercap):
    counter = powercap("intel-rapl:0", "package-0", 0, limit=50_000_000)
    world = World()
    world.on_wait = lambda: counter.write_text(str(int(world.time * 35e6) % 50_000_000))
    result = measure_power(
        lambda: None, [RaplMeter(powercap.root)], batch_size=4, profile=QUICK, observer=world, random=Random(1)
    )
    assert result.joules_per_inference == pytest.approx(35 * 0.01 / 4, rel=1e-3)
    assert (result.meter, result.device, result.cross_check_meter) == ("rapl", "cpu", None)
    assert result.flags[0].startswith("whole_machine: ")


def test_rapl_that_cannot_be_read_says_why(powercap, monkeypatch):
    meter = RaplMeter(powercap.root)
    assert meter.probe().reason.startswith("rapl_not_found: ")
    assert RaplMeter(powercap.root / "none").probe().reason.startswith("rapl_not_found: ")
    counter = powercap("intel-rapl:0", "package-0", 5)
    assert meter.probe() is None
    counter.write_text("?")
    assert meter.probe().reason.startswith("rapl_not_readable: ")
    counter.unlink()
    assert "energy_uj" in meter.probe().reason

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    texts = {"name": "package-0", "max_energy_range_uj": "5"}
    monkeypatch.setattr(type(counter), "read_text", lambda path: texts.get(path.name) or refuse(path))
    assert meter.probe().reason.startswith("no_permission: ")
    assert "root" in meter.probe().reason


def test_rapl_broken_in_the_middle_is_unavailable(powercap):
    counter = powercap("intel-rapl:0", "package-0", 0)
    world = World()

    def advance():
        counter.write_text(str(int(world.time * 1e5)))
        if world.time > 105:
            counter.unlink()

    world.on_wait = advance
    result = measure_power(lambda: None, [RaplMeter(powercap.root)], batch_size=1, profile=QUICK, observer=world)
    assert result.reason.startswith("rapl_not_readable: ")


def test_a_meter_of_another_device_checks_nothing(tmp_path):
    meters = [Wattmeter(tmp_path / "log"), Wattmeter(tmp_path / "log", device="GPU-1")]
    result = measure_power(load, meters, batch_size=1, profile=SHORT)
    assert isinstance(result, PowerMeasurement)
    assert result.cross_check_meter is None


def test_the_null_meter_gives_its_reason():
    meter = NullMeter("not_asked: power was not asked for.")
    assert meter.probe() == Unavailable("not_asked: power was not asked for.")
    assert measure_power(lambda: None, [meter], batch_size=1) == meter.probe()
    assert measure_power(lambda: None, [], batch_size=1).reason.startswith("no_meter: ")


def test_devices_get_the_meters_that_apply():
    assert [meter.name for meter in meters_for(torch.device("cpu"))] == ["rapl"]
    assert [meter.name for meter in meters_for(torch.device("meta"))] == ["null"]
    assert "meta" in meters_for(torch.device("meta"))[0].probe().reason


def test_a_gpu_is_told_by_its_uuid(monkeypatch):
    class Properties:
        uuid = "0f1e2d3c"

    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: asked.append(device) or Properties())
    meters = meters_for(torch.device("cuda", 1))
    assert [meter.name for meter in meters] == ["nvml_energy", "nvml_power"]
    assert asked == [torch.device("cuda", 1)]
    assert {meter.arguments for meter in meters} == {("0f1e2d3c",)}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class NVMLError(Exception): pass\nNVML_SUCCESS = 0", "pynvml_is_another: {} has no NVML_ERROR_"),
        ("", "pynvml_is_another: {} has no NVMLError, so "),
        ("raise RuntimeError('not mine')", "pynvml_not_readable: importing pynvml failed (RuntimeError: not mine)"),
        ("print 'of python 2'", "pynvml_not_readable: importing pynvml failed (SyntaxError: "),
    ],
)
def test_a_pynvml_that_is_older_or_another_is_one_sentence(tmp_path, monkeypatch, source, said):
    (tmp_path / "pynvml.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    try:
        for reason in (NvmlEnergyMeter("x").probe().reason, inventory().reason):
            assert reason.startswith(said.format(tmp_path / "pynvml.py"))
            assert "\n" not in reason
        assert machine(2).preimage["gpu"] == "unknown"
    finally:
        sys.modules.pop("pynvml", None)


def test_nothing_heavy_is_imported_by_the_meters_themselves():
    """In a process where neither can be imported, the meters still answer."""
    code = (
        "import sys, types; sys.modules['torch'] = sys.modules['pynvml'] = None;"
        "import inflor_bench; parent = types.ModuleType('inflor_bench.measure');"
        "parent.__path__ = [inflor_bench.__path__[0] + '/measure']; sys.modules['inflor_bench.measure'] = parent;"
        "from inflor_bench.measure.power import measure_power, NvmlEnergyMeter;"
        "print(measure_power(lambda: None, [NvmlEnergyMeter('x')], batch_size=1).reason)"
    )
    assert python("-c", code).stdout.startswith("pynvml_not_installed: ")
