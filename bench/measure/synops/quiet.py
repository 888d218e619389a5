"""Spiking neurons that hold no synaptic operation: they may run unseen, with their fused kernels."""

from __future__ import annotations

from torch import Tensor, nn

from inflor_bench.measure.synops.synaptic import NeuronCall


class QuietNeurons:
    """Which neurons held no synaptic operation in a whole forward pass, in training and not."""

    def __init__(self) -> None:
        self._passes = 0
        # The pass in which a neuron first held none, and those that held any.
        self._first: dict[tuple[str, bool], int] = {}
        self._synaptic: set[tuple[str, bool]] = set()

    def end_pass(self) -> None:
        """A forward pass of the model is over."""
        self._passes += 1

    def end_call(self, call: NeuronCall, module: nn.Module, *, whole_model: bool) -> None:
        """A call of a neuron that was seen is over. Of the `whole_model` its pass is over by then, too."""
        key = (call.name, module.training)
        if call.synaptic:
            self._synaptic.add(key)
        else:
            self._first.setdefault(key, self._passes - whole_model)

    def __contains__(self, neuron: tuple[str, nn.Module]) -> bool:
        """Whether a neuron, by its name, was quiet for a whole pass, and holds nothing that could be a weight later."""
        name, module = neuron
        key = (name, module.training)
        whole = self._first.get(key, self._passes) < self._passes
        return whole and key not in self._synaptic and not _holds_weights(module)


def _holds_weights(module: nn.Module) -> bool:
    """Whether a neuron, or what it is built of, has something that could be a weight or a state of two axes."""
    for part in module.modules():
        own = (*part._parameters.values(), *part._buffers.values(), *vars(part).values())
        if any(isinstance(value, Tensor) and value.ndim > 1 for value in own):
            return True
    return False
