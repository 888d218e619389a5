"""Sees the calls of a model's modules, without hooks on each of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from bench.measure.neurons import SpikingNeuron


@dataclass(frozen=True)
class Called:
    """A watched module: its name in the model, and itself where it is a spiking neuron."""

    name: str
    neuron: SpikingNeuron | None


class ModuleCalls:
    """Hands every call of a watched module to `around(called, module, args, kwargs)`, which gives what `run` gives.

    `nn.Module.__call__` is replaced while there is something to watch, as torch.fx does when it traces. The modules'
    own hooks run inside. What overrides `__call__` without calling its parent is not seen.
    """

    def __init__(self, around: Callable[[Called, nn.Module, tuple[Any, ...], dict[str, Any]], Any]) -> None:
        self._around = around
        self._watching = False
        # The call itself, unwatched: run(module, *args, **kwargs).
        self.run: Callable[..., Any] = nn.Module.__call__

    def watch(self, modules: Iterable[tuple[nn.Module, Called]]) -> None:
        """Begin, with these modules."""
        # The modules are kept, so that no other one can come to have the identity of one of them.
        watched = {id(module): (module, called) for module, called in modules}
        around, original = self._around, nn.Module.__call__
        self.run, self._watching = original, True

        @functools.wraps(original)
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            found = watched.get(id(module))
            if found is None:
                return original(module, *args, **kwargs)
            return around(found[1], module, args, kwargs)

        nn.Module.__call__ = call  # type: ignore[method-assign]

    def stop(self) -> None:
        """End."""
        if self._watching:
            nn.Module.__call__ = self.run  # type: ignore[method-assign]
            self._watching = False
