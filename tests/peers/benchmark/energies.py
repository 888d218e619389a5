"""One inference of one spiking network, priced by every model of energy of ours and of SpikingJelly's.

The models price other chips, so what they give together is an interval, not a figure that one of them gets wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tests.peers.benchmark.jobs import make_images, make_network
from tests.peers.benchmark.neurons import restart

PICOJOULE = 1e-12


def energies(network: str, timesteps: int, batch: int, image: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a model's name, its J per inference, and what it prices; or the reason why it gives none."""
    x = make_images(batch, image)
    module = make_network("spikingjelly", network, timesteps, image).eval()
    return [*_ours(module, x), *_theirs(module, x)]


def _ours(module: nn.Module, x: torch.Tensor) -> list[dict[str, Any]]:
    from inflor_bench.measure import SynOpCounter
    from inflor_bench.measure.energy import estimate

    restart(module)
    with SynOpCounter(module) as counter, torch.no_grad():
        module(x)
    found = estimate(counter.result().layers.values(), counter.neuron_ops(), samples=len(x))
    return [{"model": f"ours, {one.name}", "joules": one.joules, "prices": one.source} for one in found]


def _theirs(module: nn.Module, x: torch.Tensor) -> list[dict[str, Any]]:
    from spikingjelly.activation_based import op_counter

    spikesim = op_counter.SpikeSimEnergyConfig
    lemaire = op_counter.LemaireEnergyProfiler(config=op_counter.LemaireEnergyConfig(strict=False))
    profilers = {
        "Lemaire": (
            lemaire,
            "as lemaire2022, but taps outside the borders too, and memories that hold all steps of the whole batch",
        ),
        "SpikeSim, every row": (
            op_counter.SpikeSimEnergyProfiler(config=spikesim(activity_mode="dense"), strict=False),
            "65 nm crossbars of RRAM, convolutions alone, every row in every step",
        ),
        "SpikeSim, rows with a spike": (
            op_counter.SpikeSimEnergyProfiler(config=spikesim(activity_mode="event"), strict=False),
            "65 nm crossbars of RRAM, convolutions alone, rows that a spike enters",
        ),
        "NeuroMC": (
            op_counter.NeuroMCEnergyProfiler(),
            "32 nm, 16-bit floats, a core that is made for training: memory by level, normalisation apart",
        ),
    }
    rows = []
    for name, (profiler, prices) in profilers.items():
        row: dict[str, Any] = {"model": f"SpikingJelly, {name}", "prices": prices}
        try:
            restart(module)
            if hasattr(profiler, "bind_model"):
                profiler.bind_model(module)
            with torch.no_grad(), profiler:
                module(x)
            report = profiler.get_report()
            picojoules = report.total_pj if hasattr(report, "total_pj") else report.energy_total_pj
            rows.append({**row, "joules": picojoules * PICOJOULE / len(x)})
        except Exception as error:
            rows.append({**row, "reason": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"})
    return rows
