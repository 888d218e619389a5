"""What counters change of torch while they are at work. It is put back in whatever order they are left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack


class _Conditions:
    """Attention is not fused over whole layers and nothing is compiled, as long as any counter is at work."""

    def __init__(self) -> None:
        self._counters = 0
        self._fused_attention = True
        self._eager: Any = None

    @contextmanager
    def set(self) -> Iterator[None]:
        """Hold them for one counter."""
        if not self._counters:
            self._fused_attention = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
            self._eager = torch.compiler.set_stance("force_eager")
        self._counters += 1
        try:
            yield
        finally:
            self._counters -= 1
            if not self._counters:
                self._eager.__exit__(None, None, None)
                torch.backends.mha.set_fastpath_enabled(self._fused_attention)

    def compile_again(self) -> None:
        """Let what was compiled run compiled, until `stay_eager`. There must be one counter alone."""
        self._eager.__exit__(None, None, None)

    def stay_eager(self) -> None:
        """Compile nothing again."""
        self._eager.__enter__()


CONDITIONS = _Conditions()


def remove(mode: TorchDispatchMode | TorchFunctionMode) -> None:
    """Take a mode off its stack, wherever on it it is. One that is not there has been taken off already."""
    kind: Any = TorchDispatchMode if isinstance(mode, TorchDispatchMode) else TorchFunctionMode
    dispatching = kind is TorchDispatchMode
    stack = _get_current_dispatch_mode_stack() if dispatching else _get_current_function_mode_stack()
    if not any(other is mode for other in stack):
        return
    above: list[Any] = []
    while (top := stack.pop()) is not mode:
        kind.__exit__(top, None, None, None)
        above.append(top)
    kind.__exit__(mode, None, None, None)
    for other in reversed(above):
        kind.__enter__(other)
