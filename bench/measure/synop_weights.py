"""Which storages of a module hold weights, which of them no operator has received, and when one may have changed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch import strided as STRIDED


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer of two axes or more, and its name in the module."""

    name: str
    tensor: Tensor


class Weights:
    """The weights of a module by their storage, so that views of them are known too."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._known: dict[int, Weight] = {}
        self._epoch = 0
        # Modules by the storage of a weight of theirs that no operator has received.
        self.unseen: dict[int, set[str]] = {}

    def learn(self, ran: Container[str]) -> None:
        """Look at the module anew. What `ran` earlier is not waited for again."""
        self._epoch += 1
        self._known.clear()
        for name, tensor in [*self._module.named_parameters(), *self._module.named_buffers()]:
            if tensor.layout is STRIDED and tensor.ndim >= 2 and tensor.numel():
                self._known.setdefault(storage(tensor), Weight(name, tensor))
        self.unseen = {}
        for name, module in self._module.named_modules():
            if name not in ran:
                for parameter in module.parameters(recurse=False):
                    if parameter.layout is STRIDED and parameter.ndim >= 2:
                        self.unseen.setdefault(storage(parameter), set()).add(name)

    def find(self, tensor: Tensor) -> Weight | None:
        """Return the weight that a tensor is or is a view of."""
        return self._known.get(storage(tensor))

    def state(self, known: Weight | None, weight: Tensor) -> Any:
        """Return what changes whenever the content of `weight`, a view of `known`, does; None where that is unknown."""
        if known is None:
            return None
        version = None if known.tensor.is_inference() else known.tensor._version
        return (self._epoch, version, weight.data_ptr(), weight.shape, weight.stride())

    def received(self, values: Iterable[Any]) -> None:
        """Note that an operator received these arguments."""
        for tensor in tensors(values):
            self.unseen.pop(storage(tensor), None)

    def written(self, values: Iterable[Any]) -> None:
        """Note that an operator writes into one of these arguments."""
        if any(storage(tensor) in self._known for tensor in tensors(values)):
            self._epoch += 1


def storage(tensor: Tensor) -> int:
    """Where a tensor's content begins, the same for all views of it."""
    return tensor.untyped_storage().data_ptr()


def tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    """Strided tensors among arguments, also in lists."""
    for value in values:
        if isinstance(value, Tensor):
            if value.layout is STRIDED:
                yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors(value)
