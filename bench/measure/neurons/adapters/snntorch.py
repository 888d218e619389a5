"""snnTorch: `Leaky` in full, neuron updates of `Lapicque` and `Synaptic`, spikes of every other neuron.

    Leaky    u = beta v + x - threshold o      reset_mechanism "subtract"; v and o: u and spikes of the step before
             u = beta (1 - o) v + x            "zero"
             u = beta v + x                    "none"
             spike where u > threshold

snnTorch resets at the next step, after the leak: with "subtract" no membrane stands between u and its successor, so
there is no reset loss to report. Without `reset_delay` the membrane is reset at once, and then is not known here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.measure.neurons.adapters.adapted import Adapted, Dynamics, behaviour, by_steps, number

_RESETS = {"subtract": "soft", "zero": "hard", "none": "none"}
_STATES = {"Leaky": 1, "Lapicque": 1, "Synaptic": 2}
_SEQUENCES = ("LeakyParallel", "StateLeaky", "AssociativeLeaky")


def adapt(module: nn.Module) -> Adapted | None:
    """Recognise a neuron by a class of snnTorch's neurons among its bases."""
    bases = type(module).__mro__
    names = {base.__name__ for base in bases if base.__module__.startswith("snntorch._neurons.")}
    if not names & {"SpikingNeuron", "LeakyParallel"}:
        return None
    node: Any = module
    follows = behaviour(module, "snntorch")
    name, own = follows.__name__, follows.__module__.startswith("snntorch.")
    threshold = number(getattr(node, "threshold", None))
    reset = _RESETS.get(str(getattr(node, "reset_mechanism", "")))
    states = _STATES.get(name) if own else None
    unknown = _unknown(node, name, own)
    return Adapted(
        layout="sequence" if names & set(_SEQUENCES) else "step",
        reset=reset if states else None,
        leaks=states,
        adds=states,
        threshold=threshold,
        decay=number(getattr(node, "beta", None)) if states == 1 else None,
        dynamics=None if unknown else _leaky(node),
        unknown=unknown,
    )


def _unknown(node: Any, name: str, own: bool) -> str:
    if name != "Leaky" or not own:
        return f"the membrane of snnTorch's {name} is not known here"
    if node.inhibition or node.state_quant or number(node.graded_spikes_factor) != 1:
        return "the membrane of a Leaky with inhibition, state_quant or graded spikes is not known here"
    if not getattr(node, "reset_delay", True):
        return "the membrane of a Leaky without reset_delay is not known here"
    return ""


def _leaky(node: Any) -> Dynamics:
    mechanism = node.reset_mechanism

    def fires(u: Tensor) -> Tensor:
        return u - node.threshold > 0

    def step(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        spikes = fires(v).to(v)
        if mechanism == "zero":
            v = (1 - spikes) * v
        u = node.beta.clamp(0, 1) * v + x
        if mechanism == "subtract":
            u = u - spikes * node.threshold
        return u, u

    def after_reset(u: Tensor, spikes: Tensor) -> Tensor:
        return (1 - spikes) * u if mechanism == "zero" else u

    return Dynamics(by_steps(torch.zeros_like, step), fires, None if mechanism == "subtract" else after_reset)


def reset(model: nn.Module) -> None:
    """Set the state of every snnTorch neuron to zero. Its own `utils.reset` looks at the outermost modules alone."""
    for module in model.modules():
        if callable(getattr(module, "reset_mem", None)) and adapt(module) is not None:
            module.reset_mem()  # type: ignore[operator]
