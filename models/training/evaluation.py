"""What a network predicts of a whole split: sample by sample, and after each number of time steps."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from inflor_bench.models.datasets import Dataset, Samples
from inflor_bench.models.training.processes import Processes
from inflor_bench.predictions import predictions

EVALUATION_BATCH = 500


@torch.inference_mode()
def evaluate(model: nn.Module, dataset: Dataset, split: Samples) -> Tensor:
    """One boolean a sample, [N]: whether the model, in evaluation mode, predicts its label."""
    batches = split.batches(EVALUATION_BATCH)
    return torch.cat([predictions(model(dataset.normalise(images))) == labels for images, labels in batches])


@torch.inference_mode()
def count_correct(model: nn.Module, dataset: Dataset, split: Samples, processes: Processes) -> list[int]:
    """How many samples are predicted correctly after 1, 2, ... T time steps, from one pass: the anytime curve.

    After t steps the prediction is the class of the highest mean logit over the first t. A network is causal, so that
    is what the same weights would predict if they were run for t steps. The processes share the batches.

    A GPU computes convolutions in float32 here, not in TF32 as torch does by default: that moved 11 of 10,000
    predictions of a spiking network, so that the CPU could not reproduce the accuracy of its card.
    """
    parts = torch.arange(len(split)).split(EVALUATION_BATCH)[processes.rank :: processes.world]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False), Anytime(model) as anytime:
        for chosen, images in zip(parts, split.stream(parts), strict=True):
            logits = model(dataset.normalise(images.to(processes.device)))
            anytime.update(logits, split.labels[chosen])
    return [int(total) for total in processes.sum([float(count) for count in anytime.correct])]


class Anytime:
    """While entered, counts the correct predictions of a model's passes after each number of time steps.

    Every network here ends in the linear layer `linear`, whose output [T*N, classes] is then averaged over time.
    """

    def __init__(self, model: nn.Module) -> None:
        self.timesteps = getattr(model, "timesteps", 1)
        self.correct = [0] * self.timesteps
        self._linear = model.get_submodule("linear")
        self._by_step = torch.empty(0)

    def __enter__(self) -> Self:
        self._handle = self._linear.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._by_step = output.detach().unflatten(0, (self.timesteps, -1))

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count the latest pass, which gave these logits [N, classes], against the labels [N]."""
        predicted = predictions(self._by_step.cumsum(0))
        predicted[-1] = predictions(logits)  # the same sum, but rounded as the network itself does
        right = (predicted == labels.to(logits.device)).sum(1).tolist()
        self.correct = [before + more for before, more in zip(self.correct, right, strict=True)]
