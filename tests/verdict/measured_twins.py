"""A spiking network and its fair twin, both really measured, as records and as a run file."""

import json
from dataclasses import asdict

import numpy as np
import torch
from torch import nn

from inflor_bench.cell.test_set import energy_section, neuron_ops_section, synops_section
from inflor_bench.measure import SynOpCounter
from inflor_bench.measure.energy import ENERGY_MODELS, Bits, at_bits
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.models.neurons import LIF, Quantiser
from inflor_bench.record.counted import Accuracy, Spikes
from inflor_bench.record.run_file import CellEntry, document_of
from inflor_bench.record.schema import SECTIONS, Record

SAMPLES, STEPS = 6, 4


def network(activation):
    torch.manual_seed(3)
    layers = [nn.Conv2d(2, 6, 3, padding=1), activation(), nn.Conv2d(6, 8, 3, padding=1), activation(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8 * 25, 10)).eval()


def record_of(module, x, name, neuron, steps, right, sha="a"):
    """A record of what the module does with x [T*N, ...], by the package's own meters."""
    with SpikeRecorder(module) as spikes, SynOpCounter(module) as counter, torch.no_grad():
        module(x)
    models = at_bits(ENERGY_MODELS, Bits(activation=steps.bit_length()))
    found = spikes.result()
    absent = {section: {"status": "unavailable", "reason": "not asked for"} for section in SECTIONS}
    sections = {
        "spikes": Spikes.model_validate(asdict(found)).model_dump() if hasattr(found, "layers") else absent["spikes"],
        "synops": synops_section(counter, SAMPLES).model_dump(),
        "neuron_ops": neuron_ops_section(counter, SAMPLES).model_dump(),
        "energy": energy_section(counter, SAMPLES, models).model_dump(),
        "accuracy": Accuracy.from_bits(np.array(right, dtype=bool)).model_dump(),
    }
    provenance = {
        "run_id": "run0",
        "created": "2026-11-24T12:30:00+00:00",
        "command": ["inflor-bench", "run"],
        "git": {"status": "unavailable", "reason": "no repository"},
        "machine": {"fingerprint": "box", "preimage": {"cpu": "box"}},
        "versions": {},
        "threads": 1,
        "device": "cpu",
        "dataset": {"name": "d", "split": "test", "samples": SAMPLES, "sha256": sha},
    }
    model = {"dataset": "d", "network": "n", "neuron": neuron, "timesteps": steps, "seed": 0}
    return Record.model_validate({"name": name, "model": model, "provenance": provenance} | absent | sections)


def pair():
    """Of 4 time steps and of 4 levels, on the same images."""
    x = torch.rand(SAMPLES, 2, 5, 5, generator=torch.Generator().manual_seed(0)) * 3
    spiking = network(lambda: LIF(STEPS, reset="soft", decay=0.5))
    repeated = x.repeat(STEPS, 1, 1, 1)
    return (
        record_of(spiking, repeated, "d/n/soft/T4/s0", "soft", STEPS, [1, 1, 0, 0, 1, 1]),
        record_of(network(lambda: Quantiser(STEPS)), x, "d/n/quant/T4/s0", "quant", STEPS, [1, 1, 1, 1, 1, 0]),
    )


def run_document(*records):
    """The content of a run file of these."""
    header = {"machine_info": {}, "commit_info": {}, "datetime": "2026-11-24T12:30:00", "version": "5"}
    return json.dumps(document_of(header, [CellEntry("", record.model_dump(mode="json"), None) for record in records]))
