"""Threshold-dependent batch norm (tdBN; Zheng et al., AAAI 2021, equations 9 and 10), as in Guo et al. (ECCV 2022).

    xhat = (x - mean) / sqrt(variance + eps)        mean and variance of a channel over time, batch and space
    y = weight * (alpha * firing level * xhat) + bias

The firing level is 0.5. `alpha` is 1, or 1/sqrt(2) for each of two normalised currents that add up, so that the current
of a neuron has the standard deviation 0.5 when training starts: some neurons fire at every step, and not all.
Only the normalised value is scaled, before the affine part: the bias is not.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

FIRING_LEVEL = 0.5
OF_TWO = 1 / math.sqrt(2)  # alpha of each summand, where a projection shortcut adds up with the residual


class TdBatchNorm2d(nn.BatchNorm2d):
    """Normalise the current [T*N, C, H, W] over time, batch and space, to the scale of the firing level."""

    def __init__(self, channels: int, alpha: float = 1.0) -> None:
        super().__init__(channels)
        self.alpha = alpha

    def _scaled_weight(self) -> Tensor:
        return self.weight * (self.alpha * FIRING_LEVEL)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised current, of the shape of x. In training mode the running statistics move by `momentum`, 0.1."""
        self._check_input_dim(x)
        if self.training:
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]  # the constructor always makes it
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self._scaled_weight(),
            self.bias,
            self.training,
            self.momentum or 0.0,  # never None: the constructor leaves it at 0.1
            self.eps,
        )

    def plain(self) -> nn.BatchNorm2d:
        """Return the plain batch norm that gives the same in evaluation mode: its weight holds the scale."""
        same = nn.BatchNorm2d(self.num_features, self.eps, self.momentum).train(self.training)
        state = {**self.state_dict(), "weight": self._scaled_weight().detach()}
        same.to(device=self.weight.device, dtype=self.weight.dtype).load_state_dict(state)
        return same

    def extra_repr(self) -> str:
        """Show alpha in the module's picture."""
        return f"{self.num_features}, alpha={self.alpha:.4g}"
