"""What tensors are made of: the weights of a module, what was made of them alone, and where an input came in.

Weights are the parameters and buffers of a module. What an operator makes of weights and of constants alone is a weight
too (a normalised, masked or low-rank one), and a product of such is no synaptic operation: nothing came in. A buffer
that the run writes an input into is state, and state is an input.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import strided as STRIDED
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef

# The names of the weights that a tensor was made of alone; none for a constant. None where an input came in.
Origin = frozenset[str] | None

_CONSTANT: frozenset[str] = frozenset()
# What was made as zeros, often state before anything came in, bears this name; no weight has it.
ZEROS = ""
_ZEROS = frozenset({ZEROS})
_ZERO_MAKERS = frozenset({"zeros", "zeros_like", "new_zeros", "empty", "empty_like", "new_empty", "empty_strided"})
_MAKERS = frozenset({*_ZERO_MAKERS, "ones_like", "new_ones", "full_like", "new_full", "new_empty_strided"})
_OVERWRITING = frozenset({"copy_", "zero_", "fill_"})


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer, and its name in the module."""

    name: str
    tensor: Tensor
    buffer: bool


class Weights:
    """The weights of a module by their storage, so that views of them are known too, and what was made of them."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._known: dict[int, Weight] = {}
        self._parameters: frozenset[str] = frozenset()
        self._holders: list[tuple[str, nn.Module]] = []
        self._made: dict[int, tuple[frozenset[str], StorageWeakRef]] = {}
        self._epoch = 0
        # Buffers that an input was written into, or that were replaced by what an input went into.
        self.state: set[str] = set()
        # Buffers of which this forward pass may yet make state; what a whole pass has left alone is a constant.
        self._undecided: set[str] = set()
        # Modules by the storage of a weight of theirs that no operator has received.
        self.unseen: dict[int, set[str]] = {}

    def learn(self, ran: Container[str]) -> None:
        """Look at the module anew. What `ran` earlier is not waited for again."""
        self._epoch += 1
        self._known.clear()
        for buffer, found in ((False, self._module.named_parameters()), (True, self._module.named_buffers())):
            for name, tensor in found:
                if (key := storage(tensor)) is not None and tensor.numel():
                    self._known.setdefault(key, Weight(name, tensor, buffer))
        self._parameters = frozenset(known.name for known in self._known.values() if not known.buffer)
        self._undecided = {known.name for known in self._known.values() if known.buffer} - self.state
        self.unseen, self._holders = {}, []
        for name, module in self._module.named_modules():
            if module._buffers:
                self._holders.append((f"{name}." if name else "", module))
            if name not in ran:
                for parameter in module.parameters(recurse=False):
                    if (key := storage(parameter)) is not None and parameter.ndim >= 2:
                        self.unseen.setdefault(key, set()).add(name)

    def find(self, tensor: Tensor) -> Weight | None:
        """Return the weight that a tensor is or is a view of."""
        return self._known.get(storage(tensor) or 0)

    def origin(self, tensor: Tensor) -> Origin:
        """Return what a tensor was made of."""
        key = storage(tensor) or 0
        known = self._known.get(key)
        if known is not None:
            return None if known.name in self.state else frozenset({known.name})
        made = self._made.get(key)
        return None if made is None else made[0]

    def weighs(self, tensor: Tensor) -> int:
        """How much of a weight a tensor is: 2 if a parameter is in it, 1 if buffers alone are, else 0."""
        origin = self.origin(tensor)
        if origin is None or not origin - _ZEROS:
            return 0
        return 2 if self.has_parameter(origin) else 1

    def has_parameter(self, origin: frozenset[str]) -> bool:
        """Whether a parameter is in it."""
        return not origin.isdisjoint(self._parameters)

    def origin_of_all(self, values: Iterable[Any]) -> Origin:
        """Return what the tensors among these arguments, also in lists, were made of together."""
        together = _CONSTANT
        for tensor in _all_tensors(values):
            origin = self.origin(tensor)
            if origin is None:
                return None
            together |= origin
        return together

    def undecided(self, origin: frozenset[str]) -> bool:
        """Whether a buffer is in it of which this forward pass may yet make state."""
        return not origin.isdisjoint(self._undecided)

    def made(
        self, operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, *, constants: bool
    ) -> None:
        """Note what an operator made that writes into nothing. Without `constants`, what is made of nothing is not."""
        name = operator.overloadpacket.__name__
        origin = _CONSTANT if name in _MAKERS else self.origin_of_all((*args, *kwargs.values()))
        if origin is None or torch.Tag.nondeterministic_seeded in operator.tags:
            return
        if constants or origin:
            self._note(output, _ZEROS if name in _ZERO_MAKERS else origin)

    def came_in(self, values: Iterable[Any]) -> None:
        """Note that these are inputs, whatever they were made of."""
        for tensor in _all_tensors(values):
            self._made.pop(storage(tensor) or 0, None)

    def written(
        self, operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], targets: Iterable[Tensor]
    ) -> None:
        """Note that an operator has written into `targets`."""
        values = (*args, *kwargs.values())
        overwrites = operator.overloadpacket.__name__ in _OVERWRITING or "out" in kwargs
        random = torch.Tag.nondeterministic_seeded in operator.tags
        for tensor in targets:
            key = storage(tensor)
            if key is None:
                continue
            whole = overwrites and tensor.numel() * tensor.element_size() >= tensor.untyped_storage().nbytes()
            others = [value for value in values if value is not tensor] if whole else values
            origin = None if random else self.origin_of_all(others)
            known = self._known.get(key)
            if known is not None:
                self._epoch += 1
                if origin is None and known.buffer:
                    self.state.add(known.name)
            elif origin is None:
                self._made.pop(key, None)
            else:
                self._note(tensor, origin or _ZEROS)

    def end_of_forward(self) -> None:
        """A forward pass ends: buffers that were replaced by what an input went into are state, others constant."""
        for path, module in self._holders:
            self.state.update(
                f"{path}{name}"
                for name, tensor in module._buffers.items()
                if tensor is not None and self.origin(tensor) is None
            )
        self._undecided.clear()
        self._made = {key: made for key, made in self._made.items() if not made[1].expired()}

    def content(self, known: Weight | None, weight: Tensor) -> Any:
        """Return what changes whenever the content of `weight`, a view of `known`, does; None where that is unknown."""
        if known is None:
            return None
        version = None if known.tensor.is_inference() else known.tensor._version
        return (self._epoch, version, weight.data_ptr(), weight.shape, weight.stride())

    def received(self, values: Iterable[Any]) -> None:
        """Note that an operator received these arguments."""
        for tensor in _all_tensors(values):
            self.unseen.pop(storage(tensor) or 0, None)

    def _note(self, output: Any, origin: frozenset[str]) -> None:
        for tensor in _all_tensors((output,)):
            if (key := storage(tensor)) is not None and key not in self._known:
                self._made[key] = (origin, StorageWeakRef(tensor.untyped_storage()))


def nothing_yet(origin: Origin, tensor: Tensor) -> bool:
    """Whether a tensor holds zeros made on the way: state before anything came in, which counts as an input."""
    return origin is not None and ZEROS in origin and not why_uncountable((tensor,)) and not bool(tensor.any())


_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


def why_uncountable(values: Iterable[Any]) -> str:
    """Why the values of these tensors, also in lists, cannot be counted; empty where they can."""
    for tensor in _all_tensors(values):
        if type(tensor) not in _PLAIN:
            return f"a {type(tensor).__name__} may hold anything"
        if tensor.layout is not STRIDED or tensor.is_nested or tensor.is_quantized:
            return "of dense tensors alone it is known which elements there are"
        if tensor.is_complex():
            return "a product of complex numbers is several"
        if tensor.is_meta or lost_its_values(tensor):
            return "the tensors hold no values"
    return ""


def lost_its_values(tensor: Tensor) -> bool:
    """Whether the memory of a tensor was given back."""
    return bool(tensor.numel()) and not tensor.untyped_storage().nbytes()


def storage(tensor: Tensor) -> int | None:
    """Identity of a tensor's content, the same for all views of it; None where it has no content of its own."""
    if tensor.layout is not STRIDED or tensor.is_nested:
        return None
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # a wrapper around other tensors
        return None


def _all_tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _all_tensors(value)


def written_by(operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors among the arguments that an operator writes into."""
    arguments = operator._schema.arguments
    named = [*zip(arguments, args, strict=False)]
    named += [(argument, kwargs[argument.name]) for argument in arguments if argument.name in kwargs]
    return list(
        _all_tensors(value for argument, value in named if argument.alias_info and argument.alias_info.is_write)
    )
