"""What a network predicts of a whole split: sample by sample, and after each number of time steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.datasets import Dataset, Samples
from models.training.processes import Processes

EVALUATION_BATCH = 500


@torch.inference_mode()
def evaluate(model: nn.Module, dataset: Dataset, split: Samples, batch_size: int = EVALUATION_BATCH) -> Tensor:
    """One boolean a sample, [N]: whether the model, in evaluation mode, predicts its label."""
    bits = [model(dataset.normalise(images)).argmax(1) == labels for images, labels in split.batches(batch_size)]
    return torch.cat(bits)


@torch.inference_mode()
def count_correct(model: nn.Module, dataset: Dataset, split: Samples, processes: Processes) -> list[int]:
    """How many samples are predicted correctly after 1, 2, ... T time steps, from one pass: the anytime curve.

    After t steps the prediction is the class of the highest mean logit over the first t. A network is causal, so that
    is what the same weights would predict if they were run for t steps. The processes share the batches.
    """
    parts = torch.arange(len(split)).split(EVALUATION_BATCH)[processes.rank :: processes.world]
    counts = torch.zeros(getattr(model, "timesteps", 1), dtype=torch.int64)
    with step_logits(model) as latest:
        for chosen, images in zip(parts, split.stream(parts), strict=True):
            labels = split.labels[chosen].to(processes.device)
            logits = model(dataset.normalise(images.to(processes.device)))
            anytime = latest().cumsum(0).argmax(2)
            anytime[-1] = logits.argmax(1)  # the same sum, but rounded as the network itself does
            counts += (anytime == labels).sum(1).cpu()
    return [int(total) for total in processes.sum(counts.tolist())]


@contextmanager
def step_logits(model: nn.Module) -> Iterator[Callable[[], Tensor]]:
    """While entered, give a function that returns the logits [T, N, classes] of the model's latest pass, step by step.

    Every network here ends in the linear layer `linear`, whose output [T*N, classes] is then averaged over time.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept[:] = [output.detach().unflatten(0, (getattr(model, "timesteps", 1), -1))]

    handle = model.get_submodule("linear").register_forward_hook(keep)
    try:
        yield lambda: kept[0]
    finally:
        handle.remove()
