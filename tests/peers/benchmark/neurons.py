"""The spiking neuron of each package as one activation layer, [T*N, ...] in and out, so that all run one network.

All are leaky integrate-and-fire neurons with hard reset, a decay of 1/4 and a threshold of 1/2. The surrogate gradient
is each package's own default. State starts at zero in every forward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

DECAY, THRESHOLD = 0.25, 0.5

Factory = Callable[[int], Callable[[], nn.Module]]


class OverTime(nn.Module):
    """Gives a function of [T, N, ...] the face [T*N, ...]."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def forward(self, current: Tensor) -> Tensor:
        """Spikes [T*N, ...]."""
        return self.steps(current.unflatten(0, (self.timesteps, -1))).flatten(0, 1)

    def steps(self, current: Tensor) -> Tensor:
        """Spikes [T, N, ...] of the current [T, N, ...]."""
        raise NotImplementedError


def ours(timesteps: int) -> Callable[[], nn.Module]:
    """`inflor_bench.models.neurons.LIF`."""
    from inflor_bench.models.neurons import LIF

    return lambda: LIF(timesteps, reset="hard", decay=DECAY, threshold=THRESHOLD)


def spikingjelly(timesteps: int) -> Callable[[], nn.Module]:
    """SpikingJelly's LIFNode in multi-step mode: v - v / tau + x."""
    from spikingjelly.activation_based import functional, neuron

    class SpikingJellyLIF(OverTime):
        def __init__(self) -> None:
            super().__init__(timesteps)
            self.neuron = neuron.LIFNode(
                tau=1 / (1 - DECAY), decay_input=False, v_threshold=THRESHOLD, v_reset=0.0, step_mode="m"
            )

        def steps(self, current: Tensor) -> Tensor:
            spikes: Tensor = self.neuron(current)
            return spikes

        def restart(self) -> None:
            functional.reset_net(self.neuron)

    return SpikingJellyLIF


def snntorch(timesteps: int) -> Callable[[], nn.Module]:
    """snnTorch's Leaky in a loop over time; its default, a reset that takes effect one step later, stays."""
    from snntorch import Leaky

    class SnnTorchLIF(OverTime):
        def __init__(self) -> None:
            super().__init__(timesteps)
            self.neuron = Leaky(beta=DECAY, threshold=THRESHOLD, reset_mechanism="zero")

        def steps(self, current: Tensor) -> Tensor:
            membrane = torch.zeros_like(current[0])
            spikes = []
            for step in current:
                spike, membrane = self.neuron(step, membrane)
                spikes.append(spike)
            return torch.stack(spikes)

    return SnnTorchLIF


def norse(timesteps: int) -> Callable[[], nn.Module]:
    """Norse's LIFBoxCell in a loop over time: v + (1 - decay) (x - v), so the current is scaled alike."""
    from norse.torch import LIFBoxCell, LIFBoxParameters

    class NorseLIF(OverTime):
        def __init__(self) -> None:
            super().__init__(timesteps)
            parameters = LIFBoxParameters(
                tau_mem_inv=torch.tensor(1000 * (1 - DECAY)), v_th=torch.tensor(THRESHOLD * (1 - DECAY))
            )
            self.neuron = LIFBoxCell(parameters, dt=0.001)

        def steps(self, current: Tensor) -> Tensor:
            state = None
            spikes = []
            for step in current:
                spike, state = self.neuron(step, state)
                spikes.append(spike)
            return torch.stack(spikes)

    return NorseLIF


NEURONS: dict[str, Factory] = {"ours": ours, "spikingjelly": spikingjelly, "snntorch": snntorch, "norse": norse}


def restart(module: nn.Module) -> None:
    """Set the state back to zero where a neuron keeps it from call to call."""
    for child in module.modules():
        reset = getattr(child, "restart", None)
        if callable(reset):
            reset()
