"""What is timed of one network, what follows from measured energy, and the options of both commands."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from inflor_bench.cell import timing
from inflor_bench.cell.derived import derive, tdp_estimate
from inflor_bench.cell.scaling import with_timesteps
from inflor_bench.cell.timing import Pass, time_pass, timing_device
from inflor_bench.cli.options import checked_settings, overridden, without_power
from inflor_bench.errors import SuiteInputError
from inflor_bench.measure.running.drive import Drive, Plan
from inflor_bench.models import create_model
from inflor_bench.record.costs import EnergyModel, Latency
from inflor_bench.record.section import Absent
from inflor_bench.run.in_process import CellRun, Work
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.run.suite import Suite
from inflor_bench.user_model.timing import _with_timesteps
from tests.measure.power.wattmeter import FallenOff
from tests.reports.sample import measured_power, record

CPU = torch.device("cpu")
QUICK = MeasureSettings(profile="quick")
CELLS = {
    "dataset": "digits",
    "network": "resnet8",
    "neurons": ["relu"],
    "timesteps": [1],
    "seeds": [0],
    "weights": "train",
}


class Lazy(nn.Module):
    """Counts how often it ran since it was brought to rest."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64, 64))
        self.runs, self.most, self.sizes = 0, 0, set()

    def reset(self):
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        self.most = max(self.most, self.runs)
        self.sizes.add(len(x))
        return x @ self.weight


def test_one_pass_is_timed_in_every_way_and_each_from_rest(benchmark):
    model = Lazy()

    def at(size, steps):
        if size == 99:
            return Absent(status="unavailable", reason="there are no 99")
        batch = torch.ones(size or 4, 64)
        return Pass(lambda: model(batch), len(batch), steps or 2, model.reset)

    settings = MeasureSettings(
        profile="quick",
        rounds=500,
        variants=["cold-cache", "cuda-graph", "cold-cache"],
        sweep_batch_sizes=[1, 99],
        sweep_timesteps=[3],
        tdp_watts=65.0,
    )
    timed = time_pass(benchmark, model, CPU, settings, at(None, None), at)
    assert model.most == 1
    assert model.sizes == {1, 4}
    latency = timed.sections["latency"]
    assert (latency.profile, latency.rounds, latency.batch_size) == ("quick", 30, 4)
    assert latency.inferences_per_second > 0
    assert latency.events.reason.startswith("no_cuda: ")
    assert [variant.name for variant in latency.variants] == ["plain", "cold-cache", "cuda-graph"]
    plain, cold, graph = (variant.rounds for variant in latency.variants)
    assert len(plain.seconds) == 30
    assert isinstance(cold, Absent) or len(cold.seconds) == 30
    assert graph.reason.startswith("no_cuda: ")
    assert [(point.batch_size, point.timesteps) for point in latency.sweep] == [(1, 2), (99, 2), (4, 3)]
    one, none, longer = latency.sweep
    assert len(one.rounds.seconds) == len(longer.rounds.seconds) == 30
    assert one.inferences_per_second > 0
    assert (none.rounds.reason, none.inferences_per_second, none.steady) == ("there are no 99", None, None)
    estimate = timed.sections["tdp_estimate"]
    assert estimate.status == "estimated"
    assert estimate.joules_per_inference == pytest.approx(
        latency.cpu_seconds_per_inference * 65.0 / estimate.logical_cpus
    )
    assert timed.lost is None
    document = json.loads(latency.model_dump_json())
    assert Latency.model_validate(document) == latency


def test_a_lost_gpu_keeps_latency_and_is_told(benchmark, monkeypatch, tmp_path):
    meter = FallenOff(tmp_path / "log", "GPU-1")
    monkeypatch.setattr(timing, "meters_for", lambda device: [meter])
    model = Lazy()
    one = Pass(lambda: model(torch.ones(2, 64)), 2, None)
    timed = time_pass(benchmark, model, CPU, QUICK, one, lambda size, steps: one)
    assert timed.lost.startswith("gpu_is_lost: ")
    assert timed.sections["power"].reason == timed.lost
    assert timed.sections["latency"].status == "measured"


def test_after_a_gpu_was_lost_the_next_cells_leave_it_alone():
    suite = Suite.model_validate({"name": "one", "cells": [CELLS]})
    cells = CellRun(Work(suite, (), None, None), None, [])
    cells._lost_device = "gpu_is_lost: the GPU fell off the bus; reboot."
    sections = cells.time(None)
    reason = "an earlier cell ended so: gpu_is_lost: the GPU fell off the bus; reboot."
    assert sections == dict.fromkeys(("latency", "memory", "power"), Absent(status="unavailable", reason=reason))


@pytest.mark.parametrize(("error", "lost"), [(RuntimeError, True), (torch.OutOfMemoryError, False)])
def test_a_gpu_that_fails_while_it_is_timed_costs_its_sections(benchmark, monkeypatch, error, lost):
    monkeypatch.setattr(timing, "synchronise", lambda device: None)

    def forward():
        if benchmark.stats is not None:  # it was warmed up
            raise error("CUDA error: an illegal memory access was encountered\nCompile with ...")

    one = Pass(forward, 2, None)
    timed = time_pass(benchmark, Lazy(), torch.device("cuda", 0), QUICK, one, lambda size, steps: one)
    reason = "cuda_error: CUDA error: an illegal memory access was encountered"
    assert {section.reason for section in timed.sections.values()} == {reason}
    assert timed.lost == (reason if lost else None)
    assert benchmark.stats is not None


def test_an_error_that_is_not_the_gpus_is_passed_on():
    def forward():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    one = Pass(forward, 2, None)
    with pytest.raises(RuntimeError, match="mat1"):
        time_pass(None, Lazy(), CPU, QUICK, one, lambda size, steps: one)


def test_a_gpu_that_is_not_there_is_bad_input():
    assert timing_device(MeasureSettings(device="cpu")) == CPU
    if not torch.cuda.is_available():
        assert timing_device(MeasureSettings()) == CPU
        with pytest.raises(SuiteInputError, match="inflor-bench doctor"):
            timing_device(MeasureSettings(device="cuda"))


def test_derived_figures_follow_from_measured_energy():
    whole = record()
    windows = {"batch_size": 4, "window_seconds": [1.0, 2.0], "iterations": [50.0, 100.0]}
    found = derive(measured_power().model_copy(update=windows), whole.energy)
    assert found.inferences_per_joule == pytest.approx(1 / 0.0123)
    product = found.energy_delay_product
    assert (product.batch_size, product.joule_seconds) == (4, pytest.approx(0.0123 * 0.02))
    assert found.measured_to_estimated.models == {
        model.name: pytest.approx(0.0123 / model.joules) for model in whole.energy.models
    }


def test_what_was_not_measured_gives_no_figure_and_a_reason():
    whole, power = record(), measured_power()
    gone = Absent(status="unavailable", reason="rapl_not_found: none.")
    found = derive(gone, whole.energy)
    assert (found.status, found.reason) == ("unavailable", "energy was not measured: rapl_not_found: none.")
    assert derive(None, None).reason == "energy was not measured"
    failed = Absent(status="failed", reason="it broke.")
    found = derive(power, failed)
    assert found.measured_to_estimated == Absent(status="failed", reason="there is no estimate: it broke.")
    old = power.model_copy(update={"window_seconds": [], "iterations": []})
    assert "windows of the meter" in derive(old, whole.energy).energy_delay_product.reason
    free = EnergyModel(name="free", version="1", source="none", joules=0.0, layers={})
    nothing = whole.energy.model_copy(update={"models": [free]})
    assert isinstance(derive(power, nothing).measured_to_estimated, Absent)


def test_an_estimate_from_rated_power_comes_only_where_it_was_asked_for():
    latency = record().latency
    assert tdp_estimate(latency, None) is None
    assert tdp_estimate(Absent(status="failed", reason="none"), 65.0) is None
    assert tdp_estimate(latency.model_copy(update={"cpu_seconds_per_inference": None}), 65.0) is None


@pytest.mark.parametrize("network", ["resnet8", "vgg16"])
def test_a_network_of_other_steps_is_the_one_that_would_be_built(network):
    options = {"neuron": "soft-mpr", "num_classes": 10, "in_channels": 3}
    torch.manual_seed(0)
    model = create_model(network, timesteps=2, **options).eval()
    built = create_model(network, timesteps=3, **options).eval()
    built.load_state_dict(model.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        two = model(images)
        assert torch.equal(with_timesteps(model, 3)(images), built(images))
        assert torch.equal(model(images), two)


def test_a_model_that_we_drive_is_driven_through_other_steps():
    drive = Drive(nn.Identity(), Plan("calls", 2, lambda: None))
    assert len(_with_timesteps(drive, 5)(torch.ones(3, 1))) == 5
    inside = Drive(nn.Identity(), Plan("inside", 2, lambda: None))
    assert "model's own affair" in _with_timesteps(inside, 5).reason
    timed = Drive(nn.Identity(), replace(drive.plan, timed_input=True))
    assert _with_timesteps(timed, 5).reason == "the inputs hold 2 time steps"


def test_a_run_that_only_counts_starts_no_clock_and_says_so():
    suite = Suite(name="counted", cells=[CELLS], measure=MeasureSettings(timed=False))
    cells = CellRun(Work(suite, (), None, None), None, ())
    sections = cells.time(None)  # without a model there is nothing that could be timed
    assert sections.keys() == {"latency", "memory", "power"}
    assert {(it.status, it.reason) for it in sections.values()} == {("skipped", "the run was asked to count only")}


def test_values_that_cannot_be_are_named():
    with pytest.raises(SuiteInputError, match="variants = 'warm'"):
        checked_settings(variants=["warm"])
    with pytest.raises(SuiteInputError, match=r"tdp_watts = -1\.0"):
        overridden(QUICK, False, -1.0)
    assert overridden(MeasureSettings(rounds=7), True, None) == MeasureSettings(rounds=7, profile="quick")
    assert overridden(MeasureSettings(), False, None) == MeasureSettings()
    assert overridden(MeasureSettings(), False, None, untimed=True) == MeasureSettings(timed=False)
    assert (MeasureSettings().timed_rounds, QUICK.timed_rounds) == (100, 30)
    assert MeasureSettings(rounds=7, profile="quick").timed_rounds == 7


def test_power_that_is_required_and_missing_is_one_sentence_a_cell(tmp_path):
    from tests.reports.sample import run_of

    bare = record()
    gone = bare.model_copy(update={"power": Absent(status="unavailable", reason="rapl_not_found: none.")})
    run_of([gone], tmp_path / "run.json")
    assert without_power(tmp_path / "run.json") == [
        f"{bare.name}: power was required and not measured: rapl_not_found: none."
    ]
    run_of([bare.model_copy(update={"power": measured_power()})], tmp_path / "run.json")
    assert without_power(tmp_path / "run.json") == []
