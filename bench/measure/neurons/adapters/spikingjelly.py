"""SpikingJelly: `IFNode`, `LIFNode` and `ParametricLIFNode` in full, spikes of every other neuron.

    IFNode       u = v + x
    LIFNode      u = v + (x - (v - v_reset)) / tau,  or  u = v - (v - v_reset) / tau + x  without decay_input
    all          spike where u >= v_threshold; v = v_reset, or v = u - v_threshold where v_reset is None

`ParametricLIFNode` has sigmoid(w) for 1 / tau. v_reset counts as 0 in the charging where it is None. Before 2.0 a
neuron that takes [T, N, ...] is a class of its own, `MultiStep...`, without `step_mode`; since then one that takes
nothing else is a `MultiStepModule`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.measure.neurons.adapters.adapted import Adapted, Dynamics, Layout, behaviour, by_steps, number


def _is_neuron(base: type) -> bool:
    path = base.__module__.split(".")
    return path[0] == "spikingjelly" and "neuron" in path and "NonSpiking" not in base.__name__


def adapt(module: nn.Module) -> Adapted | None:
    """Recognise a neuron by a class of SpikingJelly's `neuron` package among its bases."""
    names = [base.__name__ for base in type(module).__mro__]
    if not any(map(_is_neuron, type(module).__mro__)) or any(name.startswith("NonSpiking") for name in names):
        return None
    node: Any = module
    older = any(_is_neuron(base) and base.__name__.startswith("MultiStep") for base in type(module).__mro__)
    always = older or "MultiStepModule" in names
    layout: Layout = "sequence" if always or getattr(node, "step_mode", "s") == "m" else "step"
    threshold = number(getattr(node, "v_threshold", None))
    follows = behaviour(module, "spikingjelly")
    name = follows.__name__.removeprefix("MultiStep")
    charge, decay = _charge(node, name) if _is_neuron(follows) else (None, None)
    if charge is None:
        why = f"the membrane of SpikingJelly's {names[0]} is not known here"
        return Adapted(layout, None, None, None, threshold, None, None, why)
    hard = node.v_reset is not None
    rest = float(node.v_reset) if hard else 0.0

    def after_reset(u: Tensor, spikes: Tensor) -> Tensor:
        return (1 - spikes) * u + spikes * rest if hard else u - spikes * node.v_threshold

    def step(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        u = charge(v, x, rest)
        return u, after_reset(u, (u - node.v_threshold >= 0).to(u))

    dynamics = Dynamics(
        by_steps(lambda x: torch.full_like(x, rest), step), lambda u: u - node.v_threshold >= 0, after_reset
    )
    leaks = 0 if name == "IFNode" else 1
    return Adapted(layout, "hard" if hard else "soft", leaks, 1, threshold, decay, dynamics)


def _charge(node: Any, name: str) -> tuple[Callable[[Tensor, Tensor, float], Tensor] | None, float | None]:
    """How the membrane takes up the current, and the decay of a step; None for a class of other equations."""
    if name == "IFNode":
        return lambda v, x, rest: v + x, 1.0
    if name not in ("LIFNode", "ParametricLIFNode"):
        return None, None
    share: Callable[[Tensor], Tensor]
    if name == "LIFNode":
        share, leak = lambda value: value / node.tau, 1 / node.tau
    else:
        share, leak = lambda value: value * node.w.sigmoid(), number(node.w.detach().sigmoid())
    decay = None if leak is None else 1 - leak
    if node.decay_input:
        return lambda v, x, rest: v + share(x - (v - rest)), decay
    return lambda v, x, rest: v - share(v - rest) + x, decay


def reset(model: nn.Module) -> None:
    """Bring every module of SpikingJelly's to rest, as its own `functional.reset_net` does."""
    for module in model.modules():
        of_library = any(base.__module__.partition(".")[0] == "spikingjelly" for base in type(module).__mro__)
        if of_library and callable(getattr(module, "reset", None)):
            module.reset()  # type: ignore[operator]
