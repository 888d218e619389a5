"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from inflor_bench.errors import ModelInputError
from inflor_bench.files import remove_leftovers
from inflor_bench.models.checkpoints import save_tensors, weights_sha256
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import Dataset
from inflor_bench.models.pieces import logits_in_pieces
from inflor_bench.models.positions import generator_at
from inflor_bench.models.recipe import Recipe, training_key
from inflor_bench.models.training.augmentation import Drawn, augment_normalised, augment_raw, check, draw
from inflor_bench.models.training.evaluation import count_correct
from inflor_bench.models.training.interruption import Interruption
from inflor_bench.models.training.logs import Log
from inflor_bench.models.training.processes import Processes
from inflor_bench.models.training.state import State, restore, save, start

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Progress:
    """Where training stands: `step` of `steps` done, with the loss and training accuracy of the running epoch."""

    step: int
    steps: int
    epoch: int
    loss: float
    accuracy: float


def train(
    config: ModelConfig,
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    directory: Path,
    *,
    command: Sequence[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
    logs: Sequence[Log] = (),
    processes: Processes | None = None,
) -> Path:
    """Train one network, or find it trained, and return its checkpoint `directory/<training key>.safetensors`.

    A run that was stopped, by Ctrl-C or by force, goes on from its last checkpoint and ends with the same weights.
    Of several processes each calls this, and one writes.

    Raises:
        ModelInputError: a network that does not exist, a recipe that does not fit the data, a directory that cannot be
            written, a damaged checkpoint, or a loss that is not finite.
    """
    processes = processes or Processes()
    check(recipe, dataset)
    key = training_key(config, recipe, dataset, seed)
    path = directory / f"{key}.safetensors"
    unfinished = directory / f"{key}.unfinished.safetensors"
    processes.agree(path.exists(), "trained checkpoints")
    if path.exists():
        return path
    run = _Run(recipe, dataset, seed, processes, start(config, recipe, seed, processes.device))
    if processes.writes:
        remove_leftovers(path)
        remove_leftovers(unfinished)
    if unfinished.exists():
        restore(run.state, unfinished)
    processes.agree(run.state.step, "unfinished checkpoints")
    correct = _train_to_the_end(run, unfinished, on_progress, logs)
    if processes.writes:
        tensors = run.state.model.state_dict()
        metadata = {
            "config": config.as_dict(),
            "recipe": recipe.values(),
            "dataset": {"name": dataset.name, "sha256": dataset.sha256, "simulated": dataset.simulated},
            "seed": seed,
            "training_key": key,
            "weights_sha256": weights_sha256(tensors),
            "curve": run.state.curve,
            "correct": correct[-1],
            "anytime": correct,
            "samples": len(dataset.test),
            "command": list(command),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": processes.device.type,
            "processes": processes.world,
        }
        save_tensors(path, tensors, metadata)
        unfinished.unlink(missing_ok=True)
    processes.sum([0.0])  # No process returns a path that is not there yet.
    return path


class _Run:
    """What stays the same over a training, and its state."""

    def __init__(self, recipe: Recipe, dataset: Dataset, seed: int, processes: Processes, state: State) -> None:
        self.recipe, self.dataset, self.seed, self.processes, self.state = recipe, dataset, seed, processes, state
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        if self.steps_per_epoch == 0:
            raise ModelInputError(
                f"Batch size {recipe.batch_size} is larger than {dataset.name!r}: give a smaller one."
            )
        if recipe.batch_size % processes.world:
            raise ModelInputError(
                f"Batch size {recipe.batch_size} cannot be divided among {processes.world} processes: give a multiple."
            )
        if recipe.steps_at_once and (processes.world > 1 or not dataset.train.timed):
            raise ModelInputError(
                "Time steps at once are for events and one process: leave out --steps-at-once for "
                f"{dataset.name!r} in {processes.world}."
            )
        self.steps = self.steps_per_epoch * recipe.epochs

    def batches(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor, Drawn]]:
        """Raw samples, labels and what was drawn for them, this process's share of each, from step `first` on."""
        recipe, dataset = self.recipe, self.dataset
        order = torch.randperm(len(dataset.train), generator=generator_at(self.seed, epoch))
        batches = order.split(recipe.batch_size)[first : self.steps_per_epoch]
        shares = [self.processes.share(batch) for batch in batches]
        stream = dataset.train.stream(shares, (self.seed, epoch))
        for step, (chosen, images) in enumerate(zip(shares, stream, strict=True), first):
            drawn = draw(recipe, recipe.batch_size, dataset.shape[1:], generator_at(self.seed, epoch, step))
            yield images, dataset.train.labels[chosen], {k: self.processes.share(v) for k, v in drawn.items()}


def _train_to_the_end(
    run: _Run, unfinished: Path, on_progress: Callable[[Progress], None], logs: Sequence[Log]
) -> list[int]:
    """Do all steps that are left and return the anytime curve of the trained network.

    Raises:
        KeyboardInterrupt: it was stopped; everything is saved.
    """
    state, processes = run.state, run.processes
    model = processes.parallel(state.model)
    correct: list[int] = []
    saved = time.monotonic()
    with Interruption() as interruption:
        while True:
            epoch, first = divmod(state.step, run.steps_per_epoch)
            if first == 0 and (state.step == run.steps or len(state.curve) < epoch):
                state.model.eval()
                correct = count_correct(state.model, run.dataset, run.dataset.test, processes)
                if len(state.curve) < epoch:
                    _finish_epoch(run, correct, logs)
                    if processes.writes:
                        save(state, unfinished)
                        saved = time.monotonic()
            if state.step == run.steps:
                return correct
            if first == 0:
                state.loss_sum, state.correct, state.seen = 0.0, 0, 0
            state.model.train()
            for images, labels, drawn in run.batches(epoch, first):
                stop = _step(run, model, images, labels, drawn, interruption)
                on_progress(
                    Progress(state.step, run.steps, epoch, state.loss_sum / state.seen, state.correct / state.seen)
                )
                if processes.writes and (stop or time.monotonic() - saved > CHECKPOINT_SECONDS):
                    save(state, unfinished)
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt


def _step(
    run: _Run, model: nn.Module, images: Tensor, labels: Tensor, drawn: Drawn, interruption: Interruption
) -> bool:
    """One step of the optimiser. Returns whether any of the processes was asked to stop."""
    state, recipe, processes = run.state, run.recipe, run.processes
    images, labels = images.to(processes.device), labels.to(processes.device)
    inputs = run.dataset.normalise(augment_raw(images, drawn, recipe))
    inputs = augment_normalised(inputs, drawn, recipe)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.learning_rate_at(state.step, run.steps)
    with torch.autocast(processes.device.type, torch.bfloat16, enabled=recipe.bfloat16):
        steps = recipe.steps_at_once
        logits = logits_in_pieces(model, inputs, steps) if steps else model(inputs)
    loss = cross_entropy(logits.float(), labels)
    right = int((logits.argmax(1) == labels).sum())
    loss_sum, correct, stop = processes.sum([loss.item() * len(labels), right, interruption.requested])
    if not math.isfinite(loss_sum):
        raise ModelInputError(f"The loss is not finite at step {state.step}: lower the learning rate.")
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.optimizer.step()
    state.step += 1
    state.loss_sum += loss_sum
    state.correct += int(correct)
    state.seen += recipe.batch_size
    return bool(stop)


def _finish_epoch(run: _Run, correct: list[int], logs: Sequence[Log]) -> None:
    state = run.state
    state.curve.append(
        {
            "epoch": len(state.curve) + 1,
            "loss": state.loss_sum / state.seen,
            "train_accuracy": state.correct / state.seen,
            "test_accuracy": correct[-1] / len(run.dataset.test),
        }
    )
    if run.processes.writes:
        for log in logs:
            log(state.curve)
