"""Recipes by name, their keys, and what a training leaves beside its weights: anytime curve, logs, precision."""

import csv
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from inflor_bench.errors import ModelInputError
from inflor_bench.files import remove_leftovers
from inflor_bench.models import compilation, create_model, load_model
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import read_tensors
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.recipe import RECIPES, Recipe, find_recipe, training_key
from inflor_bench.models.training import evaluate, train
from inflor_bench.models.training.evaluation import count_correct
from inflor_bench.models.training.logs import csv_log, tensorboard_log
from inflor_bench.models.training.processes import Processes
from inflor_bench.models.zoo import shipped_checkpoint

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored

CONFIG = ModelConfig("resnet8", "soft-mpr", 3, 10, 1, {"decay": 0.25})
EVERYTHING = Recipe(
    epochs=3, batch_size=64, horizontal_flip=True, crop_padding=1, auto_augment=True, cutout=2, roll=1, bfloat16=True
)


def test_a_recipe_that_was_stored_before_still_equals_itself():
    _, metadata = read_tensors(shipped_checkpoint("fashion-mnist/resnet8/soft/T2/s0"))
    assert RECIPES["fashion-mnist"].values() == metadata["recipe"]
    assert len(metadata["recipe"]) == 7  # written before the values below were there


def test_every_value_that_was_added_later_changes_the_key_where_it_is_used():
    later = {"crop_padding": 4, "auto_augment": True, "cutout": 16, "roll": 5, "bfloat16": True, "steps_at_once": 4}
    base = RECIPES["digits"]
    assert len(base.values()) == 7
    digits = load_dataset("digits")
    keys = {training_key(CONFIG, replace(base, **{name: value}), digits, 0) for name, value in later.items()}
    assert len(keys | {training_key(CONFIG, base, digits, 0)}) == 7


def test_recipes_are_chosen_by_name_or_by_the_data():
    paper = find_recipe("cifar10")
    assert paper is find_recipe("cifar100") is find_recipe("digits", "paper-cifar") is RECIPES["paper-cifar"]
    assert find_recipe("cifar10-dvs") is RECIPES["paper-dvs"]
    assert find_recipe("cifar10", "quick") is RECIPES["quick"]
    assert (paper.learning_rate, paper.weight_decay, paper.epochs, paper.batch_size) == (0.01, 1e-4, 400, 128)
    assert paper.learning_rate_at(0, 1000) == 0.01
    assert paper.learning_rate_at(500, 1000) == pytest.approx(0.005)
    with pytest.raises(ModelInputError, match="Unknown recipe 'paper': choose one of digits"):
        find_recipe("digits", "paper")
    with pytest.raises(ModelInputError, match="A learning rate of 0"):
        replace(paper, learning_rate=0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trained in one go, with all that a recipe can ask for."""
    directory = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "compiler_available", lambda: False)
        path = train(CONFIG, EVERYTHING, load_dataset("digits"), 5, directory, logs=[csv_log(directory / "log.csv")])
    return path, read_tensors(path)


def test_what_is_random_and_the_precision_come_back_after_a_stop(tmp_path, trained):
    log = csv_log(tmp_path / "log.csv")
    for stop in (7, 30, 22):  # in an epoch, in another, and at the end of the first

        def show(progress, stop=stop):
            if progress.step == stop:
                signal.raise_signal(signal.SIGINT)

        if stop == 22:
            for file in tmp_path.iterdir():
                file.unlink()
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, EVERYTHING, load_dataset("digits"), 5, tmp_path, on_progress=show, logs=[log])
        (unfinished,) = tmp_path.glob("*.unfinished.safetensors")
        assert read_tensors(unfinished)[1]["progress"]["step"] in (stop, stop + 1)
    path = train(CONFIG, EVERYTHING, load_dataset("digits"), 5, tmp_path, logs=[log])
    assert path.name == trained[0].name
    assert path.read_bytes() == trained[0].read_bytes()
    assert (tmp_path / "log.csv").read_bytes() == trained[0].with_name("log.csv").read_bytes()


def test_bfloat16_is_used_in_training_and_weights_stay_float32(trained):
    path, (tensors, metadata) = trained
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.int64}
    full = train(CONFIG, replace(EVERYTHING, epochs=1, bfloat16=False), load_dataset("digits"), 5, path.parent)
    assert read_tensors(full)[1]["curve"][0]["loss"] != metadata["curve"][0]["loss"]
    assert read_tensors(full)[1]["curve"][0]["loss"] == pytest.approx(metadata["curve"][0]["loss"], abs=0.3)


def test_the_anytime_curve_is_that_of_networks_of_fewer_steps(trained):
    path, (tensors, metadata) = trained
    digits = load_dataset("digits")
    counts = []
    for steps in (1, 2, 3):
        model = create_model("resnet8", neuron="soft-mpr", timesteps=steps, num_classes=10, in_channels=1, decay=0.25)
        model.load_state_dict(tensors)
        counts.append(int(evaluate(model.eval(), digits, digits.test).sum()))
    assert metadata["anytime"] == counts
    assert metadata["correct"] == counts[-1] == int(evaluate(load_model(path), digits, digits.test).sum())
    card = model_card("x", metadata)
    assert all(f"| {steps} | {100 * count / 355:.2f} % |" in card for steps, count in enumerate(counts, 1))
    assert "| cutout | 2 |" in card


def test_a_card_is_evaluated_in_float32_though_a_gpu_may_train_in_tf32(trained):
    digits, allowed = load_dataset("digits"), []
    model = load_model(trained[0])
    model.register_forward_hook(lambda *_: allowed.append(torch.backends.cudnn.allow_tf32))
    before = torch.backends.cudnn.allow_tf32
    count_correct(model, digits, digits.test, Processes())
    assert before, "torch allows TF32 in convolutions, or this test shows nothing"
    assert allowed == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_the_csv_holds_the_curve(trained):
    path, (_, metadata) = trained
    with path.with_name("log.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == metadata["curve"]


@pytest.mark.slow
@pytest.mark.needs("tensorboard")
def test_tensorboard_shows_each_epoch_once_after_a_stop(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curve = [{"epoch": epoch, "loss": 1 / epoch, "test_accuracy": epoch / 10} for epoch in (1, 2, 3)]
    first, second = tensorboard_log(tmp_path), tensorboard_log(tmp_path)
    first(curve[:1])
    first(curve[:2])
    second(curve[:2])  # killed before the checkpoint of epoch 2 was written
    second(curve)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (point["epoch"], pytest.approx(point["loss"])) for point in curve
    ]


def test_without_tensorboard_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModelInputError, match=r"install inflor-bench\[tensorboard\]"):
        tensorboard_log(tmp_path)


def test_leftovers_of_the_killed_alone_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path, host = tmp_path / "a[1].md", socket.gethostname()
    stale, alive = (tmp_path / f".a[1].md.{host}.{process}.xyz.tmp" for process in (dead.pid, os.getpid()))
    elsewhere, others = (
        tmp_path / f".a[1].md.{host}-other.{dead.pid}.xyz.tmp",
        tmp_path / f".b.md.{host}.{dead.pid}.xyz.tmp",
    )
    for file in (path, stale, alive, elsewhere, others):
        file.write_text("")
    remove_leftovers(path)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in (path, alive, elsewhere, others)}
    remove_leftovers(path, held=True)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, others.name}


def test_events_are_trained_some_time_steps_at_a_time(tmp_path):
    """Resumed it gives the same weights, as every training; at once it gives others, for normalisation differs."""
    dataset = load_dataset("digits-dvs", timesteps=6)
    config = ModelConfig("resnet8", "soft", 6, 10, 2, {"decay": 0.25, "threshold": 0.5, "reset_by": 1.0})
    recipe = Recipe(epochs=1, batch_size=256, steps_at_once=4)
    stopped = tmp_path / "stopped"
    steps = []

    def stop(progress):
        steps.append(progress.step)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, recipe, dataset, 0, stopped, on_progress=stop)
    weights, _ = read_tensors(train(config, recipe, dataset, 0, stopped))
    whole, metadata = read_tensors(train(config, recipe, dataset, 0, tmp_path / "whole"))
    assert metadata["recipe"]["steps_at_once"] == 4
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    assert all(torch.isfinite(tensor).all() for tensor in whole.values())
    with pytest.raises(ModelInputError, match="for events and one process"):
        train(CONFIG, replace(recipe, epochs=1), load_dataset("digits"), 0, tmp_path)
    with pytest.raises(ModelInputError, match="9 time steps at once is not possible"):
        replace(recipe, steps_at_once=9)
