"""The training loop: deterministic from its seed, resumable at any step with the same result.

Nothing random has a state that would have to be kept: the order of an epoch and the flips of a step are each drawn from
a generator seeded by (seed, epoch, step).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.checkpoints import load_weights, read_tensors, save_tensors, weights_sha256
from models.create import ModelConfig, build
from models.datasets import Dataset, Split
from models.errors import ModelInputError
from models.recipe import Recipe, training_key

CHECKPOINT_SECONDS = 60.0
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Progress:
    """Where training stands: `step` of `steps` done, with the loss and training accuracy of the running epoch."""

    step: int
    steps: int
    epoch: int
    loss: float
    accuracy: float


@dataclass
class _State:
    """All that a training run carries from step to step."""

    model: nn.Module
    optimizer: torch.optim.SGD
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def train(
    config: ModelConfig,
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    directory: Path,
    *,
    command: Sequence[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train one network, or find it trained, and return its checkpoint `directory/<training key>.safetensors`.

    A run that was stopped, by Ctrl-C or by force, goes on from its last checkpoint and ends with the same weights.

    Raises:
        ModelInputError: a network that does not exist, a directory that cannot be written, a damaged checkpoint, or a
            loss that is not finite.
    """
    key = training_key(config, recipe, dataset.sha256, seed)
    path = directory / f"{key}.safetensors"
    if path.exists():
        return path
    unfinished = directory / f"{key}.unfinished.safetensors"
    state = _start(config, recipe, seed)
    if unfinished.exists():
        _restore(state, unfinished)
    state.model.train()
    steps_per_epoch = len(dataset.train) // recipe.batch_size
    if steps_per_epoch == 0:
        raise ModelInputError(f"Batch size {recipe.batch_size} is larger than {dataset.name!r}: give a smaller one.")
    steps = steps_per_epoch * recipe.epochs
    saved = time.monotonic()
    try:
        while state.step < steps:
            epoch, batch = divmod(state.step, steps_per_epoch)
            if batch == 0:
                state.loss_sum, state.correct, state.seen = 0.0, 0, 0
            _step(state, recipe, dataset, seed, epoch, batch, steps)
            on_progress(Progress(state.step, steps, epoch, state.loss_sum / state.seen, state.correct / state.seen))
            if state.step % steps_per_epoch == 0:
                _finish_epoch(state, dataset)
            if state.step % steps_per_epoch == 0 or time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(state, unfinished)
                saved = time.monotonic()
    except KeyboardInterrupt:
        _save(state, unfinished)
        raise
    state.model.eval()
    tensors = state.model.state_dict()
    save_tensors(
        path,
        tensors,
        {
            "config": config.as_dict(),
            "recipe": asdict(recipe),
            "dataset": {"name": dataset.name, "sha256": dataset.sha256, "simulated": dataset.simulated},
            "seed": seed,
            "training_key": key,
            "weights_sha256": weights_sha256(tensors),
            "curve": state.curve,
            "correct": int(evaluate(state.model, dataset, dataset.test).sum()),
            "samples": len(dataset.test),
            "command": list(command),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
    )
    unfinished.unlink(missing_ok=True)
    return path


@torch.inference_mode()
def evaluate(model: nn.Module, dataset: Dataset, split: Split, batch_size: int = EVALUATION_BATCH) -> Tensor:
    """One boolean a sample, [N]: whether the model, in evaluation mode, predicts its label."""
    bits = [
        model(dataset.normalise(images)).argmax(1) == labels
        for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True)
    ]
    return torch.cat(bits)


def _start(config: ModelConfig, recipe: Recipe, seed: int) -> _State:
    model = build(config, seed).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    return _State(model, optimizer)


def _generator(seed: int, *position: int) -> torch.Generator:
    digest = hashlib.sha256(repr((seed, *position)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _step(state: _State, recipe: Recipe, dataset: Dataset, seed: int, epoch: int, batch: int, steps: int) -> None:
    order = torch.randperm(len(dataset.train), generator=_generator(seed, epoch))
    chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
    images, labels = dataset.normalise(dataset.train.images[chosen]), dataset.train.labels[chosen]
    if recipe.horizontal_flip:
        flipped = torch.rand(len(chosen), generator=_generator(seed, epoch, batch)) < 0.5
        images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.learning_rate_at(state.step, steps)
    logits = state.model(images)
    loss = cross_entropy(logits, labels)
    if not torch.isfinite(loss):
        raise ModelInputError(f"The loss is not finite at step {state.step}: lower the learning rate.")
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.optimizer.step()
    state.step += 1
    state.loss_sum += loss.item() * len(chosen)
    state.correct += int((logits.argmax(1) == labels).sum())
    state.seen += len(chosen)


def _finish_epoch(state: _State, dataset: Dataset) -> None:
    state.model.eval()
    bits = evaluate(state.model, dataset, dataset.test)
    state.model.train()
    state.curve.append(
        {
            "epoch": len(state.curve) + 1,
            "loss": state.loss_sum / state.seen,
            "train_accuracy": state.correct / state.seen,
            "test_accuracy": int(bits.sum()) / len(bits),
        }
    )


def _save(state: _State, path: Path) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for name, parameter in state.model.named_parameters():
        if parameter in state.optimizer.state:
            tensors[f"momentum.{name}"] = state.optimizer.state[parameter]["momentum_buffer"]
    progress = {key: getattr(state, key) for key in ("step", "loss_sum", "correct", "seen", "curve")}
    save_tensors(path, tensors, {"progress": progress})


def _restore(state: _State, path: Path) -> None:
    tensors, metadata = read_tensors(path)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    load_weights(state.model, weights, path)
    for name, parameter in state.model.named_parameters():
        if f"momentum.{name}" in tensors:
            state.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(
                tensors[f"momentum.{name}"]
            )
    progress: dict[str, Any] = metadata.get("progress", {})
    try:
        state.step, state.loss_sum = progress["step"], progress["loss_sum"]
        state.correct, state.seen, state.curve = progress["correct"], progress["seen"], progress["curve"]
    except KeyError as error:
        raise ModelInputError(f"{path}: the key {error} is missing: delete the file to train from the start.") from None
