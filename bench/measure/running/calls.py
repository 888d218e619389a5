"""Sees the calls of a model's modules, without hooks on each of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from inflor_bench.measure.neurons.protocol import SpikingNeuron


@dataclass(frozen=True)
class Called:
    """A watched module: its name in the model, and itself where it is a spiking neuron."""

    name: str
    neuron: SpikingNeuron | None


class ModuleCalls:
    """Hands every call of a watched module to `around(called, module, args, kwargs)`, which gives what `run` gives.

    `nn.Module.__call__` is replaced while anybody watches, as torch.fx does when it traces. The modules' own hooks run
    inside. What overrides `__call__` without calling its parent is not seen. Who began later is called first; watching
    may end in any order.
    """

    _all: ClassVar[list[ModuleCalls]] = []
    _original: ClassVar[Callable[..., Any]] = nn.Module.__call__

    def __init__(self, around: Callable[[Called, nn.Module, tuple[Any, ...], dict[str, Any]], Any]) -> None:
        self._around = around
        # The modules are kept, so that no other one can come to have the identity of one of them.
        self._watched: dict[int, tuple[nn.Module, Called]] = {}

    def watch(self, modules: Iterable[tuple[nn.Module, Called]]) -> None:
        """Begin, with these modules."""
        self._watched = {id(module): (module, called) for module, called in modules}
        if not ModuleCalls._all:
            original = ModuleCalls._original = nn.Module.__call__

            @functools.wraps(original)
            def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
                return ModuleCalls._call(len(ModuleCalls._all), module, args, kwargs)

            nn.Module.__call__ = call  # type: ignore[method-assign]
        ModuleCalls._all.append(self)

    def stop(self) -> None:
        """End."""
        if self in ModuleCalls._all:
            ModuleCalls._all.remove(self)
            if not ModuleCalls._all:
                nn.Module.__call__ = ModuleCalls._original  # type: ignore[method-assign]

    def run(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The call itself, handed on to who began earlier."""
        below = ModuleCalls._all.index(self) if self in ModuleCalls._all else 0
        return ModuleCalls._call(below, module, args, kwargs)

    @classmethod
    def _call(cls, below: int, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for calls in reversed(cls._all[:below]):
            found = calls._watched.get(id(module))
            if found is not None:
                return calls._around(found[1], module, args, kwargs)
        return cls._original(module, *args, **kwargs)
