"""How a network is trained, as values, and the key that trained weights are kept under."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from inflor_bench.errors import ModelInputError
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import Dataset
from inflor_bench.models.fused import STEPS_AT_ONCE
from inflor_bench.models.sources import sources_sha256


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum on the cross-entropy of the mean logits over time, without label smoothing.

    The learning rate rises linearly over `warmup` of the steps, then falls as a cosine to 0. Augmentation (all off by
    default): `horizontal_flip` of every second image; `crop_padding`, a crop of the image's size from the image with so
    many zeros around it; `auto_augment`, the CIFAR-10 policy of AutoAugment; `cutout`, a square of so many pixels set
    to the mean; `roll`, a shift by at most so many pixels with what leaves coming in at the other side. `bfloat16`
    computes in that precision where torch's autocast deems it safe; weights and evaluation stay float32.
    `steps_at_once` goes through events so many time steps at a time (`models.pieces`), 0 through all at once.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 0.1
    warmup: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    horizontal_flip: bool = False
    crop_padding: int = 0
    auto_augment: bool = False
    cutout: int = 0
    roll: int = 0
    bfloat16: bool = False
    steps_at_once: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ModelInputError(
                f"A recipe of {self.epochs} epochs and batch size {self.batch_size} cannot train: "
                "give at least 1 epoch and a batch size of 2."
            )
        if not 0 < self.learning_rate < math.inf:
            raise ModelInputError(f"A learning rate of {self.learning_rate} cannot train: give one above 0.")
        if not 0 <= self.steps_at_once <= STEPS_AT_ONCE:
            raise ModelInputError(
                f"{self.steps_at_once} time steps at once is not possible: give 1 to {STEPS_AT_ONCE}, or 0 for all."
            )

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step 0..steps-1."""
        rising = self.warmup * steps
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))

    def values(self) -> dict[str, Any]:
        """What is stored of the recipe, and hashed: a value that was added later only where it is not its default.

        So a recipe that was stored before still equals itself.
        """
        defaults = {field.name: field.default for field in fields(self) if field.name not in _FIRST}
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


_FIRST = ("epochs", "batch_size", "learning_rate", "warmup", "momentum", "weight_decay", "horizontal_flip")

_PAPER: dict[str, Any] = {"learning_rate": 0.01, "warmup": 0.0, "momentum": 0.9, "weight_decay": 1e-4}

RECIPES = {
    "digits": Recipe(epochs=20, batch_size=64),
    "digits-dvs": Recipe(epochs=10, batch_size=64),
    "fashion-mnist": Recipe(epochs=10, batch_size=128, horizontal_flip=True),
    # As released by Guo et al. (ECCV 2022).
    "paper-cifar": Recipe(
        epochs=400, batch_size=128, horizontal_flip=True, crop_padding=4, auto_augment=True, cutout=16, **_PAPER
    ),
    "paper-dvs": Recipe(epochs=400, batch_size=128, horizontal_flip=True, roll=5, **_PAPER),
    # Not the paper's, whose ImageNet recipe is not known here: that of He et al. (CVPR 2016), with a cosine.
    "imagenet": Recipe(epochs=90, batch_size=256, warmup=0.0, weight_decay=1e-4, horizontal_flip=True),
    # To see that all works, on any data set.
    "quick": Recipe(epochs=2, batch_size=64),
}
_OF_DATASET = {"cifar10": "paper-cifar", "cifar100": "paper-cifar", "cifar10-dvs": "paper-dvs"}


def find_recipe(dataset: str, name: str | None = None) -> Recipe:
    """The named recipe, or that of the data set where no name is given.

    Raises:
        ModelInputError: there is no recipe of that name.
    """
    chosen = name or _OF_DATASET.get(dataset, dataset)
    if chosen not in RECIPES:
        raise ModelInputError(f"Unknown recipe {chosen!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[chosen]


def training_key(config: ModelConfig, recipe: Recipe, dataset: Dataset, seed: int) -> str:
    """Hash of everything that determines trained weights on one kind of machine. Trained cells are cached under it.

    Weights whose code, recipe or data changed since are trained anew, so that what the change does is measured. Shipped
    weights keep the key that they were trained under.
    """
    determined_by: dict[str, Any] = {
        "config": config.as_dict(),
        "recipe": recipe.values(),
        "dataset": dataset.sha256,
        "seed": seed,
        "sources": sources_sha256(config.network, dataset.name),
    }
    if config.neuron == "quant":
        determined_by["sources"] = sources_sha256(config.network, dataset.name, neuron="quant")
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()[:24]
