"""A network over a long sequence, some time steps at a time: memory for the backward pass that does not grow with T.

The piece's activations are dropped after its forward pass and computed again in the backward pass (checkpointing over
time); what is kept between the two are the inputs and the membranes between pieces. It costs one more forward pass.

The result is that of the whole sequence at once, but for one thing: in training, normalisation takes its statistics
from the steps of a piece and not from those of the whole sequence, as it would on a smaller batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from inflor_bench.models.fused import STEPS_AT_ONCE
from inflor_bench.models.neurons import LIF


def logits_in_pieces(model: nn.Module, x: Tensor, steps: int) -> Tensor:
    """Logits [N, classes], the mean over time, of events [T, N, C, H, W], `steps` time steps at a time.

    Raises:
        ValueError: x has no time axis, or there are more steps than a neuron's kernel takes at once.
    """
    if x.ndim != 5 or not 1 <= steps <= STEPS_AT_ONCE:
        raise ValueError(
            f"events [T, N, C, H, W] and 1 to {STEPS_AT_ONCE} steps at a time, not {list(x.shape)}, {steps}"
        )
    neurons = [module for module in model.modules() if isinstance(module, LIF)]
    # A membrane of nothing but 0 that broadcasts stands for "from the start", before a shape is known.
    membranes: list[Tensor] = [torch.zeros((), device=x.device) for _ in neurons]
    total: Tensor | None = None
    for piece in x.split(steps):
        run = _Piece(model, neurons)
        outcome = checkpoint(run, piece, *membranes, use_reentrant=False)
        logits, membranes = outcome[0] * len(piece), list(outcome[1:])
        total = logits if total is None else total + logits
    assert total is not None
    return total / len(x)


class _Piece:
    """One piece. It runs a second time for the backward pass, when running statistics must not move again."""

    def __init__(self, model: nn.Module, neurons: list[LIF]) -> None:
        self._model, self._neurons = model, neurons
        self._again = False

    def __call__(self, piece: Tensor, *membranes: Tensor) -> tuple[Tensor, ...]:
        with _of_steps(self._model, len(piece)), _standing_statistics(self._model, self._again):
            self._again = True
            for neuron, membrane in zip(self._neurons, membranes, strict=True):
                neuron.carried = membrane
            try:
                logits = self._model(piece)
                carried = [neuron.carried for neuron in self._neurons]
            finally:
                for neuron in self._neurons:
                    neuron.carried = None
        return (logits, *(membrane for membrane in carried if membrane is not None))


@contextmanager
def _of_steps(model: nn.Module, steps: int) -> Iterator[None]:
    """Let the network and its neurons see a sequence of so many steps."""
    timed = [module for module in model.modules() if isinstance(getattr(module, "timesteps", None), int)]
    before = [module.timesteps for module in timed]
    try:
        for module in timed:
            module.timesteps = steps  # type: ignore[assignment]
        yield
    finally:
        for module, timesteps in zip(timed, before, strict=True):
            module.timesteps = timesteps


@contextmanager
def _standing_statistics(model: nn.Module, standing: bool) -> Iterator[None]:
    """Let normalisation use the statistics of a batch without keeping them.

    Not by leaving the running ones out of the call, for the second pass has to save the same tensors as the first.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if standing else []
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
            norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked
