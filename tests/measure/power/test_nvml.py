"""The NVML meters through pynvml's own loader, structures and errors, in virtual time, against known joules."""

import math
from dataclasses import asdict
from itertools import pairwise
from random import Random
from types import SimpleNamespace

import pynvml
import pytest
import torch

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.power import FULL, QUICK, PowerMeasurement, device_lost, measure_power, meters_for
from inflor_bench.measure.power.inventory import inventory
from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.nvml_power import NvmlPowerMeter, NvmlPowerReader
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record import costs
from tests.command import python
from tests.measure.power.fake_nvml import (
    AVERAGE,
    INSTANT,
    Bursts,
    Constant,
    Gpu,
    Library,
    Ramp,
    Step,
    World,
    install,
    stub_driver,
)

UUID = "GPU-0f1e2d3c-0000-1111-2222-333344445555"
OTHER = "GPU-aaaaaaaa-9999-8888-7777-666655554444"
TRACES = [Constant(200.0), Ramp(80.0, 3.0), Step(90.0, 260.0, 13.7), Bursts(60.0, 280.0, 0.73, 0.4)]


def measure(
    monkeypatch,
    gpu,
    meters=(NvmlEnergyMeter,),
    *,
    others=(),
    uuid=UUID,
    seed=0,
    profile=FULL,
    pace=0.01,
    call=lambda: None,
    on_wait=lambda world: None,
    **options,
):
    world = World(pace)
    world.on_wait = lambda: on_wait(world)
    world.gpus = [*others, gpu]
    library = Library(world, world.gpus, **options)
    install(monkeypatch, library)
    for each in world.gpus:
        each.switch(world.time - 10, each.idle)
    result = measure_power(
        call, [meter(uuid) for meter in meters], batch_size=4, profile=profile, observer=world, random=Random(seed)
    )
    assert library.open == 0, "NVML was left open"
    return result, world


def true_joules_per_inference(world, gpu):
    joules = sum(gpu.energy(end) - gpu.energy(start) for start, end in world.windows())
    return joules / (4 * sum((end - start) / world.pace for start, end in world.windows()))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("tick", [0.02, 0.1])
@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: type(trace).__name__)
def test_the_counter_recovers_known_joules_within_a_thousandth(monkeypatch, trace, tick, seed):
    gpu = Gpu(UUID, load=trace, tick=tick)
    result, world = measure(monkeypatch, gpu, seed=seed)
    assert result.joules_per_inference == pytest.approx(true_joules_per_inference(world, gpu), rel=1e-3)
    for (start, end), joules in zip(world.windows(), result.trials, strict=True):
        assert joules == pytest.approx((gpu.energy(end) - gpu.energy(start)) * world.pace / (end - start) / 4, rel=1e-3)
    assert result.tick_seconds == pytest.approx(tick, abs=0.002)
    assert (result.meter, result.device) == ("nvml_energy", UUID)


@pytest.mark.parametrize("stall", [0.03, 0.25])
def test_a_thread_that_is_held_up_now_and_then_misses_no_joule(monkeypatch, stall):
    random = Random(5)
    gpu = Gpu(UUID)
    wait = World.wait
    monkeypatch.setattr(World, "wait", lambda world, s: wait(world, s + (stall if random.random() < 0.05 else 0)))
    result, _ = measure(monkeypatch, gpu, seed=2)
    assert result.trials == pytest.approx([200 * 0.01 / 4] * 5, rel=1e-3)


def test_a_slow_driver_still_gives_edges(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID), call_seconds=0.02)
    assert result.trials == pytest.approx([200 * 0.01 / 4] * 5, rel=5e-3)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: type(trace).__name__)
def test_polled_power_recovers_known_joules_within_a_hundredth(monkeypatch, trace, seed):
    gpu = Gpu(UUID, load=trace)
    result, world = measure(monkeypatch, gpu, (NvmlPowerMeter,), seed=seed)
    assert result.joules_per_inference == pytest.approx(true_joules_per_inference(world, gpu), rel=1e-2)
    assert result.meter == "nvml_power"
    assert result.flags == ("power_reading: instant",)
    assert result.tick_seconds is None


def test_a_one_second_average_has_settled_before_the_first_window(monkeypatch):
    gpu = Gpu(UUID, load=Constant(240.0), fields=frozenset())
    result, _ = measure(monkeypatch, gpu, (NvmlPowerMeter,))
    assert result.flags == ("power_reading: usage",)
    assert result.trials == pytest.approx([240.0 * 0.01 / 4] * 5, rel=1e-4)
    assert result.idle_watts == pytest.approx(50.0, rel=1e-4)


def test_a_sample_holds_for_the_time_before_it(monkeypatch):
    world = World()
    gpu = Gpu(UUID, load=Step(100.0, 300.0, 1.0))
    install(monkeypatch, Library(world, [gpu], call_seconds=0.0))
    gpu.switch(world.time, gpu.load)
    reader = NvmlPowerReader(UUID, world.now)
    world.wait(0.5)
    assert reader.read() == pytest.approx(50.0)
    world.wait(2.0)
    assert reader.read() == pytest.approx(50.0 + 2.0 * 300.0)


def test_total_idle_and_above_idle_are_three_figures_and_become_the_record(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID, load=Constant(200.0), idle=Constant(50.0)))
    assert result.joules_per_inference == pytest.approx(200 * 0.01 / 4, rel=1e-3)
    assert result.joules_per_inference_above_idle == pytest.approx(150 * 0.01 / 4, rel=1e-3)
    assert result.idle_watts == pytest.approx(50.0, rel=1e-3)
    assert result.mean_watts == pytest.approx(200.0, rel=1e-3)
    assert len(result.trials) == 5
    assert result.instrument_uncertainty == 0.05
    assert (result.temperature_celsius, result.clock_mhz, result.power_limit_watts) == (60, 1400, 300)
    section = costs.Power(**asdict(result))
    assert section.joules_per_inference == result.joules_per_inference


@pytest.mark.parametrize(("pace", "seconds", "iterations"), [(0.01, 5.0, 499), (0.5, 16.0, 32)])
def test_windows_last_5_s_and_32_iterations_after_random_delays(monkeypatch, pace, seconds, iterations):
    result, world = measure(monkeypatch, Gpu(UUID), pace=pace)
    assert min(result.window_seconds) >= seconds
    assert max(result.window_seconds) <= seconds + 1.2
    assert min(result.iterations) >= iterations
    windows = world.windows()
    gaps = [begin - end for (_, end), (begin, _) in pairwise(windows)]
    assert all(0 <= gap <= 1.3 for gap in gaps)
    assert len({round(gap, 2) for gap in gaps}) == 4


def test_the_quick_profile_says_so(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID), profile=QUICK)
    assert result.flags == ("quick_profile: 1 windows of 2 s",)
    assert len(result.trials) == 1


def test_the_uncertainty_stands_in_parts(monkeypatch):
    random = Random(3)
    wait = World.wait
    monkeypatch.setattr(World, "wait", lambda world, s: wait(world, s + random.random() * 0.002))
    result, world = measure(monkeypatch, Gpu(UUID, load=Bursts(60.0, 280.0, 0.73, 0.4)))
    mean = sum(result.trials) / 5
    deviation = (sum((trial - mean) ** 2 for trial in result.trials) / 4) ** 0.5
    assert result.trial_spread == pytest.approx(deviation / mean)
    assert result.trial_spread > 1e-3
    assert result.instrument_uncertainty == 0.05
    # An edge lies within the gap between two readings, one on either side of a tick.
    ticks = [(moment - 0.037) / 0.1 for window in world.windows() for moment in window]
    offsets = [abs(tick - round(tick)) * 0.1 for tick in ticks]
    worst = max((a + b) / 5 for a, b in zip(offsets[::2], offsets[1::2], strict=True))
    assert worst <= result.edge_uncertainty <= 1e-3
    assert measure(monkeypatch, Gpu(UUID), profile=QUICK)[0].trial_spread is None


def test_polling_says_how_often_it_looked(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID), (NvmlPowerMeter,))
    assert 0.01 <= result.poll_seconds < 0.011
    assert result.poll_seconds <= result.longest_poll_seconds <= 0.02
    slow, _ = measure(monkeypatch, Gpu(UUID), (NvmlPowerMeter,), call_seconds=0.03)
    assert slow.flags[-1].startswith("slow_polling: power was read every ")
    assert slow.poll_seconds > 0.03


@pytest.mark.parametrize("reading_tick", [0.02, 0.1])
def test_a_power_reading_that_stands_still_for_a_while_averages_out(monkeypatch, reading_tick):
    gpu = Gpu(UUID, load=Ramp(80.0, 3.0), reading_tick=reading_tick)
    result, world = measure(monkeypatch, gpu, (NvmlPowerMeter,))
    assert result.joules_per_inference == pytest.approx(true_joules_per_inference(world, gpu), rel=1e-2)


def test_of_a_gpu_in_a_module_the_gpu_alone_is_measured(monkeypatch):
    """GH200: the driver also tells the power of GPU and CPU together."""
    result, _ = measure(monkeypatch, Gpu(UUID, module_watts=300.0), (NvmlPowerMeter,))
    assert result.mean_watts == pytest.approx(200.0, rel=1e-3)
    assert [flag.split(":")[0] for flag in result.flags] == ["power_reading", "gpu_scope"]

    class Whole(Gpu):
        def counter_mj(self, time):
            return super().counter_mj(time) + int(1000 * self.module_watts * math.floor(time / self.tick) * self.tick)

    both, _ = measure(monkeypatch, Whole(UUID, module_watts=300.0, phase=0.0), (NvmlEnergyMeter, NvmlPowerMeter))
    assert [flag.split(":")[0] for flag in both.flags] == ["gpu_scope", "cross_check"]


def test_a_reading_that_is_there_by_name_alone_is_passed_over(monkeypatch):
    silent = frozenset({INSTANT})
    result, _ = measure(monkeypatch, Gpu(UUID, silent=silent), (NvmlPowerMeter,))
    assert result.flags == ("power_reading: average",)
    assert result.mean_watts == pytest.approx(200.0, rel=1e-3)


def test_an_idle_device_that_draws_nothing_is_not_believed(monkeypatch):
    class Sleeping(Constant):
        def power(self, t):
            return 0.0 if 1 < t < 9 else self.watts

    result, _ = measure(monkeypatch, Gpu(UUID, idle=Sleeping(50.0)), (NvmlPowerMeter,))
    assert result.reason.startswith("meter_reads_zero: nvml_power reported no energy over 5.0 s without load")


def test_what_the_second_gpu_of_cuda_is_called_by_the_driver_does_not_matter(monkeypatch):
    """CUDA's first GPU is the driver's second."""
    world = World()
    world.gpus = [Gpu(OTHER, load=Constant(70.0)), Gpu(UUID, load=Constant(210.0))]
    install(monkeypatch, Library(world, world.gpus))
    for gpu in world.gpus:
        gpu.switch(world.time - 10, gpu.idle)
    cuda = [UUID.removeprefix("GPU-"), OTHER.removeprefix("GPU-")]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=cuda[device.index]))
    for index, (uuid, watts) in enumerate([(UUID, 210.0), (OTHER, 70.0)]):
        meters = meters_for(torch.device("cuda", index))
        result = measure_power(lambda: None, meters, batch_size=1, profile=QUICK, observer=world, random=Random(0))
        assert (result.device, result.mean_watts) == (uuid, pytest.approx(watts, rel=1e-3))


def test_the_mask_of_reasons_is_kept_and_none_where_it_is_not_told(monkeypatch):
    assert measure(monkeypatch, Gpu(UUID, event_reasons=0x101))[0].event_reasons == 0x101
    names = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
    result, _ = measure(monkeypatch, Gpu(UUID, event_reasons=0x4), missing=names)
    assert (result.event_reasons, result.flags) == (None, ())


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED])
@pytest.mark.parametrize("working", [900, 3500])
def test_it_is_known_that_a_gpu_was_lost(monkeypatch, code, working):
    result, _ = measure(monkeypatch, Gpu(UUID), errors={"nvmlDeviceGetTotalEnergyConsumption": (working, code)})
    assert device_lost(result).startswith(("gpu_is_lost: ", "gpu_reset_required: "))
    assert device_lost(measure(monkeypatch, Gpu(UUID))[0]) is None
    assert device_lost(Unavailable("no_permission: refused.")) is None


def test_the_driver_tells_its_gpus(monkeypatch):
    world = World()
    gpus = [Gpu(OTHER, mig=1, persistence=0), Gpu(UUID, persistence=None, fields=frozenset({INSTANT}))]
    for gpu in gpus:
        gpu.switch(world.time - 10, gpu.idle)
    library = Library(world, gpus, missing=["nvmlDeviceGetTotalEnergyConsumption"])
    install(monkeypatch, library)
    found = inventory()
    assert library.open == 0
    assert found.driver == "570.1"
    first, second = found.gpus
    assert (first.uuid, first.sliced, first.persistence) == (OTHER, True, False)
    assert first.energy.startswith("mig_slice: ")
    assert (second.uuid, second.sliced, second.persistence, second.power) == (UUID, None, None, None)
    assert second.energy.startswith("not_supported: ")
    install(monkeypatch, OSError("no such file"))
    assert inventory().reason.startswith("nvml_library_not_found: ")


def test_the_gpu_is_found_by_uuid_in_whatever_order(monkeypatch):
    other = Gpu(OTHER, load=Constant(70.0))
    for bare in (UUID, UUID.removeprefix("GPU-")):
        result, _ = measure(monkeypatch, Gpu(UUID, load=Constant(210.0)), others=[other], uuid=bare)
        assert (result.device, result.mean_watts) == (UUID, pytest.approx(210.0, rel=1e-3))


def test_the_two_meters_check_each_other(monkeypatch):
    both = (NvmlEnergyMeter, NvmlPowerMeter)
    result, _ = measure(monkeypatch, Gpu(UUID, load=Ramp(100.0, 2.0)), both)
    assert result.cross_check_meter == "nvml_power"
    assert result.cross_check_joules_per_inference == pytest.approx(result.joules_per_inference, rel=1e-2)
    assert result.flags == ()

    class Deceived(Gpu):
        def counter_mj(self, time):
            return int(1.3 * super().counter_mj(time))

    result, _ = measure(monkeypatch, Deceived(UUID), both)
    assert [flag.split(":")[0] for flag in result.flags] == ["cross_check"]
    assert measure(monkeypatch, Gpu(UUID))[0].cross_check_joules_per_inference is None


def test_a_failing_check_costs_the_check_alone(monkeypatch):
    errors = {"nvmlDeviceGetFieldValues": (1500, pynvml.NVML_ERROR_UNKNOWN)}
    result, _ = measure(monkeypatch, Gpu(UUID), (NvmlEnergyMeter, NvmlPowerMeter), errors=errors)
    assert result.cross_check_joules_per_inference is None
    assert result.flags == ("cross_check_failed: nvml_error: Unknown Error",)
    assert len(result.trials) == 5


@pytest.mark.parametrize("missing", [(), ("nvmlDeviceGetCurrentClocksEventReasons",)])
def test_throttling_is_told_by_the_new_name_and_the_old(monkeypatch, missing):
    result, _ = measure(monkeypatch, Gpu(UUID, event_reasons=0x1 | 0x4 | 0x40), missing=missing)
    assert result.flags == ("throttled: software power cap, hardware thermal slowdown (0x45)",)
    assert measure(monkeypatch, Gpu(UUID, event_reasons=0x1 | 0x2 | 0x10 | 0x100), missing=missing)[0].flags == ()


def test_throttling_that_passes_is_still_told(monkeypatch):
    gpu = Gpu(UUID)

    def throttle(world):
        gpu.event_reasons = 0x20 if 115 < world.time < 116 else 0x80 if 120 < world.time < 121 else 0

    result, _ = measure(monkeypatch, gpu, on_wait=throttle)
    assert result.flags == ("throttled: software thermal slowdown, hardware power brake (0xa0)",)


def test_what_the_idle_gpu_said_is_not_said_of_the_load(monkeypatch):
    gpu = Gpu(UUID, event_reasons=0x4, clock=200)

    def load():
        gpu.event_reasons, gpu.clock = 0, 1400

    result, _ = measure(monkeypatch, gpu, call=load)
    assert (result.flags, result.clock_mhz) == ((), 1400)


def test_what_a_gpu_does_not_tell_is_none(monkeypatch):
    missing = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo")
    result, _ = measure(monkeypatch, Gpu(UUID), missing=(*missing, "nvmlDeviceGetEnforcedPowerLimit"))
    assert (result.temperature_celsius, result.clock_mhz, result.power_limit_watts) == (None, None, None)
    assert measure(monkeypatch, Gpu(UUID), missing=missing[:1])[0].temperature_celsius == 60


@pytest.mark.parametrize(
    "how",
    [
        {"missing": ["nvmlDeviceGetTotalEnergyConsumption"]},
        {"errors": {"nvmlDeviceGetTotalEnergyConsumption": (0, pynvml.NVML_ERROR_NOT_SUPPORTED)}},
    ],
)
def test_without_a_counter_the_next_method_serves(monkeypatch, how):
    result, _ = measure(monkeypatch, Gpu(UUID), (NvmlEnergyMeter, NvmlPowerMeter), **how)
    assert (result.meter, result.mean_watts) == ("nvml_power", pytest.approx(200.0, rel=1e-3))
    assert NvmlEnergyMeter(UUID).probe().reason.startswith("not_supported: ")
    assert NvmlPowerMeter(UUID).probe() is None


def test_without_the_instant_field_the_average_serves(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID, fields=frozenset({AVERAGE})), (NvmlPowerMeter,))
    assert result.flags == ("power_reading: average",)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "nvidia_driver_not_loaded: "),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "nvidia_driver_mismatch: "),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no_permission: "),
    ],
)
def test_a_driver_that_does_not_start_is_the_reason(monkeypatch, code, reason):
    result, _ = measure(
        monkeypatch, Gpu(UUID), (NvmlEnergyMeter, NvmlPowerMeter), errors={"nvmlInitWithFlags": (0, code)}
    )
    assert isinstance(result, Unavailable)
    assert result.reason.startswith(reason)
    assert result.reason.count(reason) == 1


def test_no_library_is_the_reason(monkeypatch, caplog):
    install(monkeypatch, OSError("cannot open shared object file"))
    with caplog.at_level("INFO"):
        result = measure_power(lambda: pytest.fail("ran"), [NvmlEnergyMeter(UUID), NvmlPowerMeter(UUID)], batch_size=1)
    assert result == Unavailable("nvml_library_not_found: libnvidia-ml.so.1 was not found; install the NVIDIA driver.")
    assert len(caplog.records) == 1


def test_a_reading_that_is_refused_is_not_replaced_by_another(monkeypatch):
    errors = {"nvmlDeviceGetFieldValues": (0, pynvml.NVML_ERROR_NO_PERMISSION)}
    assert measure(monkeypatch, Gpu(UUID), (NvmlPowerMeter,), errors=errors)[0].reason.startswith("no_permission: ")


def test_no_permission_names_the_remedy(monkeypatch):
    errors = {"nvmlDeviceGetTotalEnergyConsumption": (0, pynvml.NVML_ERROR_NO_PERMISSION)}
    result, _ = measure(monkeypatch, Gpu(UUID), errors=errors)
    assert result.reason.startswith("no_permission: ")


@pytest.mark.parametrize(
    ("gpu", "uuid"),
    [(Gpu(UUID, mig=1), UUID), (Gpu("MIG-0f1e"), "GPU-0f1e"), (Gpu("MIG-0f1e"), "0f1e"), (Gpu("MIG-0f1e"), "MIG-0f1e")],
)
def test_a_slice_of_a_gpu_has_no_meter(monkeypatch, gpu, uuid):
    result, _ = measure(monkeypatch, gpu, (NvmlEnergyMeter, NvmlPowerMeter), uuid=uuid)
    assert result.reason.startswith("mig_slice: ")


def test_a_gpu_that_can_be_sliced_and_is_not_is_measured(monkeypatch):
    assert isinstance(measure(monkeypatch, Gpu(UUID, mig=0))[0], PowerMeasurement)


def test_an_unknown_uuid_is_named(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID), uuid=OTHER)
    assert result == Unavailable(f"gpu_not_found: the driver knows no GPU with the UUID {OTHER}.")


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        (Gpu(UUID, stuck_at=115.0), "counter_stuck: "),
        (Gpu(UUID, stuck_at=50.0), "counter_stuck: "),
        (Gpu(UUID, reset_at=118.0), "counter_backwards: "),
    ],
)
def test_a_counter_that_stands_still_or_falls_is_not_believed(monkeypatch, gpu, reason):
    result, _ = measure(monkeypatch, gpu)
    assert result.reason.startswith(reason)


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED])
def test_a_lost_gpu_keeps_the_windows_it_gave_and_gets_no_more_work(monkeypatch, code):
    result, _ = measure(monkeypatch, Gpu(UUID), errors={"nvmlDeviceGetTotalEnergyConsumption": (3500, code)})
    assert 0 < len(result.trials) < 5
    assert result.flags[0].endswith(f"Only {len(result.trials)} of 5 windows were measured.")
    assert result.mean_watts == pytest.approx(200.0, rel=1e-3)
    lost = measure(monkeypatch, Gpu(UUID), errors={"nvmlDeviceGetTotalEnergyConsumption": (900, code)})[0]
    assert lost.reason.startswith(("gpu_is_lost: ", "gpu_reset_required: "))


def test_no_energy_is_no_measurement(monkeypatch):
    result, _ = measure(monkeypatch, Gpu(UUID, load=Constant(0.0), idle=Constant(0.0)), (NvmlPowerMeter,))
    assert result.reason.startswith("meter_reads_zero: ")


def test_a_batch_without_samples_is_refused():
    with pytest.raises(MeasureInputError):
        measure_power(lambda: None, [], batch_size=0)


def test_an_error_without_a_name_of_ours_is_passed_on(monkeypatch):
    errors = {"nvmlDeviceGetTotalEnergyConsumption": (0, pynvml.NVML_ERROR_CORRUPTED_INFOROM)}
    assert measure(monkeypatch, Gpu(UUID), errors=errors)[0] == Unavailable("nvml_error: Corrupted infoROM")


@pytest.mark.needs("c compiler")
def test_a_real_process_measures_through_a_real_library(tmp_path):
    code = (
        "import time\n"
        "from inflor_bench.measure.power import NvmlEnergyMeter, NvmlPowerMeter, Profile, measure_power\n"
        "profile = Profile('short', trials=2, seconds=0.3, iterations=3, idle_seconds=0.2, lead_seconds=0.1)\n"
        "meters = [NvmlEnergyMeter('stub'), NvmlPowerMeter('stub')]\n"
        "result = measure_power(lambda: time.sleep(0.002), meters, batch_size=1, profile=profile)\n"
        "print(result.meter, result.device, result.mean_watts, result.cross_check_meter, len(result.trials))\n"
    )
    meter, device, watts, cross, trials = python("-c", code, **stub_driver(tmp_path)).stdout.split()
    assert (meter, device, cross, trials) == ("nvml_energy", "GPU-stub", "nvml_power", "2")
    # A busy machine may hold the process up between two readings.
    assert float(watts) == pytest.approx(200, rel=0.1)
