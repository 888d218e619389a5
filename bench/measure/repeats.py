"""Layers of torch that need not be watched again: what such a layer does depends on the shape of its input alone.

The first call with an input of one shape goes through dispatch, where every operator is seen and counted. What was seen
there, which operators with which cost and which product of the input with which weight, is what later calls do too, so
these run without dispatch, whose Python costs more than a small layer itself. Counted is always what flows in. What
could make a call differ is compared each time: the layer's settings and hooks, its weight, the input's layout and kind,
and everything that changes how torch runs operators. Where anything did, the call is watched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from bench.measure.neuron_ops import Cost
from bench.measure.synop_counting import Counted

_PLAIN = (Tensor, nn.Parameter)
_Key = tuple[int, torch.Size, tuple[int, ...], torch.dtype, torch.device]


@dataclass
class Seen:
    """What one watched call of a layer did with its input. `fit` says whether a later call can be counted by it."""

    input: Tensor
    costs: list[Cost] = field(default_factory=list)
    products: list[Counted] = field(default_factory=list)
    fit: bool = True

    def product(self, counted: Counted | None) -> None:
        """Note a product; None is one that a later call need not repeat."""
        if counted is None or self.products or not counted.takes(self.input):
            self.fit = False
        else:
            self.products.append(counted)


@dataclass(frozen=True)
class Repeat:
    """What every call of a layer with an input of one shape does. It keeps the layer, so that its id stays its own."""

    module: nn.Module
    settings: dict[str, Any]
    parameters: Mapping[str, Tensor | None]
    costs: tuple[Cost, ...]
    product: Counted | None


class Repeats:
    """The layers that were watched, by the shape of what went in."""

    def __init__(self) -> None:
        self._known: dict[_Key, Repeat] = {}

    def forget(self) -> None:
        """Watch every layer anew."""
        self._known.clear()

    def find(self, module: nn.Module, x: Tensor) -> Repeat | None:
        """Return what a call of the layer with x does, None where it has to be watched."""
        repeat = self._known.get(_key(module, x))
        if repeat is None or repeat.settings != module.__dict__ or _hooked(module):
            return None
        for name, tensor in module._parameters.items():
            if repeat.parameters.get(name) is not tensor:
                return None
        return repeat

    def learn(self, module: nn.Module, seen: Seen, output: Any) -> None:
        """Keep what a watched call did, if a later call must do the same."""
        if not seen.fit or type(output) is not Tensor or _hooked(module):
            return
        parameters, settings = dict(module._parameters), dict(module.__dict__)
        if any(type(tensor) not in _PLAIN for tensor in parameters.values() if tensor is not None):
            return
        if any(isinstance(value, Tensor) for value in settings.values()):  # which have no plain comparison
            return
        product = seen.products[0] if seen.products else None
        self._known[_key(module, seen.input)] = Repeat(module, settings, parameters, tuple(seen.costs), product)


def _key(module: nn.Module, x: Tensor) -> _Key:
    return id(module), x.shape, x.stride(), x.dtype, x.device


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_pre_hooks or module._forward_hooks or _has_any_global_hook())


def undisturbed() -> bool:
    """Whether torch runs operators as always: no autocast, no functional transform, not inside a backward pass."""
    return not (
        torch._C._is_any_autocast_enabled()
        or torch._C._current_graph_task_id() != -1
        or torch._C._functorch.peek_interpreter_stack() is not None
    )
