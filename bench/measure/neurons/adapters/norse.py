"""Norse: `LIFCell` and `LIF`, `LIFBoxCell`, `IAFCell` and `IAF` in full, spikes of every other neuron.

    LIF       i += x;  u = v + dt tau_mem_inv ((v_leak - v) + i);  i -= dt tau_syn_inv i
    LIFBox    u = v + dt tau_mem_inv (x + v_leak - v)
    IAF       u = v + x
    all       spike where u > v_th; v = v_reset there. At rest v is v_leak, of the IAF v_reset

A `...Cell` takes one step [N, ...] and its state, and returns spikes and state; the others take [T, N, ...].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.measure.neurons.adapters.adapted import Adapted, Dynamics, behaviour, by_steps, number

_SPIKING = {
    *("lif", "lif_box", "lif_ex", "lif_adex", "lif_adex_refrac", "lif_refrac", "lif_mc", "lif_mc_refrac"),
    *("lsnn", "iaf", "izhikevich", "coba_lif"),
}
_KNOWN = {"LIFCell": "lif", "LIF": "lif", "LIFBoxCell": "lif_box", "IAFCell": "iaf", "IAF": "iaf"}
# Multiplies of a decay and adds of one update: the LIF has a synaptic current beside the membrane.
_COST = {"lif": (2, 2), "lif_box": (1, 1), "iaf": (0, 1)}
_COST_OF = {**_KNOWN, "LIFRecurrentCell": "lif", "LIFRecurrent": "lif"}

_State = tuple[Tensor, Tensor]


def adapt(module: nn.Module) -> Adapted | None:
    """Recognise a neuron by a class of Norse's spiking modules among its bases."""
    paths = [base.__module__ for base in type(module).__mro__ if base.__module__.startswith("norse.torch.module.")]
    if not any(path.rpartition(".")[2] in _SPIKING for path in paths):
        return None
    node: Any = module
    follows = behaviour(module, "norse")
    name, own = follows.__name__, follows.__module__.startswith("norse.")
    kind, priced = (_KNOWN.get(name), _COST_OF.get(name)) if own else (None, None)
    leaks, adds = _COST[priced] if priced else (None, None)
    dynamics = None if kind is None else _dynamics(node, kind)
    return Adapted(
        layout="step" if any(base.__name__.endswith("Cell") for base in type(module).__mro__) else "sequence",
        reset="hard" if priced else None,
        leaks=leaks,
        adds=adds,
        threshold=number(getattr(getattr(node, "p", None), "v_th", None)),
        decay=_decay(node, kind),
        dynamics=dynamics,
        unknown="" if dynamics else f"the membrane of Norse's {name} is not known here",
    )


def _decay(node: Any, kind: str | None) -> float | None:
    if kind == "iaf":
        return 1.0
    rate = None if kind is None else number(node.p.tau_mem_inv)
    return None if rate is None else 1 - node.dt * rate


def _dynamics(node: Any, kind: str) -> Dynamics | None:
    p, dt = node.p, node.dt
    if getattr(getattr(p, "reset_method", None), "__name__", "reset_value") != "reset_value":
        return None

    def after_reset(u: Tensor, spikes: Tensor) -> Tensor:
        return (1 - spikes) * u + spikes * p.v_reset

    def fires(u: Tensor) -> Tensor:
        return u - p.v_th > 0

    def next_state(u: Tensor, i: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return u, (after_reset(u, fires(u).to(u)), i)

    steps: dict[str, Callable[[Tensor, _State], tuple[Tensor, _State]]] = {
        "iaf": lambda x, state: next_state(state[0] + x, state[1]),
        "lif_box": lambda x, state: next_state(state[0] + dt * p.tau_mem_inv * (x + p.v_leak - state[0]), state[1]),
    }

    def lif(x: Tensor, state: _State) -> tuple[Tensor, _State]:
        v, i = state[0], state[1] + x
        u = v + dt * p.tau_mem_inv * ((p.v_leak - v) + i)
        return next_state(u, i + -dt * p.tau_syn_inv * i)

    def start(x: Tensor) -> _State:
        zeros = torch.zeros_like(x)
        return zeros + (p.v_reset if kind == "iaf" else p.v_leak), zeros

    return Dynamics(by_steps(start, steps.get(kind, lif)), fires, after_reset)
