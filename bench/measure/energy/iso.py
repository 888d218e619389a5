"""Prices at equal precision: a spiking network and its quantised twin, on the same arithmetic and the same memory.

Weights have w bits, sums and membranes m, the values of the twin's activations b, spikes 1. F is the number of AC or
MAC: pairs of an input and a weight that are not zero. In an operation the input has 1 bit where all that entered the
layer were spikes, else b bits, in whatever network: also where the first layer takes an image.

    add(m) = 0.03 pJ at 8 bits, 0.1 pJ at 32, linear through both         mult(b, w) = 0.2 pJ * b * w / 64
    read(x, M) = write(x, M) = x bits of a memory of M bytes, by `lemaire.access_cost` a byte

    iso-arithmetic  AC * add(m) + MAC * (mult(b, w) + add(m))
    iso-event       as iso-arithmetic, and F * (read(w, weights) + read(m, sums) + write(m, sums)); an input that is
                    not 0: write and read of its 1 or b bits; a neuron and step: read(m, membranes) +
                    write(m, membranes), where it leaks mult(m, w)
    iso-dense       a spiking network as iso-event; a formal one: dense * (mult(b, w) + add(m)), and every weight read,
                    every input read and every output written, of b bits, once an inference

A memory holds all weights of the layer, or its inputs, sums or membranes of one step of one sample. An input is written
and read anew for each layer that takes it. Biases, pooling, residual additions, the comparison with the firing level
and that with the quantiser's levels cost nothing in either network; normalisation is taken as folded into the weights.
Of a layer of tokens each token counts as an inference of iso-dense. A product of two activations has no weights to
read: its arithmetic alone is priced, and the estimate names it.

Adds and multiplies: Horowitz, ISSCC 2014, 45 nm, where the multipliers of 8 and 32 bits (0.2 and 3.1 pJ) are
proportional to the product of their bits within 4 %. Memory: the points of Lemaire et al. 2022.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from inflor_bench.measure.energy.lemaire import ACCESS, access_cost
from inflor_bench.measure.energy.model import Bits, EnergyModel, NeuronLayer, Price, SynapticLayer, Term

Dataflow = Literal["arithmetic", "event", "dense"]
DATAFLOWS: Final[tuple[Dataflow, ...]] = ("arithmetic", "event", "dense")

SOURCE = (
    "add and multiply: Horowitz, ISSCC 2014, 10.1109/ISSCC.2014.6757323, 45 nm, integer, a multiplier in proportion to "
    "the product of its bits; memory: Lemaire et al. 2022, arXiv 2210.13107; prices at equal precision of a spiking "
    "network and its quantised twin"
)


def add(bits: int) -> float:
    """Of two integers, J."""
    return (0.03 + (bits - 8) * (0.1 - 0.03) / (32 - 8)) * 1e-12


def multiply(one: int, other: int) -> float:
    """Of two integers of so many bits, J."""
    return 0.2e-12 * one * other / 64


@dataclass(frozen=True)
class Iso:
    """The prices of one dataflow at so many bits. `memory`: sizes in bytes, and J a byte of a memory of that size."""

    dataflow: Dataflow
    bits: Bits = field(default_factory=Bits)
    memory: Sequence[tuple[float, float]] = ACCESS

    def _moved(self, what: str, times: float, bits: int, values: float, memory: str) -> Term:
        """Reading or writing values of so many bits, each so often, in a memory that holds `values` of them."""
        cost = access_cost(values * bits / 8, self.memory)
        return Term(f"bytes of {what}", times * bits / 8, f"cost({memory})", cost)

    def synapses(self, layer: SynapticLayer, spiking: bool) -> Price:
        """The price of one layer over the run, in a network that is `spiking` or formal."""
        bits = self.bits
        product = multiply(bits.activation, bits.weight) + add(bits.sum)
        arithmetic = [
            Term("accumulates", layer.ac, "add(m)", add(bits.sum)),
            Term("multiply-accumulates", layer.mac, "mult(b, w) + add(m)", product),
        ]
        if self.dataflow == "arithmetic" or not covers(layer):
            return arithmetic
        rows, outputs = layer.input_rows or 1, layer.output_elements or 0
        inputs, weights = layer.input_elements / rows, math.prod(layer.weight_shape)
        if self.dataflow == "dense" and not spiking:
            return [
                Term("dense operations", layer.dense, "mult(b, w) + add(m)", product),
                self._moved("weights read", rows * weights, bits.weight, weights, "weights"),
                self._moved("inputs read", layer.input_elements, bits.activation, inputs, "inputs"),
                self._moved("outputs written", outputs, bits.activation, outputs / rows, "outputs"),
            ]
        events, input_bits = layer.ac + layer.mac, bits.activation if layer.mac else 1
        return [
            *arithmetic,
            self._moved("weights read", events, bits.weight, weights, "weights"),
            self._moved("sums read and written", 2 * events, bits.sum, outputs / rows, "sums"),
            self._moved("inputs written and read", 2 * layer.input_nonzero, input_bits, inputs, "inputs"),
        ]

    def neurons(self, layer: NeuronLayer) -> Price:
        """The price of the updates of one layer of spiking neurons over the run."""
        if self.dataflow == "arithmetic":
            return ()
        return [
            self._moved("membranes read and written", 2 * layer.updates, self.bits.sum, layer.neurons, "membranes"),
            Term("leaks", layer.leak_multiplies, "mult(m, w)", multiply(self.bits.sum, self.bits.weight)),
        ]


def covers(layer: SynapticLayer) -> bool:
    """Whatever has weights, and was told its inputs and outputs."""
    return bool(layer.input_rows and layer.output_elements and layer.weight_shape)


def bits_in(version: str) -> Bits | None:
    """The bits that a version of `iso_model` holds; None where it holds none."""
    found = re.search(r"-w(\d+)-m(\d+)-b(\d+)$", version, re.ASCII)
    return Bits(*map(int, found.groups())) if found else None


def iso_model(iso: Iso, name: str = "", version: str = "1", source: str = SOURCE) -> EnergyModel:
    """The model of energy of these prices. Its version holds the bits, as a constant of it does."""
    bits = iso.bits
    return EnergyModel(
        name or f"iso-{iso.dataflow}",
        f"{version}-w{bits.weight}-m{bits.sum}-b{bits.activation}",
        f"{source}; weights {bits.weight}, sums and membranes {bits.sum}, activations {bits.activation} bits, spikes 1",
        iso.synapses,
        iso.neurons,
        covers if iso.dataflow != "arithmetic" else lambda layer: True,
        at=lambda other: iso_model(replace(iso, bits=other), name, version, source),
    )


ISO_MODELS = tuple(iso_model(Iso(dataflow)) for dataflow in DATAFLOWS)
