"""Batch norm whose statistics are those of the whole batch, though each process sees a part of it.

torch's own (SyncBatchNorm) runs on GPUs only and would drop the scale of tdBN, which is kept here. Parameters,
statistics and their names stay as they are, so checkpoints do not change.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from inflor_bench.models.networks.tdbn import TdBatchNorm2d


def synchronise(model: nn.Module) -> None:
    """Let every batch norm of the model, tdBN too, normalise by the statistics over all processes while it trains."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SynchronisedBatchNorm2d
        elif type(module) is TdBatchNorm2d:
            module.__class__ = SynchronisedTdBatchNorm2d
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise TypeError(f"{type(module).__name__} has no synchronised form")


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Plain batch norm over all processes; in evaluation mode as without them."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalised current, of the shape of the input."""
        return _normalise(self, input, self.weight) if self.training else super().forward(input)


class SynchronisedTdBatchNorm2d(TdBatchNorm2d):
    """tdBN over all processes; in evaluation mode as without them."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised current, of the shape of x."""
        return _normalise(self, x, self._scaled_weight()) if self.training else super().forward(x)


def _normalise(norm: nn.BatchNorm2d, x: Tensor, weight: Tensor) -> Tensor:
    """Normalise x [B, C, H, W] and move the running statistics, as torch's batch norm does on the whole batch.

    The variance is computed around the mean that all processes share: two sums that travel, and no cancellation.
    """
    values = x.float() if x.dtype == torch.bfloat16 else x
    (count,) = _sum_over_processes(values.new_tensor([values.numel() / values.shape[1]]))
    mean = _sum_over_processes(values.sum((0, 2, 3))) / count
    centred = values - mean[:, None, None]
    variance = _sum_over_processes(centred.square().sum((0, 2, 3))) / count
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        momentum = norm.momentum or 0.0  # never None: the constructors leave it at 0.1
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), momentum)
    scale = weight * torch.rsqrt(variance + norm.eps)
    return (centred * scale[:, None, None] + norm.bias[:, None, None]).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes. Its gradient is the sum of theirs: each one's loss depends on every x."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        total = grad_outputs[0].clone()
        distributed.all_reduce(total)
        return total


def _sum_over_processes(values: Tensor) -> Tensor:
    return _Sum.apply(values)
