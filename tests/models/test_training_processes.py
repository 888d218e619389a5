"""Training on two processes, started by torchrun, gives what one process gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.checkpoints import read_tensors

ROOT = Path(__file__).parents[2]
MODULE = ("-m", "models.training")
SCRIPT = ("tests/models/two_processes.py",)
STEPS = 20  # an epoch of digits in batches of 72


def command(processes, program, directory, *arguments):
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    start = (sys.executable, *(torchrun if processes > 1 else ()), *program)
    return [*start, "--dataset", "digits", "--directory", str(directory), *arguments]


def run(processes, program, directory, *arguments, succeeds=True, **variables):
    fixed = {"PYTHONPATH": str(ROOT), "INFLOR_BENCH_EAGER": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(processes, program, directory, *arguments),
        cwd=ROOT,
        env={**os.environ, **fixed, **variables},
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == succeeds, done.stderr
    return done


def checkpoint(directory):
    (path,) = directory.glob("*.safetensors")
    return read_tensors(path)


def furthest(first, second):
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def test_a_spiking_network_with_tdbn_and_all_augmentation_has_the_same_weights(tmp_path):
    """Also where one of two processes was told to stop: both save and leave after the same step, and go on."""
    arguments = ("--network", "narrow", "--neuron", "soft-mpr", "--timesteps", "2", "--recipe", "everything")
    for processes in (1, 2):
        run(processes, SCRIPT, tmp_path / str(processes), *arguments)
    (one, before), (two, after) = (checkpoint(tmp_path / name) for name in ("1", "2"))
    assert one["conv.weight"].dtype == torch.float64
    assert before["curve"][0]["loss"] == pytest.approx(after["curve"][0]["loss"], abs=1e-6)
    for key in ("training_key", "correct", "anytime"):
        assert before[key] == after[key]
    assert (before["processes"], after["processes"]) == (1, 2)
    assert one.keys() == two.keys()
    assert furthest(one, two) < 1e-9
    assert one["norm.num_batches_tracked"] == STEPS
    stopped = tmp_path / "stopped"
    run(2, SCRIPT, stopped, *arguments, succeeds=False, STOP_AT="7")
    (unfinished,) = stopped.iterdir()
    assert read_tensors(unfinished)[1]["progress"]["step"] == 8
    run(2, SCRIPT, stopped, *arguments)
    assert checkpoint(stopped)[1]["weights_sha256"] == after["weights_sha256"]


def test_a_network_in_float32_has_the_same_weights_and_one_process_writes(tmp_path):
    arguments = ("--network", "resnet8", "--neuron", "relu", "--timesteps", "1", "--batch-size", "72")
    arguments += ("--epochs", "1", "--learning-rate", "0.003")
    run(1, MODULE, tmp_path / "one", *arguments)
    run(2, MODULE, tmp_path / "two", *arguments, "--csv", str(tmp_path / "log.csv"))
    one, two = (checkpoint(tmp_path / name)[0] for name in ("one", "two"))
    weights = [name for name in one if "running" not in name]
    assert furthest({name: one[name] for name in weights}, two) < 1e-5
    assert furthest(one, two) < 1e-4
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert [path.suffix for path in (tmp_path / "two").iterdir()] == [".safetensors"]


def test_a_batch_that_cannot_be_divided_is_one_sentence(tmp_path):
    done = run(
        2,
        MODULE,
        tmp_path,
        "--network",
        "resnet8",
        "--neuron",
        "relu",
        "--timesteps",
        "1",
        "--batch-size",
        "63",
        succeeds=False,
    )
    assert "Batch size 63 cannot be divided among 2 processes" in done.stderr
    assert not list(tmp_path.iterdir())
