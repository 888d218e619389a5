"""What counters change of torch while they are at work. It is put back in whatever order they are left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

COMPILER = "torch._dynamo"


class _Compiler(MetaPathFinder):
    """Tells when torch's compiler is imported: it takes longer than torch itself, and most models never ask for it."""

    def __init__(self, imported: Callable[[], None]) -> None:
        self._imported = imported

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if name != COMPILER:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module: ModuleType) -> None:
                execute(module)
                self._imported()

            spec.loader.exec_module = execute_and_tell  # type: ignore[method-assign]
        return spec


class _Conditions:
    """Attention is not fused over whole layers and nothing is compiled, as long as any counter is at work."""

    def __init__(self) -> None:
        self._counters = 0
        self._fused_attention = True
        self._compiling = True
        self._eager: Any = None
        self._compiler = _Compiler(self._hold)

    @contextmanager
    def set(self) -> Iterator[None]:
        """Hold them for one counter."""
        if not self._counters:
            self._fused_attention = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
            sys.meta_path.insert(0, self._compiler)
            self.stay_eager()
        self._counters += 1
        try:
            yield
        finally:
            self._counters -= 1
            if not self._counters:
                self.compile_again()
                sys.meta_path.remove(self._compiler)
                torch.backends.mha.set_fastpath_enabled(self._fused_attention)

    def compile_again(self) -> None:
        """Let what was compiled run compiled, until `stay_eager`. There must be one counter alone."""
        self._compiling = True
        if self._eager is not None:
            self._eager.__exit__(None, None, None)
            self._eager = None

    def stay_eager(self) -> None:
        """Compile nothing again."""
        self._compiling = False
        self._hold()

    def _hold(self) -> None:
        if COMPILER in sys.modules and not self._compiling and self._eager is None:
            self._eager = torch.compiler.set_stance("force_eager")


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


@contextmanager
def aside() -> Iterator[None]:
    """Arithmetic on what has been computed: neither autograd nor any counter may see it."""
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch(), torch.no_grad():
        yield


class Again:
    """Within it, a mode that is dispatching an operator sees what that is made of, too."""

    def __init__(self, mode: TorchDispatchMode) -> None:
        self._mode = mode

    def __enter__(self) -> None:
        TorchDispatchMode.__enter__(self._mode)  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        TorchDispatchMode.__exit__(self._mode, *error)  # type: ignore[no-untyped-call]
