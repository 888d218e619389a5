"""The spiking neurons of SpikingJelly, snnTorch and Norse, as measuring sees them: one file a library.

A library is recognised by the module path of a class of its own among a neuron's base classes. No library is ever
imported from here: a model that has its neurons has imported it already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import nn

from inflor_bench.measure.neurons.adapters import native, norse, snntorch, spikingjelly
from inflor_bench.measure.neurons.adapters.adapted import Adapted as Adapted
from inflor_bench.measure.neurons.adapters.adapted import Dynamics as Dynamics
from inflor_bench.measure.neurons.adapters.adapted import Layout as Layout
from inflor_bench.measure.neurons.adapters.adapted import first_tensor as first_tensor

LIBRARIES: dict[str, Callable[[nn.Module], Adapted | None]] = {
    "spikingjelly": spikingjelly.adapt,
    "snntorch": snntorch.adapt,
    "norse": norse.adapt,
}
RESETS: dict[str, Callable[[nn.Module], None]] = {"spikingjelly": spikingjelly.reset, "snntorch": snntorch.reset}


def library_of(module: nn.Module) -> str | None:
    """The library that a module's class, or a base of it, comes from; None for one of another origin."""
    packages = (base.__module__.partition(".")[0] for base in type(module).__mro__)
    return next((package for package in packages if package in LIBRARIES), None)


def adapt(module: nn.Module) -> Adapted | None:
    """What measuring needs to know of a spiking neuron; None for a module that is none."""
    library = library_of(module)
    if library is None:
        return native.adapt(module)
    adapted = LIBRARIES[library](module)
    return None if adapted is None else replace(adapted, recognised=f"a neuron of {library}")


def adapted_neurons(model: nn.Module) -> dict[str, tuple[nn.Module, Adapted]]:
    """The spiking neurons of a model by name, in the order of definition; what they are built of is not looked into."""
    return dict(_walk("", model, set()))


def _walk(name: str, module: nn.Module, seen: set[int]) -> Iterator[tuple[str, tuple[nn.Module, Adapted]]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    adapted = adapt(module)
    if adapted is not None:
        yield name or type(module).__name__, (module, adapted)
        return
    for child_name, child in module.named_children():
        yield from _walk(f"{name}.{child_name}" if name else child_name, child, seen)
