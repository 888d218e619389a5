"""Which class a network predicts. Torch is loaded with it."""

from __future__ import annotations

import torch
from torch import Tensor


def predictions(logits: Tensor) -> Tensor:
    """Predicted classes, [...], int64, of logits [..., classes]: of equal logits the lowest class wins.

    torch.argmax leaves open which of several equal maxima it returns, and devices differ.
    """
    classes = torch.arange(logits.shape[-1], device=logits.device)
    at_maximum = logits == logits.amax(dim=-1, keepdim=True)
    return torch.where(at_maximum, classes, logits.shape[-1]).amin(dim=-1)
