"""How a network is trained, as values. What is written here, the data and the seed determine the weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from models.create import ModelConfig
from models.errors import ModelInputError


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum; the learning rate rises linearly over `warmup` of the steps, then falls as a cosine to 0."""

    epochs: int
    batch_size: int
    learning_rate: float = 0.1
    warmup: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    horizontal_flip: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ModelInputError(
                f"A recipe of {self.epochs} epochs and batch size {self.batch_size} cannot train: "
                "give at least 1 epoch and a batch size of 2."
            )

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step 0..steps-1."""
        rising = self.warmup * steps
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


RECIPES = {
    "digits": Recipe(epochs=20, batch_size=64),
    "fashion-mnist": Recipe(epochs=10, batch_size=128, horizontal_flip=True),
}


def training_key(config: ModelConfig, recipe: Recipe, dataset_sha256: str, seed: int) -> str:
    """Hash of everything that determines trained weights on one kind of machine. Trained cells are cached under it."""
    determined_by: dict[str, Any] = {
        "config": config.as_dict(),
        "recipe": asdict(recipe),
        "dataset": dataset_sha256,
        "seed": seed,
        "procedure": 2,  # To be raised when training itself changes what it computes.
    }
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()[:24]
