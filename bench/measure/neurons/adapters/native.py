"""Neurons that offer what a `SpikingNeuron` offers, ours among them."""

from __future__ import annotations

from torch import Tensor, nn

from inflor_bench.measure.neurons.adapters.adapted import Adapted, Dynamics, number
from inflor_bench.measure.neurons.protocol import as_neuron, is_spiking_neuron


def adapt(module: nn.Module) -> Adapted | None:
    """Take the module at its word."""
    if not is_spiking_neuron(module):
        return None
    neuron = as_neuron(module)

    def membrane(current: Tensor) -> Tensor:
        return neuron.membrane(current.flatten(0, 1)).unflatten(0, current.shape[:2])

    decay = number(neuron.decay)
    return Adapted(
        layout="rows",
        reset=neuron.reset,
        leaks=0 if decay == 1 else 1,
        adds=1,
        threshold=number(neuron.threshold),
        decay=decay,
        dynamics=Dynamics(
            membrane, after_reset=getattr(module, "after_reset", None), rectify=getattr(module, "rectify", None)
        ),
        mpr=bool(neuron.mpr),
        timesteps=neuron.timesteps,
    )
