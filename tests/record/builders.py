"""Synthetic records and run documents: valid, consistent with each other, and different wherever a test asks."""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inflor_bench.record import costs, counted, origin
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent

LAYERS = ("stem", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1")
FAN_OUT = 144
E_AC, E_MAC = 0.9e-12, 4.6e-12  # J, 45 nm, 32 bit


def sha(text: str, length: int = 64) -> str:
    """A hash-like string, the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def make_git(commit: str = "head", *, parent: str | None = "base", **changes: Any) -> origin.Git:
    """Git state of a commit by any name: the name is hashed to a sha."""
    fields: dict[str, Any] = {
        "sha": sha(commit, 40),
        "tree": sha(commit + " tree", 40),
        "parents": [] if parent is None else [sha(parent, 40)],
        "base_sha": None if parent is None else sha(parent, 40),
        "first_parent_index": 7,
        "branch": "main",
        "dirty": False,
        "diff_sha256": None,
        "shallow": False,
        "message": f"Commit {commit}",
        "committed": "2026-11-24T12:00:00+00:00",
    }
    return origin.Git(**{**fields, **changes})


def make_machine(name: str = "bench-box") -> origin.Machine:
    """A machine by any name."""
    return origin.Machine(
        fingerprint=sha(name, 12), preimage={"cpu": name, "cores": "2", "gpu": "none", "threads": "2"}
    )


def make_provenance(**changes: Any) -> origin.Provenance:
    """Provenance of a clean commit on one machine."""
    fields: dict[str, Any] = {
        "run_id": "run0",
        "created": "2026-11-24T12:30:00+00:00",
        "command": ["inflor-bench", "run"],
        "git": make_git(),
        "machine": make_machine(),
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
        "threads": 2,
        "device": "cpu",
        "dataset": origin.DatasetProvenance(name="digits", split="test", samples=360, sha256=sha("digits")),
        "weights": origin.WeightsProvenance(source="trained", sha256=sha("weights"), training_key=sha("recipe", 16)),
    }
    return origin.Provenance(**{**fields, **changes})


def make_record(
    name: str = "digits/resnet8/soft-mpr/T4/s0",
    *,
    neuron: str | None = None,
    timesteps: int | None = None,
    network: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    samples: int = 360,
    accuracy: float | counted.Accuracy | Absent = 0.95,
    bits: Sequence[bool] | np.ndarray | None = None,
    firing_rate: float | Sequence[float] = 0.2,
    parameters: int = 77_000,
    latency: float | Absent | costs.Latency | None = 0.004,
    power: costs.Power | Absent | None = None,
    provenance: dict[str, Any] | None = None,
    **sections: Any,
) -> Record:
    """A record whose spikes, operations, information and energy agree with the firing rate (one, or one a layer).

    `neuron`, `timesteps`, `network`, `dataset`, `seed` make the name where they are given; the ReLU twin has no spikes.
    `bits` are the correct predictions, else the first `accuracy * samples` are right. `provenance` changes fields of
    `make_provenance`; any section can be replaced by keyword.
    """
    parts = name.split("/")
    if re.fullmatch(r"([^/]+/){3}T\d+/s\d+", name):
        parts = [
            dataset or parts[0],
            network or parts[1],
            neuron or parts[2],
            f"T{timesteps or parts[3].removeprefix('T')}",
            f"s{parts[4].removeprefix('s') if seed is None else seed}",
        ]
        name = "/".join(parts)
        dataset, network, neuron = parts[:3]
        timesteps, seed = int(parts[3][1:]), int(parts[4][1:])
    dataset, steps, spiking = dataset or "user-data", timesteps or 1, neuron != "relu"
    reset = "hard" if neuron and "hard" in neuron else "soft"
    rates = [firing_rate] * len(LAYERS) if isinstance(firing_rate, int | float) else list(firing_rate)
    neurons = [4096, 4096, 2048, 1024]
    spikes = [round(rate * size * samples) for rate, size in zip(rates, neurons, strict=True)]  # at one step
    if isinstance(accuracy, float):
        right = np.arange(samples) < round(accuracy * samples) if bits is None else np.asarray(bits, dtype=bool)
        accuracy = counted.Accuracy.from_bits(right)
    counts = _synops(samples, steps, neurons, spikes, spiking)
    joules = {
        layer.name: (layer.ac * E_AC + layer.mac * E_MAC) / samples for layer in counts.layers if layer.ac or layer.mac
    }
    unspiking = Absent(status="unavailable", reason="the ReLU twin has no spiking neurons")
    fields: dict[str, Any] = {
        "model": origin.ModelDescription(
            dataset=dataset,
            network=network,
            neuron=neuron,
            timesteps=timesteps,
            seed=seed,
            parameters=parameters,
            decay=0.25 if spiking else None,
            threshold=0.5 if spiking else None,
            reset=reset if spiking else None,
            reset_by=1.0 if spiking and reset == "soft" else None,
            mpr=bool(neuron and neuron.endswith("mpr")) if spiking else None,
        ),
        "provenance": make_provenance(
            **{
                "dataset": origin.DatasetProvenance(name=dataset, split="test", samples=samples, sha256=sha(dataset)),
                "weights": origin.WeightsProvenance(source="trained", sha256=sha(name), training_key=sha(name, 16)),
                **(provenance or {}),
            }
        ),
        "accuracy": accuracy,
        "spikes": counted.Spikes(
            samples=samples,
            layers=[
                counted.SpikeLayer(
                    name=f"{layer}.lif", shape=[size // 64, 8, 8], neurons=size, spikes_per_step=[fired] * steps
                )
                for layer, size, fired in zip(LAYERS, neurons, spikes, strict=True)
            ],
        )
        if spiking
        else unspiking,
        "synops": counts,
        "neuron_ops": _neuron_ops(samples, steps, neurons, spikes) if spiking else unspiking,
        "information": _information(samples, steps, neurons, spikes) if spiking else unspiking,
        "energy": costs.Energy(
            models=[
                costs.EnergyModel(
                    name="horowitz45-fp32",
                    version="1",
                    source="Horowitz, ISSCC 2014, 45 nm, 0.9 V",
                    joules=sum(joules.values()),
                    layers=joules,
                )
            ]
        ),
        "latency": make_latency(latency)
        if isinstance(latency, float)
        else latency or Absent(status="skipped", reason="latency was not asked for"),
        "power": power or Absent(status="unavailable", reason="no power meter can be read on this machine"),
        "memory": costs.Memory(
            kind="host_peak_rss",
            batch_size=1,
            peak_bytes=300_000_000,
            above_baseline_bytes=4_000_000,
            parameter_bytes=4 * parameters,
        ),
    }
    return Record(name=name, **{**fields, **sections})


def _synops(samples: int, steps: int, neurons: list[int], spikes: list[int], spiking: bool) -> counted.Synops:
    layers = []
    for index, layer in enumerate(LAYERS):
        # The stem reads the image, once; every other layer reads the spikes (or activations) of the one before it.
        calls = 1 if index == 0 else steps
        inputs = 64 if index == 0 else neurons[index - 1]
        effective = (samples * inputs if index == 0 else spikes[index - 1] * calls) * FAN_OUT
        unit = spiking and index > 0
        layers.append(
            counted.SynopLayer(
                name=layer,
                kind="conv2d",
                weight_shape=[16, 16, 3, 3],
                output_shape=[neurons[index] // 64, 8, 8],
                ac=effective if unit else 0,
                mac=0 if unit else effective,
                dense=samples * inputs * calls * FAN_OUT,
                dense_padded=samples * inputs * calls * (FAN_OUT + 16),
                unit_share=1.0 if unit else 0.01,
            )
        )
    return make_synops(samples, layers)


def make_synops(samples: int, layers: list[counted.SynopLayer]) -> counted.Synops:
    """Operations of these layers, with their sum."""
    keys = ("ac", "mac", "dense", "dense_padded")
    total = counted.SynopCounts(**{key: sum(getattr(layer, key) for layer in layers) for key in keys})
    return counted.Synops(samples=samples, total=total, layers=layers)


def _neuron_ops(samples: int, steps: int, neurons: list[int], spikes: list[int]) -> counted.NeuronOps:
    layers = [
        make_neuron_ops_layer(f"{layer}.lif", samples * steps * size, fired * steps)
        for layer, size, fired in zip(LAYERS, neurons, spikes, strict=True)
    ]
    return counted.NeuronOps(samples=samples, layers=layers)


def make_neuron_ops_layer(
    name: str, updates: int, resets: int, *, reset: str = "soft", mpr: bool = True
) -> counted.NeuronOpsLayer:
    """A layer whose neurons leak, integrate and compare once an update."""
    each = dict.fromkeys(("updates", "leak_multiplies", "integrate_adds", "compares"), updates)
    return counted.NeuronOpsLayer(name=name, reset=reset, mpr=mpr, reset_operations=resets, **each)


def _information(samples: int, steps: int, neurons: list[int], spikes: list[int]) -> counted.Information:
    layers = []
    for layer, size, fired in zip(LAYERS, neurons, spikes, strict=True):
        elements = samples * steps * size
        below = elements - fired * steps
        layers.append(
            counted.InformationLayer(
                name=f"{layer}.lif",
                elements=elements,
                fired=fired * steps,
                quantisation_error=0.12,
                quantisation_error_rectified=0.07,
                reset_loss=0.2 if fired else None,
                level_error=0.3,
                membrane=counted.Histogram(low=-2.0, high=2.0, counts=[below, 0, 0, fired * steps], below=0, above=0),
                rectified=counted.Histogram(low=-2.0, high=2.0, counts=[0, below, fired * steps, 0], below=0, above=0),
            )
        )
    return counted.Information(samples=samples, firing_level=0.5, layers=layers)


def make_latency(median: float = 0.004, *, rounds: int = 100, **changes: Any) -> costs.Latency:
    """Latency statistics around a median, s."""
    fields: dict[str, Any] = {
        "batch_size": 1,
        "rounds": rounds,
        "median": median,
        "median_low": median * 0.99,
        "median_high": median * 1.01,
        "confidence": 0.95,
        "iqr": median * 0.04,
        "minimum": median * 0.95,
        "p90": median * 1.05,
        "p95": median * 1.08,
        "p99": None,
        "warmup_iterations": 20,
        "warmup_seconds": 1.0,
        "steady": True,
        "cpu_seconds_per_inference": median * 1.9,
    }
    return costs.Latency(**{**fields, **changes})


def make_rounds(median: float = 0.004, *, rounds: int = 100, seed: int = 0) -> list[float]:
    """Latency rounds, s, with 5 % noise and exactly this median (for an odd number of rounds)."""
    values = np.random.default_rng(seed).lognormal(np.log(median), 0.05, rounds)
    return [float(value) for value in values * (median / np.median(values))]


def make_benchmark(record: Record, rounds: Sequence[float] | None = None) -> dict[str, Any]:
    """One entry of `benchmarks`, with the keys that pytest-benchmark writes."""
    if rounds is None:
        rounds = [1e-6] * 3 if isinstance(record.latency, Absent) else make_rounds(record.latency.median)
    quartiles = statistics.quantiles(rounds, n=4)
    return {
        "group": record.name,
        "name": f"test_cell[{record.name}]",
        "fullname": f"bench/test_cells.py::test_cell[{record.name}]",
        "params": {"cell": record.name},
        "param": record.name,
        "extra_info": {"inflor_bench": record.model_dump(mode="json")},
        "options": {
            "disable_gc": False,
            "timer": "perf_counter",
            "min_rounds": 5,
            "max_time": 1.0,
            "min_time": 5e-06,
            "warmup": False,
        },
        "stats": {
            "min": min(rounds),
            "max": max(rounds),
            "mean": statistics.fmean(rounds),
            "stddev": statistics.stdev(rounds),
            "rounds": len(rounds),
            "median": statistics.median(rounds),
            "iqr": quartiles[2] - quartiles[0],
            "q1": quartiles[0],
            "q3": quartiles[2],
            "iqr_outliers": 0,
            "stddev_outliers": 0,
            "outliers": "0;0",
            "ld15iqr": min(rounds),
            "hd15iqr": max(rounds),
            "ops": 1 / statistics.fmean(rounds),
            "total": sum(rounds),
            "data": list(rounds),
            "iterations": 1,
        },
    }


def make_run_document(records: Iterable[Record], *, rounds: dict[str, Sequence[float]] | None = None) -> dict[str, Any]:
    """The pytest-benchmark document of a run; `rounds` by cell name replaces the synthetic ones."""
    records = list(records)
    timed = [record for record in records if record.latency.status == "measured"]
    return {
        "machine_info": {"node": "bench-box", "machine": "x86_64", "system": "Linux", "python_version": "3.11.7"},
        "commit_info": {"id": sha("head", 40), "time": "2026-11-24T12:00:00+00:00", "dirty": False, "branch": "main"},
        "benchmarks": [make_benchmark(record, (rounds or {}).get(record.name)) for record in timed],
        "inflor_bench": {"untimed": [record.model_dump(mode="json") for record in records if record not in timed]},
        "datetime": "2026-11-24T12:30:00+00:00",
        "version": "5.3.1",
    }


def make_suite(**changes: Any) -> list[Record]:
    """The five neurons of one network on one data set; `changes` go to every `make_record`."""
    neurons = ("relu", "hard", "soft", "hard-mpr", "soft-mpr")
    return [make_record(neuron=neuron, timesteps=1 if neuron == "relu" else 4, **changes) for neuron in neurons]


def write_run(path: Path, records: Iterable[Record], *, rounds: dict[str, Sequence[float]] | None = None) -> Path:
    """Write a run file by plain `json`, not by the code under test."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(make_run_document(records, rounds=rounds), allow_nan=False), encoding="utf-8")
    return path
