"""Made-up runs for tests and for looking at pages: never figures to publish.

Membranes are simulated (Gaussian currents through the paper's equations), so the parts of a record agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from inflor_bench.files import write_json
from inflor_bench.record import costs, counted, origin, schema
from inflor_bench.record.run_file import CellEntry, CellResult, Run, document_of
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from tests.record.builders import make_git, make_latency, make_neuron_ops_layer, make_record, make_synops

ENERGY = (
    ("horowitz45-fp32", 4.6e-12, 0.9e-12, "Horowitz, ISSCC 2014, 10.1109/ISSCC.2014.6757323; 45 nm, 32-bit float"),
    ("horowitz45-int8", 0.23e-12, 0.03e-12, "Horowitz, ISSCC 2014, 10.1109/ISSCC.2014.6757323; 45 nm, 8-bit integer"),
    ("flop-sop", 12.5e-12, 77e-15, "common in ANN-to-SNN papers; primary sources not checked"),
)
SAMPLES = 64
SITES = (
    ("conv", "conv2d", 1, 16, 28, 9),
    ("stages.0.0.conv1", "conv2d", 16, 16, 28, 9),
    ("stages.0.0.conv2", "conv2d", 16, 16, 28, 9),
    ("stages.1.0.conv1", "conv2d", 16, 32, 14, 9),
    ("stages.1.0.conv2", "conv2d", 32, 32, 14, 9),
    ("stages.1.0.shortcut.0", "conv2d", 16, 32, 14, 1),
    ("stages.2.0.conv1", "conv2d", 32, 64, 7, 9),
    ("stages.2.0.conv2", "conv2d", 64, 64, 7, 9),
    ("stages.2.0.shortcut.0", "conv2d", 32, 64, 7, 1),
    ("linear", "linear", 64, 10, 1, 1),
)
NEURON_LAYERS = (
    ("activation", 16, 28),
    ("stages.0.0.activation1", 16, 28),
    ("stages.0.0.activation2", 16, 28),
    ("stages.1.0.activation1", 32, 14),
    ("stages.1.0.activation2", 32, 14),
    ("stages.2.0.activation1", 64, 7),
    ("stages.2.0.activation2", 64, 7),
)


def rectify(u: np.ndarray) -> np.ndarray:
    inside = np.tanh(3 * (u - 0.5)) / (2 * np.tanh(1.5)) + 0.5
    return np.where(u > 1, np.cbrt(u), np.where(u < 0, 1 - np.cbrt(1 - u), inside))


@cache
def simulate(
    seed: int, neuron: str, timesteps: int, depth: int
) -> tuple[list[int], float, float, float | None, Any, Any]:
    """Spikes per step, quantisation error before and after MPR, reset loss, and both histograms of one layer."""
    rng = np.random.default_rng([seed, depth, len(neuron), timesteps])
    mpr = neuron.endswith("mpr")
    n = 4000
    v = np.zeros(n)
    spikes, membranes, outputs, lost = [], [], [], []
    for _ in range(timesteps):
        current = rng.normal(0.12 - 0.015 * depth, 0.55, n)
        if mpr:  # training with MPR leaves fewer membranes near the firing level
            current = current + 0.3 * np.sign(current - 0.45) * np.exp(-((current - 0.45) ** 2) / 0.05)
        u = 0.25 * v + current
        o = (u > 0.5).astype(float)
        v = u * (1 - o) if neuron.startswith("hard") else u - o
        spikes.append(int(o.sum()))
        membranes.append(u)
        outputs.append(o)
        lost.append(np.abs(u - v - o)[o > 0])
    u, o = np.concatenate(membranes), np.concatenate(outputs)
    loss = np.concatenate(lost)
    phi = rectify(u)

    def histogram(values: np.ndarray) -> counted.Histogram:
        counts, _ = np.histogram(values, 100, (-2.0, 3.0))
        return counted.Histogram(
            low=-2.0,
            high=3.0,
            counts=[int(c) for c in counts],
            below=int((values < -2).sum()),
            above=int((values >= 3).sum()),
        )

    error = float(np.mean((o - u) ** 2)), float(np.mean((o - phi) ** 2))
    return spikes, *error, float(loss.mean()) if loss.size else None, histogram(u), histogram(phi)


MACHINE = origin.Machine(
    fingerprint="4f1c2a9be07d3358",
    preimage={
        "cpu": "Example CPU @ 2.60GHz",
        "cores": "2",
        "gpu": "none",
        "os": "Debian 12",
        "torch": "2.14.1",
        "threads": "2",
    },
)


def git(sha: str, parents: Sequence[str]) -> origin.Git:
    message, committed = "Fold normalisation into the convolutions", "2026-03-01T09:12:00+00:00"
    about: dict[str, Any] = {"tree": "1" * 40, "base_sha": None, "first_parent_index": 12}
    return make_git(sha=sha, parents=list(parents), message=message, committed=committed, **about)


def record(
    name: str = "fashion-mnist/resnet8/soft-mpr/T2/s0",
    *,
    accuracy: float = 0.91,
    n: int = 2000,
    seed: int = 0,
    run_id: str = "r0000001",
    created: str = "2026-03-01T10:00:00+00:00",
    sha: str = "8b49a76c0ffee0123456789abcdef0123456789a",
    layers: int | None = None,
    scale: float = 1.0,
    parents: Sequence[str] = ("2" * 40,),
) -> Record:
    """A whole record of a canonical cell; `layers` stretches the network, `scale` its spikes' operations."""
    dataset, _, neuron, steps, _ = name.split("/")
    timesteps = int(steps[1:])
    rng = np.random.default_rng([seed, len(name), timesteps])
    bits = rng.random(n) < accuracy
    weights = origin.WeightsProvenance(
        source="shipped",
        sha256="cd" * 32,
        training_key="ef" * 32,
        recipe={"epochs": 8, "learning_rate": 0.1, "batch_size": 128, "schedule": "one-cycle"},
        card_accuracy=float(bits.mean()),
    )
    provenance = {
        "run_id": run_id,
        "created": created,
        "command": ["inflor-bench", "run", "--suite", "default"],
        "git": git(sha, parents),
        "machine": MACHINE,
        "versions": {"inflor-bench": "0.1.0", "torch": "2.14.1", "python": "3.11.7"},
        "dataset": origin.DatasetProvenance(name=dataset, split="test", samples=n, sha256="ab" * 32),
        "weights": weights,
    }
    spiking = neuron != "relu"
    neurons = _repeat(NEURON_LAYERS, layers)
    sites = _repeat(SITES, layers)
    spike_layers, information, updates = [], [], []
    rates = []
    for depth, (layer, channels, side) in enumerate(neurons):
        if not spiking:
            rates.append(0.5)
            continue
        spikes, before, after, loss, u, phi = simulate(seed, neuron, timesteps, depth % 12)
        count = channels * side * side
        per_step = [int(s * count * SAMPLES / 4000) for s in spikes]
        rates.append(sum(per_step) / (count * SAMPLES * timesteps))
        spike_layers.append(
            counted.SpikeLayer(name=layer, shape=[channels, side, side], neurons=count, spikes_per_step=per_step)
        )
        information.append(
            counted.InformationLayer(
                name=layer,
                elements=4000 * timesteps,
                fired=sum(spikes),
                quantisation_error=before,
                quantisation_error_rectified=after,
                reset_loss=loss,
                level_error=None if depth == 3 else loss and loss * timesteps,
                membrane=u,
                rectified=phi,
            )
        )
        reset = "hard" if neuron.startswith("hard") else "soft"
        seen = count * timesteps * SAMPLES
        updates.append(make_neuron_ops_layer(layer, seen, sum(per_step), reset=reset, mpr=neuron.endswith("mpr")))
    synops = []
    for index, (site, kind, inputs, outputs, side, taps) in enumerate(sites):
        steps_here = 1 if index == 0 else timesteps
        padded = inputs * outputs * side * side * taps * steps_here * SAMPLES
        dense = int(padded * (0.93 if taps == 9 else 1.0))
        rate = 0.52 if index == 0 else rates[min(index - 1, len(rates) - 1)]
        effective = int(dense * min(rate * scale, 1.0))
        plain = index == 0 or not spiking or site == "linear"
        synops.append(
            counted.SynopLayer(
                name=site,
                kind=kind,
                weight_shape=[outputs, inputs, 3, 3] if taps == 9 else [outputs, inputs],
                output_shape=[outputs, side, side],
                ac=0 if plain else effective,
                mac=effective if plain else 0,
                dense=dense,
                dense_padded=padded,
                mixed=False,
                unit_share=None if plain else 1.0,
            )
        )
    energies = []
    for model, mac, ac, source in ENERGY:
        joules = {s.name: (mac * s.mac + ac * s.ac) / SAMPLES for s in synops}
        whole = sum(joules.values())
        shares = {layer: value / whole for layer, value in joules.items()}
        energies.append(costs.EnergyModel(name=model, version="1", source=source, joules=whole, layers=shares))
    seconds = rounds(name, seed)
    quantile = lambda q: float(np.quantile(seconds, q))  # noqa: E731
    return make_record(
        name,
        parameters=77_690,
        provenance=provenance,
        accuracy=counted.Accuracy.from_bits(bits),
        spikes=counted.Spikes(samples=SAMPLES, layers=spike_layers) if spiking else _none("an ANN has no spikes"),
        synops=make_synops(SAMPLES, synops),
        neuron_ops=counted.NeuronOps(samples=SAMPLES, layers=updates)
        if spiking
        else _none("an ANN has no spiking neurons"),
        information=counted.Information(samples=SAMPLES, firing_level=0.5, layers=information)
        if spiking
        else _none("an ANN has no membrane"),
        energy=costs.Energy(models=energies),
        latency=make_latency(
            quantile(0.5),
            rounds=len(seconds),
            median_low=quantile(0.42),
            median_high=quantile(0.58),
            iqr=quantile(0.75) - quantile(0.25),
            minimum=min(seconds),
            p90=quantile(0.9),
            p95=quantile(0.95),
            warmup_iterations=24,
            cpu_seconds_per_inference=quantile(0.5) * 1.8,
        ),
        power=_none("no meter could be read: no NVIDIA driver, and RAPL counters are readable by root only"),
        memory=costs.Memory(
            kind="host_peak_rss",
            batch_size=1,
            peak_bytes=412_000_000,
            above_baseline_bytes=9_400_000,
            parameter_bytes=310_760,
        ),
    )


def rounds(name: str, seed: int = 0) -> tuple[float, ...]:
    base = 0.0016 * (1 if "/relu/" in name else 4.2)
    values = base * np.random.default_rng([seed, len(name), 7]).lognormal(0, 0.09, 100)
    return tuple(float(v) for v in values)


def measured_power() -> costs.Power:
    return costs.Power(
        meter="nvml energy counter",
        device="NVIDIA Example",
        joules_per_inference=0.0123,
        joules_per_inference_above_idle=0.0045,
        idle_watts=24.0,
        mean_watts=61.0,
        trials=[0.0121, 0.0123, 0.0125],
        flags=["sensor looks at a quarter of the time: ±5 %"],
    )


def skipped(whole: Record, reason: str) -> Record:
    """The same cell, as it is recorded where nothing could be measured."""
    none = Absent(status="skipped", reason=reason)
    return whole.model_copy(update=dict.fromkeys(schema.SECTIONS, none))


def run_of(records: Iterable[Record], path: Path) -> Run:
    """The run of these records, with its file written."""
    cells = {r.name: CellResult(r, rounds(r.name) if r.latency.status == "measured" else ()) for r in records}
    entries = [
        CellEntry("", cell.record.model_dump(mode="json"), {"name": name, "stats": {"data": list(cell.rounds)}})
        for name, cell in cells.items()
    ]
    write_json(path, document_of({}, entries))
    first = next(iter(cells.values())).record.provenance
    return Run(path, first.run_id, first.created, first.machine, first.git, cells)


NINE = (
    ("digits/resnet8/relu/T1/s0", 0.986, 360),
    ("digits/resnet8/hard/T4/s0", 0.964, 360),
    ("digits/resnet8/soft/T4/s0", 0.97, 360),
    ("digits/resnet8/hard-mpr/T4/s0", 0.975, 360),
    ("digits/resnet8/soft-mpr/T4/s0", 0.98, 360),
    ("fashion-mnist/resnet8/relu/T1/s0", 0.919, 10000),
    ("fashion-mnist/resnet8/hard/T2/s0", 0.9045, 10000),
    ("fashion-mnist/resnet8/soft/T2/s0", 0.9062, 10000),
    ("fashion-mnist/resnet8/soft-mpr/T2/s0", 0.9103, 10000),
)


def nine(**more: Any) -> list[Record]:
    return [record(name, accuracy=accuracy, n=n, **more) for name, accuracy, n in NINE]


def fifty(**more: Any) -> list[Record]:
    """50 cells of 20 layers: what the budgets are held against."""
    networks = ("resnet20", "resnet19", "vgg16", "resnet18", "resnet34")
    return [
        record(f"{dataset}/{network}/{neuron}/T{1 if neuron == 'relu' else 4}/s0", layers=20, n=1000, **more)
        for dataset in ("cifar10", "cifar100")
        for network in networks
        for neuron in ("relu", "hard", "soft", "hard-mpr", "soft-mpr")
    ]


def with_provenance(cell: Record, **changes: Any) -> Record:
    return cell.model_copy(update={"provenance": cell.provenance.model_copy(update=changes)})


def with_name(cell: Record, name: str, **model: Any) -> Record:
    return cell.model_copy(update={"name": name, "model": cell.model.model_copy(update=model)})


def _repeat(layers: Sequence[tuple[Any, ...]], count: int | None) -> list[tuple[Any, ...]]:
    if count is None:
        return list(layers)
    return [(f"{layers[i % len(layers)][0]}.{i}", *layers[i % len(layers)][1:]) for i in range(count)]


def _none(reason: str) -> Absent:
    return Absent(status="unavailable", reason=reason)
