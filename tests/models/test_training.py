"""Training: deterministic from its seed, and the same after a kill as without one."""

import os
import signal
from dataclasses import replace

import pytest
import torch

from inflor_bench.errors import ModelInputError
from inflor_bench.models import load_model
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import read_tensors, save_tensors
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.recipe import Recipe, training_key
from inflor_bench.models.training import evaluate, loop, train
from tests.command import FORKS, fork, hear_ctrl_c

CONFIG = ModelConfig("resnet8", "soft-mpr", 2, 10, 1, {"decay": 0.25})
RECIPE = Recipe(epochs=2, batch_size=64, horizontal_flip=True)


def training(directory, steps):
    """Train, and write down where it is after every step; the number of each goes through the pipe."""
    hear_ctrl_c()
    os.environ["INFLOR_BENCH_EAGER"] = "1"
    loop.CHECKPOINT_SECONDS = 0.0
    train(
        *(CONFIG, RECIPE, load_dataset("digits"), 3, directory),
        command=["x"],
        on_progress=lambda progress: steps.send(progress.step),
    )


def start(directory):
    """The process that trains, and the pipe by which its steps come."""
    steps, theirs = FORKS.Pipe(duplex=False)
    process = fork(training, directory, theirs)
    theirs.close()
    return process, steps


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    process, _ = start(directory)
    process.join()
    assert process.exitcode == 0
    (path,) = directory.iterdir()
    return path


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_training_goes_on_and_ends_with_the_same_weights(tmp_path, uninterrupted, kill):
    stopped_at = 0
    for stop in (9, 30):  # within the first and within the second epoch
        process, steps = start(tmp_path)
        while steps.recv() < stop:
            pass
        os.kill(process.pid, kill)
        process.join()
        assert process.exitcode not in (0, None)
        (unfinished,) = tmp_path.glob("*.unfinished.safetensors")
        reached = read_tensors(unfinished)[1]["progress"]["step"]
        assert reached > stopped_at
        stopped_at = reached
    process, steps = start(tmp_path)
    first = steps.recv()
    process.join()
    assert process.exitcode == 0
    assert first == stopped_at + 1
    (path,) = tmp_path.glob("*.safetensors")
    expected, expected_metadata = read_tensors(uninterrupted)
    actual, metadata = read_tensors(path)
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    for key in ("weights_sha256", "curve", "correct", "training_key"):
        assert metadata[key] == expected_metadata[key]


def test_a_trained_cell_is_found_and_not_trained_again(uninterrupted):
    modified = uninterrupted.stat().st_mtime_ns
    again = train(CONFIG, RECIPE, load_dataset("digits"), 3, uninterrupted.parent)
    assert again == uninterrupted
    assert again.stat().st_mtime_ns == modified


def test_the_stored_accuracy_is_what_the_loaded_network_reaches(uninterrupted):
    digits = load_dataset("digits")
    model = load_model(uninterrupted)
    _, metadata = read_tensors(uninterrupted)
    bits = evaluate(model, digits, digits.test)
    assert int(bits.sum()) == metadata["correct"] > 0.2 * metadata["samples"]
    assert metadata["curve"][-1]["test_accuracy"] == metadata["correct"] / metadata["samples"]
    with torch.no_grad():
        one_by_one = [
            model(digits.normalise(image[None])).argmax() == label
            for image, label in zip(digits.test.images, digits.test.labels, strict=True)
        ]
    assert sum(map(int, one_by_one)) == metadata["correct"]


def test_everything_that_determines_the_weights_is_in_the_key():
    data = load_dataset("digits")
    base = training_key(CONFIG, RECIPE, data, 0)
    others = {
        training_key(CONFIG, RECIPE, data, 1),
        training_key(CONFIG, RECIPE, replace(data, sha256="other data"), 0),
        training_key(CONFIG, RECIPE, replace(data, name="digits-dvs"), 0),  # read by other code
        training_key(CONFIG, replace(RECIPE, epochs=3), data, 0),
        training_key(CONFIG, replace(RECIPE, horizontal_flip=False), data, 0),
        training_key(replace(CONFIG, neuron="soft"), RECIPE, data, 0),
        training_key(replace(CONFIG, network="vgg16"), RECIPE, data, 0),
        training_key(replace(CONFIG, hyperparameters={"decay": 1.0}), RECIPE, data, 0),
    }
    assert len(others | {base}) == 9
    assert base == training_key(CONFIG, RECIPE, data, 0)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing():
    recipe = Recipe(epochs=1, batch_size=2, learning_rate=0.4, warmup=0.25)
    rates = [recipe.learning_rate_at(step, 100) for step in range(100)]
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[25] == pytest.approx(0.4)
    assert rates[25 + 75 // 3] == pytest.approx(0.4 * 0.75)  # cos(pi / 3) = 1/2
    assert rates[-1] < 0.001


def test_a_card_says_how_the_weights_came_to_be(uninterrupted):
    _, metadata = read_tensors(uninterrupted)
    card = model_card("a cell", metadata)
    for fact in (
        metadata["weights_sha256"],
        metadata["dataset"]["sha256"],
        f"{metadata['correct']} of 355",
        "decay 0.25",
    ):
        assert fact in card
    assert card.count(" % |\n") == RECIPE.epochs + CONFIG.timesteps


def test_a_loss_that_is_not_finite_stops_with_a_sentence(tmp_path):
    recipe = Recipe(epochs=1, batch_size=64, learning_rate=1e30, warmup=0)
    with pytest.raises(ModelInputError, match="not finite at step"):
        train(replace(CONFIG, neuron="relu", timesteps=1), recipe, load_dataset("digits"), 0, tmp_path)


def test_a_damaged_unfinished_checkpoint_is_named(tmp_path):
    key = training_key(CONFIG, RECIPE, load_dataset("digits"), 0)
    path = tmp_path / f"{key}.unfinished.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(ModelInputError, match="is damaged"):
        train(CONFIG, RECIPE, load_dataset("digits"), 0, tmp_path)
    save_tensors(path, {}, {"progress": {}})
    with pytest.raises(ModelInputError, match="is missing"):
        train(CONFIG, RECIPE, load_dataset("digits"), 0, tmp_path)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelInputError, match="cannot be written"):
        train(CONFIG, RECIPE, load_dataset("digits"), 0, tmp_path / "file" / "below")
