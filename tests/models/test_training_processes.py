"""Training on two processes, started by torchrun, gives what one process gives."""

import socket

import pytest
import torch

from inflor_bench.models.checkpoints import read_tensors
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.recipe import Recipe
from inflor_bench.models.training import train
from tests.command import fork, python
from tests.models.two_processes import train_in_double

pytestmark = pytest.mark.long

STEPS = 20  # an epoch of digits in batches of 72


def torchrun(directory, *arguments, succeeds=True):
    """Two processes of the command, started as users start them."""
    done = python(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "inflor_bench.models.training"),
        *("--dataset", "digits", "--directory", directory, *arguments),
        check=None,
        INFLOR_BENCH_EAGER="1",
        OMP_NUM_THREADS="1",
    )
    assert (done.returncode == 0) == succeeds, done.stderr
    return done


def in_double(processes, directory, *arguments, **variables):
    """Fork so many processes of two_processes.py, with torchrun's variables; return their codes and complaints."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    everything = ("--network", "narrow", "--neuron", "soft-mpr", "--timesteps", "2", "--recipe", "everything")
    words = ["--dataset", "digits", "--directory", str(directory), *everything, *arguments]
    found = {"INFLOR_BENCH_EAGER": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **variables}
    if processes > 1:
        found["TORCHELASTIC_RUN_ID"] = "here"
    errors = [directory.with_name(f"{directory.name} {rank}") for rank in range(processes)]
    started = []
    for rank, error in enumerate(errors):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
        started.append(fork(train_in_double, words, {**found, **place}, error))
    for process in started:
        process.join()
    return [process.exitcode for process in started], [error.read_text() for error in errors]


def checkpoint(directory):
    (path,) = directory.glob("*.safetensors")
    return read_tensors(path)


def furthest(first, second):
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


@pytest.mark.slow
def test_a_spiking_network_with_tdbn_and_all_augmentation_has_the_same_weights(tmp_path):
    """Also where one of two processes was told to stop: both save and leave after the same step, and go on."""
    for processes in (1, 2):
        codes, _ = in_double(processes, tmp_path / str(processes))
        assert codes == [0] * processes
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
    assert in_double(2, stopped, STOP_AT="7")[0] == [130, 130]
    (unfinished,) = stopped.iterdir()
    assert read_tensors(unfinished)[1]["progress"]["step"] == 8
    assert in_double(2, stopped)[0] == [0, 0]
    assert checkpoint(stopped)[1]["weights_sha256"] == after["weights_sha256"]


def test_a_network_in_float32_has_the_same_weights_and_one_process_writes(tmp_path):
    recipe = Recipe(epochs=1, batch_size=72, learning_rate=0.003)
    train(ModelConfig("resnet8", "relu", 1, 10, 1, {}), recipe, load_dataset("digits"), 0, tmp_path / "one")
    arguments = ("--network", "resnet8", "--neuron", "relu", "--timesteps", "1", "--batch-size", "72")
    arguments += ("--epochs", "1", "--learning-rate", "0.003", "--csv", str(tmp_path / "log.csv"))
    torchrun(tmp_path / "two", *arguments)
    one, two = (checkpoint(tmp_path / name)[0] for name in ("one", "two"))
    weights = [name for name in one if "running" not in name]
    assert furthest({name: one[name] for name in weights}, two) < 1e-5
    assert furthest(one, two) < 1e-4
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert [path.suffix for path in (tmp_path / "two").iterdir()] == [".safetensors"]


def test_a_batch_that_cannot_be_divided_is_one_sentence(tmp_path):
    codes, (said, more) = in_double(2, tmp_path / "none", "--batch-size", "63")
    assert codes == [2, 2]
    assert said == "Batch size 63 cannot be divided among 2 processes: give a multiple.\n"
    assert more == ""
    assert not (tmp_path / "none").exists()
