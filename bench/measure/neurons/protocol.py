"""Spiking neurons, recognised by what they offer and never by their class, and how their calls are cut into pieces.

A module is a spiking neuron if it has the attributes and the method of `SpikingNeuron`. Its forward takes the input
current [T*N, ...], time outermost, and gives spikes of the same shape, with T = `timesteps` and N samples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

# A piece of this size stays in a core's second-level cache, where passes are several times as fast as over a batch.
PIECE_ELEMENTS = 1 << 15

Result = TypeVar("Result")

OFFERED = ("timesteps", "decay", "threshold", "reset", "mpr", "membrane")


class SpikingNeuron(Protocol):
    """What a spiking neuron offers. It may offer more:

    - `rectify(u) -> phi(u)`, the membrane potential rectifier, needed for the rectified quantisation error;
    - `after_reset(u, spikes) -> v`, the membrane that is carried on, needed for the reset loss.
    """

    timesteps: int
    decay: float
    threshold: float | None
    reset: str
    mpr: bool

    def membrane(self, current: Tensor) -> Tensor:
        """Membrane u before the reset, [T*N, ...], of the input current [T*N, ...]."""
        ...


def is_spiking_neuron(module: nn.Module) -> bool:
    """Tell whether the module offers what a `SpikingNeuron` offers."""
    return all(hasattr(module, name) for name in OFFERED) and callable(module.membrane)


def as_neuron(module: nn.Module) -> SpikingNeuron:
    """Give a recognised neuron its type."""
    return cast(SpikingNeuron, module)


def spiking_neurons(module: nn.Module) -> dict[str, nn.Module]:
    """Return the spiking neurons of a module by name, in the order of definition.

    A neuron that is used at several places has one name, the first. What a neuron is built of is not looked into. A
    module that is itself a neuron is named after its class.
    """
    found: dict[str, nn.Module] = {}
    inside: set[int] = set()
    for name, child in module.named_modules():
        if id(child) not in inside and is_spiking_neuron(child):
            found[name or type(child).__name__] = child
            inside.update(id(part) for part in child.modules())
    return found


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: a new one would fetch all its memory from the system anew."""
    return ThreadPoolExecutor(threads, thread_name_prefix="pieces")


def piece(steps: Tensor, start: int, end: int) -> Tensor:
    """Samples of [T, N, ...] as [T*n, ...], dense in memory and in the layout of the whole (channels last, say)."""
    if end - start >= steps.shape[1] or steps.shape[0] == 1:
        return steps[:, start:end].flatten(0, 1)
    return torch.cat([step[start:end] for step in steps.unbind(0)])


def map_pieces(function: Callable[..., Result], timesteps: int, *tensors: Tensor) -> list[Result]:
    """Call `function` on pieces [T*n, ...] of tensors [T*N, ...], n samples each, and return the results in order.

    On a CPU the pieces are small and shared out to threads; other devices get the tensors whole.
    """
    if tensors[0].device.type != "cpu":
        return [function(*tensors)]
    steps = [tensor.unflatten(0, (timesteps, -1)) for tensor in tensors]
    samples = steps[0].shape[1]
    # Two at least: of a single one torch cannot tell whether channels are last, and goes on as if they were not.
    at_once = max(2, PIECE_ELEMENTS * samples // max(1, tensors[0].numel()))
    pieces = ([piece(tensor, start, start + at_once) for tensor in steps] for start in range(0, samples, at_once))
    threads = torch.get_num_threads()
    # Each thread computes its piece alone: dividing operations this small among threads costs far more than it gains.
    torch.set_num_threads(1)
    try:
        return list(_pool(threads).map(lambda piece: function(*piece), pieces))
    finally:
        torch.set_num_threads(threads)
