"""Latency, memory, power and what `doctor` says, of a real GPU."""

import json
import statistics
from contextlib import nullcontext

import pytest
import torch

from inflor_bench.cell.device_lock import device_lock
from inflor_bench.measure.latency import Turn, cuda_graph, event_rounds, evict_caches, rounds_in_turn, synchronise
from inflor_bench.measure.memory import peak_memory
from inflor_bench.measure.power import FULL, QUICK, PowerMeasurement, measure_power, meters_for
from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.nvml_power import NvmlPowerMeter
from inflor_bench.models.create import create_model
from tests.command import python


@pytest.fixture
def work(device):
    """A load of milliseconds that keeps the GPU busy."""
    matrix = torch.randn(4096, 4096, device=device)

    def call():
        for _ in range(4):
            matrix @ matrix
        synchronise(device)

    call()
    return call


def test_events_and_the_host_see_about_the_same(device, work):
    host = rounds_in_turn({"host": Turn(work)}, 20)["host"]
    events = event_rounds(work, device, 20)
    assert 0 < statistics.median(events) < 1.5 * statistics.median(host)
    assert statistics.median(events) > 0.3 * statistics.median(host)


@pytest.mark.parametrize("neuron", ["relu", "soft-mpr"])
def test_a_network_replayed_as_a_graph_gives_the_same(device, neuron):
    torch.manual_seed(0)
    steps = 1 if neuron == "relu" else 2
    model = create_model("resnet8", neuron=neuron, timesteps=steps, num_classes=10, in_channels=1).to(device).eval()
    images = torch.rand(8, 1, 28, 28, device=device)
    outputs = []

    def call():
        outputs.append(model(images))

    with torch.no_grad():
        call()
        replay = cuda_graph(call, device)
        assert callable(replay), replay
        outputs[-1].zero_()
        replay()
        synchronise(device)
    torch.testing.assert_close(outputs[-1], outputs[0])
    assert outputs[0].abs().sum() > 0


def test_what_empties_the_cache_is_larger_than_it(device):
    evict, size = evict_caches(device)
    evict()
    assert size >= 2 * torch.cuda.get_device_properties(device).L2_cache_size > 0


def test_peak_memory_is_what_was_allocated(device):
    module = torch.nn.Linear(8, 8).to(device)
    memory = peak_memory(
        lambda: torch.zeros(1 << 26, dtype=torch.uint8, device=device), module, batch_size=1, device=device
    )
    assert memory.above_baseline_bytes == 1 << 26


def test_both_meters_can_be_read_and_agree(device, work):
    measured = measure_power(work, meters_for(device), batch_size=1, profile=QUICK)
    assert isinstance(measured, PowerMeasurement), measured
    print(json.dumps(vars(measured), default=str))
    assert measured.meter == "nvml_energy"
    assert measured.cross_check_meter == "nvml_power"
    assert measured.mean_watts > measured.idle_watts > 5
    assert measured.cross_check_joules_per_inference == pytest.approx(measured.joules_per_inference, rel=0.2)
    assert 0.001 < measured.tick_seconds < 0.5
    assert measured.temperature_celsius > 10
    assert measured.clock_mhz > 100
    assert measured.power_limit_watts > 50
    assert measured.event_reasons is not None


def test_the_full_protocol_repeats_itself(device, work):
    measured = measure_power(work, [NvmlEnergyMeter(str(torch.cuda.get_device_properties(device).uuid))], batch_size=1)
    assert isinstance(measured, PowerMeasurement), measured
    print(json.dumps(vars(measured), default=str))
    assert len(measured.trials) == FULL.trials
    assert measured.trial_spread < 0.05
    assert measured.edge_uncertainty < 0.001


def test_power_alone_can_be_polled(device, work):
    meter = NvmlPowerMeter(str(torch.cuda.get_device_properties(device).uuid))
    measured = measure_power(work, [meter], batch_size=1, profile=QUICK)
    assert isinstance(measured, PowerMeasurement), measured
    print(json.dumps(vars(measured), default=str))
    assert measured.mean_watts > measured.idle_watts
    assert measured.poll_seconds < 0.02


def test_the_lock_is_named_by_the_uuid(device, tmp_path, monkeypatch):
    monkeypatch.setattr("inflor_bench.cell.device_lock.PLACE", tmp_path)
    with device_lock(device, nullcontext):
        (lock,) = tmp_path.glob("inflor-bench-*/*.lock")
    assert str(torch.cuda.get_device_properties(device).uuid) in lock.name


def test_doctor_says_what_can_be_read(device):
    done = python("-m", "inflor_bench", "doctor", check=None)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert torch.cuda.get_device_properties(device).name in done.stdout
