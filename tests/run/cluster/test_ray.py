"""`run --on ray` and `train --on ray` against a real Ray with two workers: the results are those of the local path."""

import os
import signal
import subprocess
import sys
import time

import pytest

from inflor_bench.cli.options import ray_address
from inflor_bench.errors import SuiteInputError
from inflor_bench.models.checkpoints import read_tensors, weights_sha256
from inflor_bench.record.schema import SECTIONS
from tests.command import wait_for
from tests.place import QUICK, Place, cells, same_results, suite
from tests.run.test_stoppable import FIRST, LAST, SPIKING, TRAP

SUITE = suite(
    cells("digits", "relu", "soft", "soft-mpr"),
    cells("digits", "relu", timesteps=1, seeds=[1]),
    training={"recipe": "quick", "epochs": 2},
    measure=QUICK,
    energy_models=["chip.toml"],
)
CHIP = '[[models]]\nname = "my-chip"\nversion = "1"\nsource = "a data sheet"\nmac = 3e-12\nac = 1e-12\n'
# One thread a cell, so that two cells run at a time on two CPUs; whoever runs Ray chooses so in the same way.
ONE = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The suite, run without Ray, with a model of energy as an installed package brings it."""
    place = Place(tmp_path_factory.mktemp("place"), SUITE, fresh=True)
    (place.directory / "chip.toml").write_text(CHIP)
    place.environment = {"PYTHONPATH": place.install("trap", TRAP), **ONE}
    place.run(out="local", **place.environment)
    yield place
    place.close()


def fresh(place, name):
    """The environment with an empty cache: everything is trained anew."""
    return {**place.environment, "INFLOR_BENCH_CACHE": str(place.directory / name)}


def workers(directory):
    """Ray's workers that run a job of a place now, by number: those whose environment names its cache."""
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                name = file.read()
            with open(f"/proc/{number}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if name.startswith(b"ray::_call") and f"INFLOR_BENCH_CACHE={directory}\0".encode() in environment:
            found.append(int(number))
    return found


def test_two_workers_give_what_the_local_path_gives(place):
    done = place.run("--on", "ray", out="ray", **fresh(place, "ray-cache"))
    lines = [line for line in done.stderr.splitlines() if ": measured" in line]
    assert [line.split()[0] for line in lines] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    local, spread = place.only_run("local"), place.only_run("ray")
    assert same_results(local, spread) == 4
    for cell in spread.cells.values():
        assert cell.record.provenance.weights.source == "trained"
        assert cell.record.energy.models[-1].name == "my-chip"
        assert cell.record.latency.status == "measured"
        assert len(cell.rounds) == 3
    # Their times are not those of a machine that is left alone, and are never compared with such.
    machines = {cell.record.provenance.machine.fingerprint for cell in spread.cells.values()}
    assert len(machines) == 1
    assert machines != {local.machine.fingerprint}
    assert not list((place.directory / "ray/runs").glob("*/*.cells"))


def test_a_worker_that_is_killed_midway_does_not_change_the_result(place):
    environment = fresh(place, "killed-cache")
    process = place.start("run", "--suite", "suite.toml", "--out", "killed", "--on", "ray", **environment)
    (victim, *_) = wait_for(lambda: workers(environment["INFLOR_BENCH_CACHE"]))
    time.sleep(0.5)
    os.kill(victim, signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert same_results(place.only_run("local"), place.only_run("killed")) == 4


def check_lost(place, out, done, reason):
    """The spiking cell is failed for this reason, which is told."""
    record = place.only_run(out).cells[SPIKING].record
    assert all(getattr(record, section).status == "failed" for section in SECTIONS)
    assert all(getattr(record, section).reason.startswith(reason) for section in SECTIONS)
    assert f"{SPIKING}: {reason}" in done.stderr


def test_a_cell_that_keeps_failing_is_reported_and_the_rest_completes(place):
    only = ("--only", "digits/resnet8/[rs][eo][lf][ut]/*")  # relu and soft; "soft-mpr" has more letters
    done = place.run("--on", "ray", *only, out="kill", check=2, **place.environment, TRAP="kill")
    check_lost(place, "kill", done, "Ray lost its worker 4 times")
    run, local = place.only_run("kill"), place.only_run("local")
    assert set(run.cells) == {FIRST, SPIKING, LAST}
    for name in (FIRST, LAST):
        assert run.cells[name].record.synops == local.cells[name].record.synops
        assert run.cells[name].record.accuracy == local.cells[name].record.accuracy


def test_a_cell_that_hangs_in_c_code_is_stopped(place):
    """The other one is skipped at once, so that no slow machine can take longer over it than it may."""
    (place.directory / "hang.toml").write_text(SUITE + cells("fashion-mnist", "soft"))
    arguments = [
        "run",
        "--suite",
        "hang.toml",
        "--only",
        "*/soft/*",
        "--data-root",
        "site",
        "--out",
        "C",
        "--on",
        "ray",
        "--timeout",
        "20",
    ]
    done = place.call(*arguments, check=2, **place.environment, TRAP="C")
    check_lost(place, "C", done, "it took longer than --timeout 20 (s)")
    assert place.only_run("C").cells["fashion-mnist/resnet8/soft/T2/s0"].record.accuracy.status == "skipped"


def test_ctrl_c_keeps_what_has_landed(place):
    process = place.start(
        *("run", "--suite", "suite.toml", "--out", "stopped", "--on", "ray"), **place.environment, TRAP="sleep"
    )
    wait_for(lambda: len(list((place.directory / "stopped/runs").glob("*/*.cells/*.json"))) >= 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert len(place.only_run("stopped").cells) >= 1
    wait_for(lambda: not workers(place.directory / "cache"), 60)


def test_trained_by_ray_the_files_are_the_same_but_for_the_command(place):
    arguments = ("train", "--suite", "suite.toml", "--out")
    place.call(*arguments, "zoo", check=0, **fresh(place, "train-cache"))
    place.call(*arguments, "ray-zoo", "--on", "ray", check=0, **fresh(place, "ray-train-cache"))
    ours = sorted((place.directory / "zoo").rglob("*.safetensors"))
    assert len(ours) == 4
    for path in ours:
        other = place.directory / "ray-zoo" / path.relative_to(place.directory / "zoo")
        (one, about_one), (two, about_two) = read_tensors(path), read_tensors(other)
        assert weights_sha256(one) == weights_sha256(two)
        assert {**about_one, "command": None} == {**about_two, "command": None}
    assert (place.directory / "zoo/small.md").read_text() == (place.directory / "ray-zoo/small.md").read_text()


def test_a_training_that_cannot_be_is_a_sentence_and_the_rest_is_trained(place):
    (place.directory / "bad.toml").write_text(
        SUITE.replace("[training.digits]", "[training.digits-dvs]\nlearning_rate = 1e30\nepochs = 1\n[training.digits]")
        + cells("digits-dvs", "soft")
    )
    arguments = ("train", "--suite", "bad.toml", "--only", "*/soft/*", "--out", "bad-zoo", "--on", "ray")
    done = place.call(*arguments, check=2, **place.environment)
    assert "digits-dvs/resnet8/soft/T2/s0: The loss is not finite" in done.stderr
    assert [path.parent.name for path in (place.directory / "bad-zoo").rglob("*.safetensors")] == ["T2"]


def test_a_cluster_is_used_by_its_address_with_the_code_that_runs_here(place):
    """A Ray of its own on this machine, started as an administrator does; its workers do not know our directory."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("PYTHONPATH", None)
    start = ("start", "--head", "--port=26379", "--num-cpus=2", "--include-dashboard=false", "--block")
    with open(place.directory / "ray.log", "w") as log:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *start], stdout=log, stderr=log, env=environment, cwd="/"
        )
    try:
        wait_for(lambda: "Ray runtime started" in (place.directory / "ray.log").read_text())
        only = ("--only", "*/soft/*")
        place.run("--on", "ray:127.0.0.1:26379", *only, out="cluster", **fresh(place, "cluster-cache"))
    finally:
        head.terminate()  # and its own with it
        head.wait()
    cell = place.only_run("cluster").cells[SPIKING].record
    assert cell.synops == place.only_run("local").cells[SPIKING].record.synops
    assert cell.accuracy == place.only_run("local").cells[SPIKING].record.accuracy


def test_what_cannot_be_reached_is_one_sentence(place):
    done = place.run("--on", "ray:127.0.0.1:9", out="nowhere", check=2)
    assert "cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1
    many = {**place.environment, "OMP_NUM_THREADS": "4000"}
    done = place.run("--on", "ray", out="nowhere", check=2, **many)
    assert "set OMP_NUM_THREADS lower" in done.stderr


def test_where_to_run_is_ray_or_here():
    places = {None: None, "ray": "", "ray:auto": "auto", "ray:10.0.0.1:6379": "10.0.0.1:6379"}
    assert {on: ray_address(on) for on in places} == places
    with pytest.raises(SuiteInputError, match="name one"):
        ray_address("slurm")
