"""Spiking neurons, recognised by what they offer and never by their class, and how their calls are watched.

A module is a spiking neuron if it has the attributes and the method of `SpikingNeuron`. Its forward takes the input
current [T*N, ...], time outermost, and gives spikes of the same shape, with T = `timesteps` and N samples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inflor_bench.errors import MeasureInputError

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


SiteCall = Callable[[str, SpikingNeuron, Tensor, Tensor], None]


class NeuronWatch:
    """Calls `on_call(site, neuron, current [T*N, ...], spikes [T*N, ...])` for all neurons in all forwards of a module.

    A neuron that is called several times in one forward has one site per call: `name`, `name#2`, `name#3`, ...
    An error of `on_call` is kept as `error` and ends the watching, so that it costs nobody else the forward pass.
    """

    def __init__(self, module: nn.Module, on_call: SiteCall) -> None:
        self._module = module
        self._on_call = on_call
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []
        self.error: MeasureInputError | None = None

    def __enter__(self) -> Self:
        self._handles.append(self._module.register_forward_pre_hook(self._begin))
        for name, neuron in spiking_neurons(self._module).items():
            hook = self._make_hook(name)
            self._handles.append(neuron.register_forward_hook(hook, with_kwargs=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._calls.clear()

    def _make_hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if self.error is not None:
                return
            self._calls[name] = self._calls.get(name, 0) + 1
            site = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
            neuron = as_neuron(module)
            inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            try:
                check_call(site, neuron, inputs, output)
                self._on_call(site, neuron, inputs[0].detach(), output.detach())
            except MeasureInputError as error:
                self.error = error

        return hook


def check_call(site: str, neuron: SpikingNeuron, inputs: list[Tensor], output: Any) -> None:
    """Check that a neuron was called as `SpikingNeuron` says.

    Raises:
        MeasureInputError: no tensor came in or out, the shapes differ, or the rows are no multiple of the time steps.
    """
    if not inputs or not isinstance(output, Tensor):
        raise MeasureInputError(f"{site}: a spiking neuron must take one tensor and return one tensor.")
    if output.ndim == 0 or inputs[0].shape != output.shape:
        raise MeasureInputError(
            f"{site}: the spikes have shape {list(output.shape)} but the current {list(inputs[0].shape)}; "
            "a spiking neuron must keep the shape [T*N, ...]."
        )
    if neuron.timesteps < 1 or output.shape[0] % neuron.timesteps:
        raise MeasureInputError(
            f"{site}: {output.shape[0]} rows are not a multiple of its {neuron.timesteps} time steps; "
            "give the current as [T*N, ...]."
        )


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
