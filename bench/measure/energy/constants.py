"""The models of energy that ship with the package. Adding one is adding an entry to `ENERGY_MODELS`."""

from __future__ import annotations

from functools import partial

from inflor_bench.measure.energy.iso import ISO_MODELS
from inflor_bench.measure.energy.lemaire import LEMAIRE2022
from inflor_bench.measure.energy.model import EnergyModel, per_operation

PICOJOULE = 1e-12

_first = partial(per_operation, version="1")


def _spiking_device(name: str, source: str, *, event: float, update: float) -> EnergyModel:
    """Energy per synaptic event and per neuron update, J, of a device that computes where something arrives."""
    return _first(name, source=source, mac=event, ac=event, neuron_update=update)


def _dense_device(name: str, source: str, *, event: float, update: float) -> EnergyModel:
    """Energy per synapse and per neuron update, J, of a device that computes every synapse at every step."""
    return _first(name, source=source, dense=event, neuron_update=update)


_EXAMPLE = "gives the example that the documentation of KerasSpiking's ModelEnergy prints"
_UNCHECKED = "not checked against an example of its own"
_HOROWITZ = (
    "Horowitz, Computing's energy problem, ISSCC 2014, 10.1109/ISSCC.2014.6757323: 45 nm, 0.9 V, {}; "
    f"arithmetic alone, no memory access; {_UNCHECKED}"
)
_FLOP_SOP = (
    "common in ANN-to-SNN conversion papers, attributed there to Hu et al. (12.5 pJ per FLOP) and Qiao et al. 2015 "
    "(77 fJ per synaptic operation); primary sources not checked"
)
_DEGNAN = "Degnan et al. 2016: {}; every synapse is computed at every step; {}"
_HOEPPNER = f"Hoeppner et al. 2019: {{}}; {_UNCHECKED}"

ENERGY_MODELS: tuple[EnergyModel, ...] = (
    _first(
        "horowitz45-fp32",
        source=_HOROWITZ.format("32-bit float: 3.7 pJ multiply, 0.9 pJ add"),
        mac=4.6 * PICOJOULE,
        ac=0.9 * PICOJOULE,
    ),
    _first(
        "horowitz45-fp16",
        source=_HOROWITZ.format("16-bit float: 1.1 pJ multiply, 0.4 pJ add"),
        mac=1.5 * PICOJOULE,
        ac=0.4 * PICOJOULE,
    ),
    _first(
        "horowitz45-int8",
        source=_HOROWITZ.format("8-bit integer: 0.2 pJ multiply, 0.03 pJ add"),
        mac=0.23 * PICOJOULE,
        ac=0.03 * PICOJOULE,
    ),
    _first(
        "horowitz45-int32",
        source=_HOROWITZ.format("32-bit integer: 3.1 pJ multiply, 0.1 pJ add"),
        mac=3.2 * PICOJOULE,
        ac=0.1 * PICOJOULE,
    ),
    _first("flop-sop", source=_FLOP_SOP, mac=12.5 * PICOJOULE, ac=0.077 * PICOJOULE),
    LEMAIRE2022,
    _dense_device("cpu-i7-4960x", _DEGNAN.format("Intel i7-4960X", _EXAMPLE), event=8.6e-9, update=8.6e-9),
    _dense_device("gpu-titan-black", _DEGNAN.format("NVIDIA GTX Titan Black", _EXAMPLE), event=0.3e-9, update=0.3e-9),
    _dense_device("arm-cortex-a", _DEGNAN.format("ARM Cortex-A", _UNCHECKED), event=0.9e-9, update=0.9e-9),
    _spiking_device(
        "loihi",
        "Davies et al. 2018: Intel Loihi, 14 nm, 23.6 pJ per synaptic operation and 3.5 pJ per spike within a tile; "
        f"{_EXAMPLE}",
        event=(23.6 + 3.5) * PICOJOULE,
        update=81 * PICOJOULE,
    ),
    _spiking_device("spinnaker", _HOEPPNER.format("SpiNNaker"), event=13.3e-9, update=26e-9),
    _spiking_device("spinnaker2", _HOEPPNER.format("SpiNNaker 2"), event=450e-12, update=2.19e-9),
    *ISO_MODELS,
)
