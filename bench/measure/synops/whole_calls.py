"""Sees linear layers, attention and convolutions as they are called, before torch takes them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from inflor_bench.measure.synops.counter import SynOpCounter

# Of complex numbers they arrive as several real ones.
_CONVOLUTIONS = frozenset(
    {
        *(torch.conv1d, torch.conv2d, torch.conv3d),
        *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
    }
)


class WholeCalls(TorchFunctionMode):
    """Sees whole linear layers and attention: below autograd they can no longer be told from other products."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.linear:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return self._counter.run_linear(lambda: func(*args, **kwargs), bias is not None)
        if func is nn.functional.scaled_dot_product_attention:
            return self._counter.run_attention(lambda: func(*args, **kwargs), args, kwargs)
        if func in _CONVOLUTIONS and args and isinstance(args[0], Tensor) and args[0].is_complex():
            return self._counter.run_uncounted(lambda: func(*args, **kwargs), func.__name__, args, kwargs)
        return func(*args, **kwargs)
