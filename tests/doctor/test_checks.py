"""`inflor-bench doctor` on machines that are made of files, against stubs, and in a real process."""

import os
import sys

import pytest

from inflor_bench.doctor.check import Check, careful
from inflor_bench.doctor.checks import gpu_checks, quick_checks
from inflor_bench.doctor.slow import Probe
from tests.command import python
from tests.measure.power.fake_nvml import Gpu, Library, World, install, stub_driver

UUID = "GPU-0f1e2d3c-0000-1111-2222-333344445555"


@pytest.fixture
def machine(tmp_path):
    """A machine of files: a governor, a load, one readable RAPL zone."""

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    write("proc/loadavg", "0.10 0.20 0.30 1/200 4242\n")
    write("proc/cpuinfo", "cpu MHz\t\t: 2000.0\ncpu MHz\t\t: 3000.5\n")
    write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
    for name, text in (("name", "package-0"), ("energy_uj", "5"), ("max_energy_range_uj", "100")):
        write(f"sys/class/powercap/intel-rapl:0/{name}", text)
    write.root = tmp_path
    return write


def looks(root):
    return {check.name: check for check in quick_checks(root)}


def test_every_line_has_a_verdict_and_what_does_not_work_a_remedy(machine, monkeypatch):
    install(monkeypatch, OSError("no such file"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", str(machine.root))
    found = looks(machine.root)
    assert {name: check.verdict for name, check in found.items()} == {
        "GPU energy": "no",
        "CPU energy": "yes",
        "CPU time": "yes",
        "CPU clock": "mind",
        "CPU load": "yes",
        "compiler": "mind",
        "chromium": "mind",
    }
    assert all(check.remedy for check in found.values() if check.verdict != "yes")
    assert found["GPU energy"].remedy.startswith("install the NVIDIA driver")
    assert "governor powersave, 2500 MHz now" in found["CPU clock"].text
    assert "cpupower frequency-set -g performance" in found["CPU clock"].remedy


def test_governor_clock_and_load_are_read(machine):
    machine("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
    machine("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1800000")
    machine("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "2200000")
    machine("proc/loadavg", f"{(os.cpu_count() or 1) + 0.5} 0 0 1/2 3")
    found = looks(machine.root)
    assert (found["CPU clock"].verdict, found["CPU clock"].text) == ("yes", "governor performance, 2000 MHz now")
    assert found["CPU load"].verdict == "mind"


def test_a_machine_of_nothing_still_gets_its_lines(tmp_path):
    found = looks(tmp_path)
    assert found["CPU load"].verdict == "no"
    assert found["CPU load"].text.startswith("this could not be found out: FileNotFoundError")
    assert found["CPU clock"].text == "no governor is told, as in a virtual machine"
    assert found["CPU energy"].verdict == "no"


def test_a_look_that_fails_half_way_is_a_line():
    def look():
        yield Check("one", "yes", "fine")
        raise RuntimeError("broken")

    assert [check.verdict for check in careful("one", look)] == ["no"]


@pytest.mark.parametrize(
    ("gpu", "verdicts", "text"),
    [
        (Gpu(UUID), ["yes"], "by the energy counter, checked by polled power"),
        (Gpu(UUID, persistence=0), ["yes", "mind"], "by the energy counter"),
        (Gpu(UUID, mig=1), ["no"], "sliced (MIG)"),
    ],
)
def test_gpus_are_told_with_what_can_be_read(monkeypatch, gpu, verdicts, text):
    world = World()
    gpu.switch(world.time - 10, gpu.idle)
    install(monkeypatch, Library(world, [gpu]))
    found = list(gpu_checks())
    assert [check.verdict for check in found] == verdicts
    assert text in found[0].text
    assert UUID in found[0].text
    assert all(check.remedy for check in found if check.verdict != "yes")


def test_without_a_counter_or_a_permission_it_says_what_serves_instead(monkeypatch):
    import pynvml

    world = World()
    gpu = Gpu(UUID)
    gpu.switch(world.time - 10, gpu.idle)
    install(monkeypatch, Library(world, [gpu], missing=["nvmlDeviceGetTotalEnergyConsumption"]))
    assert "by polled power; the counter: not_supported" in next(gpu_checks()).text
    refused = (0, pynvml.NVML_ERROR_NO_PERMISSION)
    names = ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage")
    install(monkeypatch, Library(world, [gpu], errors=dict.fromkeys(names, refused)))
    check = next(gpu_checks())
    assert (check.verdict, "no_permission" in check.text) == ("no", True)
    assert check.remedy.startswith("ask for access")
    install(monkeypatch, Library(world, []))
    assert next(gpu_checks()).verdict == "no"


def test_a_broken_or_slow_torch_is_a_line_and_no_traceback():
    broken = Probe([sys.executable, "-c", "import sys; sys.exit('ImportError: libcudart.so.13')"])
    assert [(check.verdict, "libcudart" in check.text) for check in broken.checks()] == [("no", True)]
    killed = Probe([sys.executable, "-c", "import os; os.abort()"])
    assert next(iter(killed.checks())).verdict == "no"
    slow = Probe([sys.executable, "-c", "import time; time.sleep(60)"], patience=0.2)
    assert "longer than 0.2 s" in next(iter(slow.checks())).text


def test_what_was_said_before_the_patience_ended_is_kept():
    lines = ['{"torch": {"version": "2", "cuda": null, "gpus": [], "threads": 1}}']
    lines += ['{"datasets": ["digits", "imagenet"]}', '{"found": "digits"}']
    code = f"import time\nfor line in {lines!r}:\n    print(line, flush=True)\ntime.sleep(60)"
    found = list(Probe([sys.executable, "-c", code], patience=3.0).checks())
    assert [check.verdict for check in found] == ["yes", "yes", "mind"]
    assert found[2].text == "not found out of imagenet: it took longer than 3 s"


def test_data_to_measure_and_not_to_train_on_are_told_apart_from_what_is_not_here():
    lines = ['{"torch": {"version": "2", "cuda": null, "gpus": [], "threads": 1}}']
    lines += ['{"datasets": ["digits", "fashion-mnist", "cifar10", "imagenet"]}', '{"found": "digits"}']
    lines += ['{"found": "fashion-mnist"}', '{"missing": "fashion-mnist"}', '{"missing": "cifar10"}']
    lines += ['{"damaged": "imagenet", "reason": "/a/b is damaged (it: is short): copy it anew."}']
    found = list(Probe([sys.executable, "-c", f"print({chr(10).join(lines)!r})"]).checks())[1:]
    assert [check.verdict for check in found] == ["yes", "mind", "mind", "no"]
    assert found[0].text == "digits, fashion-mnist"
    assert "fashion-mnist" in found[1].text
    assert "dataset-fashion-mnist" in found[1].remedy
    assert found[2].text.startswith("not here: cifar10;")
    assert (found[3].text, found[3].remedy) == ("/a/b is damaged (it: is short)", "copy it anew")


def run_doctor(**environment):
    done = python("-m", "inflor_bench", "doctor", **environment)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_the_command_fits_on_one_screen_and_ends_well():
    lines = run_doctor().stdout.splitlines()
    assert len(lines) <= 40
    names = [line[6:16].strip() for line in lines if line[:4].strip()]
    assert names[0].startswith("GPU")
    assert {"CPU energy", "CPU time", "CPU clock", "compiler", "chromium", "torch", "data sets"} <= set(names)
    assert " 0 W" not in "\n".join(lines)


def test_the_command_finds_fashion_mnist_everywhere_and_says_where_it_cannot_be_trained_on(tmp_path):
    said = " ".join(run_doctor(INFLOR_BENCH_DATA=str(tmp_path)).stdout.split())
    assert "yes data sets digits, fashion-mnist, digits-dvs" in said
    assert "mind data sets without their training split: fashion-mnist;" in said


@pytest.mark.needs("c compiler")
def test_the_command_sees_a_real_driver_library(tmp_path):
    driver = stub_driver(tmp_path)
    said = " ".join(run_doctor(**driver).stdout.split())
    assert "yes GPU energy Stub 200 (GPU-stub), driver 999.9: by the energy counter, checked by polled power" in said
    assert "persistence mode is off" in said
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    code = "from inflor_bench.doctor.checks import gpu_checks; print([check.text for check in gpu_checks()])"
    assert "nvml_library_not_found" in python("-c", code, **driver).stdout


def test_the_first_lines_need_no_torch():
    code = (
        "import sys; from inflor_bench.doctor.checks import quick_checks; from inflor_bench.doctor.slow import Probe;"
        "list(quick_checks()); print({'torch', 'pandas', 'scipy', 'numpy', 'sklearn'} & set(sys.modules))"
    )
    assert python("-c", code).stdout == "set()\n"
