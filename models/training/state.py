"""All that a training run carries from step to step, and its unfinished checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models.checkpoints import load_weights, read_tensors, save_tensors
from inflor_bench.models.create import ModelConfig, build
from inflor_bench.models.recipe import Recipe


@dataclass
class State:
    """Network and optimiser, steps done, sums over the running epoch, and a point of the curve for each epoch done."""

    model: nn.Module
    optimizer: torch.optim.SGD
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def start(config: ModelConfig, recipe: Recipe, seed: int, device: torch.device) -> State:
    """A network that has not learnt anything yet."""
    model = build(config, seed).to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    return State(model, optimizer)


def save(state: State, path: Path) -> None:
    """Write everything to one file, atomically."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for name, parameter in state.model.named_parameters():
        if parameter in state.optimizer.state:
            tensors[f"momentum.{name}"] = state.optimizer.state[parameter]["momentum_buffer"]
    progress = {key: getattr(state, key) for key in ("step", "loss_sum", "correct", "seen", "curve")}
    save_tensors(path, tensors, {"progress": progress})


def restore(state: State, path: Path) -> None:
    """Bring a fresh state to where the file left off.

    Raises:
        ModelInputError: the file is damaged or of another network.
    """
    tensors, metadata = read_tensors(path)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    load_weights(state.model, weights, path)
    for name, parameter in state.model.named_parameters():
        momentum = tensors.get(f"momentum.{name}")
        if momentum is not None:
            if momentum.shape != parameter.shape or not torch.isfinite(momentum).all():
                raise ModelInputError(f"{path}: 'momentum.{name}' is damaged: delete the file to train from the start.")
            state.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
    progress: Any = metadata.get("progress")
    for key, kind in (("step", int), ("loss_sum", float), ("correct", int), ("seen", int), ("curve", list)):
        value: Any = progress.get(key) if isinstance(progress, dict) else None
        if type(value) is not kind or (kind is not list and not 0 <= value < math.inf):
            raise ModelInputError(f"{path}: the key {key!r} is missing or damaged: delete it to train from the start.")
        setattr(state, key, value)
