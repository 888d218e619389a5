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


def torchrun(cache, *arguments):
    """Two processes of the command, started as users start them."""
    done = python(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "inflor_bench", "train"),
        *arguments,
        check=None,
        INFLOR_BENCH_CACHE=str(cache),
        INFLOR_BENCH_EAGER="1",
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def in_double(processes, cache, *arguments, **variables):
    """Fork so many processes of two_processes.py, with torchrun's variables; return their codes and complaints."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = ["train", "digits/narrow/soft-mpr/T2/s0", "--recipe", "everything", *arguments]
    found = {"INFLOR_BENCH_CACHE": str(cache), "INFLOR_BENCH_EAGER": "1", "MASTER_ADDR": "127.0.0.1", **variables}
    found["MASTER_PORT"] = str(port)
    if processes > 1:
        found["TORCHELASTIC_RUN_ID"] = "here"
    errors = [cache.with_name(f"{cache.name} {rank}") for rank in range(processes)]
    started = []
    for rank, error in enumerate(errors):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
        started.append(fork(train_in_double, words, {**found, **place}, error))
    for process in started:
        process.join()
    return [process.exitcode for process in started], [error.read_text() for error in errors]


def checkpoint(cache):
    (path,) = (cache / "trained").glob("*.safetensors")
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
    (unfinished,) = (stopped / "trained").iterdir()
    assert read_tensors(unfinished)[1]["progress"]["step"] == 8
    assert in_double(2, stopped)[0] == [0, 0]
    assert checkpoint(stopped)[1]["weights_sha256"] == after["weights_sha256"]


def test_a_network_in_float32_has_the_same_weights_and_one_process_writes(tmp_path):
    recipe = Recipe(epochs=1, batch_size=72, learning_rate=0.003)
    train(ModelConfig("resnet8", "relu", 1, 10, 1, {}), recipe, load_dataset("digits"), 0, tmp_path / "one/trained")
    cell, logs, out = "digits/resnet8/relu/T1/s0", tmp_path / "logs", tmp_path / "out"
    values = ("--batch-size", "72", "--epochs", "1", "--learning-rate", "0.003")
    said = torchrun(tmp_path / "two", cell, *values, "--csv", str(logs), "--out", str(out))
    one, two = (checkpoint(tmp_path / name)[0] for name in ("one", "two"))
    weights = [name for name in one if "running" not in name]
    assert furthest({name: one[name] for name in weights}, two) < 1e-5
    assert furthest(one, two) < 1e-4
    assert len((logs / f"{cell}.csv").read_text().splitlines()) == 2
    assert [path.suffix for path in (tmp_path / "two/trained").iterdir()] == [".safetensors"]
    assert said == [str(out / f"{cell}.safetensors")], "one process speaks"
    assert {path.suffix for path in (out / cell).parent.iterdir()} == {".safetensors", ".md"}


def test_a_batch_that_cannot_be_divided_is_one_sentence(tmp_path):
    codes, (said, more) = in_double(2, tmp_path / "none", "--batch-size", "63")
    assert codes == [2, 2]
    assert said == "Batch size 63 cannot be divided among 2 processes: give a multiple.\n"
    assert more == ""
    assert not (tmp_path / "none").exists()
