"""The model of Lemaire et al. 2022 (arXiv 2210.13107): arithmetic, addressing and memory of a digital accelerator.

    E = add * (AC + acc_addr) + mac * (MAC + mac_addr) + sum over memories of bytes * cost(size of the memory)

45 nm, 32-bit integers and words: add 0.1 pJ, mac 3.2 pJ (3.1 pJ multiply and an add). With s input spikes, the fan-out
F (pairs of an input spike and a weight), M pairs of input and weight, over all samples and steps:

                    spikes in                                           values in (formal)
    AC              F, one per output element where there is a bias     one per output element where there is a bias
    MAC             -                                                   M
    acc_addr        F                                                   N_in + N_out, convolutions + C_out * k a step
    mac_addr        2 s for convolutions                                -
    input reads     s                                                   M for convolutions, N_in for linear layers
    weight reads    F, one per output element where there is a bias     M, and the same
    membrane        F reads, F writes                                   -
    output writes   -                                                   N_out, in a network without spiking neurons

    a neuron layer: one AC per spike (reset), one MAC per update where it leaks, one membrane read and one write per
    update, one output write per spike.

Where the paper's formulas ignore borders, strides and dilations, F and M are counted exactly. F leaves zero weights
out, as everywhere in this package; M does not, because a formal network computes every pair, zeros included.

The published text leaves open what follows, and this is how it is read here. It was not checked against the paper's own
tables; where there are no borders it gives what SpikingJelly 2.0's implementation gives (tests/peers_benchmark).

- A memory holds, in words: the weights and the bias of its layer; the input or output values of one step of one sample;
  the membranes of the layer; of spikes a queue of 1000, as other implementations of this paper have it.
- Spikes that enter a layer are all that is -1, 0 or 1, in whatever network.
- A layer that takes values into spiking neurons sums them up where it computes them: their membranes are read and
  written by the neuron update alone.
- Normalisation is taken as folded into the weights. Pooling and residual additions cost nothing.
- Only convolutions and linear layers are covered. Of any other product the arithmetic alone is priced, and the estimate
  names it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from inflor_bench.measure.energy.model import EnergyModel, NeuronLayer, Price, SynapticLayer, Term

ADD = 0.1e-12
MAC = 3.2e-12
WORD = 4
SPIKE_QUEUE = 1000 * WORD

# Size of a memory in bytes, and what reading or writing one byte of it costs, J.
ACCESS = ((0, 0.0), (8 << 10, 2.5e-12), (32 << 10, 5e-12), (1 << 20, 25e-12))


def access_cost(size: float, points: Sequence[tuple[float, float]] = ACCESS) -> float:
    """Cost of reading or writing one byte of a memory of `size` bytes, J: linear between the points, then constant."""
    for (smaller, low), (larger, high) in itertools.pairwise(points):
        if size < larger:
            return low + (high - low) * max(0.0, size - smaller) / (larger - smaller)
    return points[-1][1]


def _words(what: str, count: float, size: float, memory: str) -> Term:
    """Reading or writing `count` words of a memory of `size` bytes."""
    return Term(f"bytes of {what}", count * WORD, f"cost({memory})", access_cost(size))


def _arithmetic(adds: float, macs: float) -> list[Term]:
    return [Term("additions", adds, "add", ADD), Term("multiply-accumulates", macs, "mac", MAC)]


def covers(layer: SynapticLayer) -> bool:
    """Convolutions, transposed ones too, and linear layers."""
    return bool(layer.input_rows) and (layer.kind == "linear" or layer.kind.startswith("conv"))


def synapses(layer: SynapticLayer, spiking: bool) -> Price:
    """The price of one layer over the run, in a network that is `spiking` or formal."""
    rows, outputs, channels = layer.input_rows, layer.output_elements, layer.output_channels
    if not covers(layer) or rows is None or outputs is None or channels is None:
        return _arithmetic(layer.ac, layer.mac)
    is_convolution = layer.kind != "linear"
    input_size, output_size = WORD * layer.input_elements / rows, WORD * outputs / rows
    parameters = WORD * (math.prod(layer.weight_shape) + (channels if layer.bias else 0))
    biases = outputs if layer.bias else 0
    if not layer.mac:
        return [
            *_arithmetic(2 * layer.ac + biases, 2 * layer.input_nonzero if is_convolution else 0),
            _words("inputs read", layer.input_nonzero, SPIKE_QUEUE, "spikes"),
            _words("weights and biases read", layer.ac + biases, parameters, "weights"),
            _words("membranes read and written", 2 * layer.ac, output_size, "membranes"),
        ]
    addressing = channels * math.prod(layer.weight_shape[2:]) * rows if is_convolution else 0
    terms = [
        *_arithmetic(layer.input_elements + outputs + biases + addressing, layer.dense),
        _words("inputs read", layer.dense if is_convolution else layer.input_elements, input_size, "inputs"),
        _words("weights and biases read", layer.dense + biases, parameters, "weights"),
    ]
    return terms if spiking else [*terms, _words("outputs written", outputs, output_size, "outputs")]


def neurons(layer: NeuronLayer) -> Price:
    """The price of the updates of one layer of spiking neurons over the run."""
    return [
        *_arithmetic(layer.reset_operations, layer.leak_multiplies),
        _words("membranes read and written", 2 * layer.updates, WORD * layer.neurons, "membranes"),
        _words("spikes written", layer.reset_operations, SPIKE_QUEUE, "spikes"),
    ]


LEMAIRE2022 = EnergyModel(
    "lemaire2022",
    "1",
    "Lemaire et al. 2022, arXiv 2210.13107: 45 nm, 32-bit integer, 0.1 pJ add and 3.1 pJ multiply; arithmetic, "
    "addressing and memory access, with exact counts at borders. Not checked against the paper's own tables; what the "
    "paper leaves open is read as inflor_bench.measure.energy.lemaire says",
    synapses,
    neurons,
    covers,
)
