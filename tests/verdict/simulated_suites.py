"""Whole jobs of the default suite with a known truth, judged by the rules themselves: false alarms, and what is found.

Everything a job judges is drawn: cells with the same weights, whose predictions differ by rounding; one that was
trained anew, by as much as seeds differ; and the timed cells, through the loop of `ab` itself.

`python -m tests.verdict.simulated_suites` prints the table of docs/gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from inflor_bench.ab.interleave import interleave
from inflor_bench.ab.pair import Answer
from inflor_bench.metrics import METRICS
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.origin import WeightsProvenance
from inflor_bench.record.run_file import CellResult, Run
from inflor_bench.record.schema import Record
from inflor_bench.verdict.compare import Comparison, judge
from tests.record.builders import make_git, make_machine, make_record, sha
from tests.verdict.simulated_jobs import JOB_NOISE, ROUND_NOISE, ROUNDS, SECONDS, Noise, share

SUITE = {
    **{f"digits/resnet8/{neuron}/T4/s0": 355 for neuron in ("hard", "soft", "hard-mpr", "soft-mpr")},
    "digits/resnet8/relu/T1/s0": 355,
    **{f"digits-dvs/resnet8/{neuron}/T4/s0": 355 for neuron in ("hard", "soft", "soft-mpr")},
    **{f"fashion-mnist/resnet8/{neuron}/T2/s0": 10_000 for neuron in ("hard", "soft", "hard-mpr", "soft-mpr")},
    "fashion-mnist/resnet8/relu/T1/s0": 10_000,
}
CANARY = "digits/resnet8/soft-mpr/T2/s0"
WATCHED = "fashion-mnist/resnet8/soft-mpr/T2/s0"
TIMED = (CANARY, "digits-dvs/resnet8/soft-mpr/T4/s0", WATCHED)
ROUNDED = 10  # samples of 10,000 whose prediction another order of sums turns over
# Standard deviation of a difference of two seeds, as `tests.verdict.seed_spread` measured it: of accuracy on digits, of
# counts where they vary most, on Fashion-MNIST.
SEEDS_ACCURACY, SEEDS_COUNTS = 0.0045, 0.08

Change = Callable[[Record], Record]


@cache
def base() -> Run:
    """The base, with as many samples and as many right as the real cells."""
    cells = {}
    for name, samples in {**SUITE, CANARY: 355}.items():
        right = np.random.default_rng(0).random(samples) < (0.975 if samples < 10_000 else 0.91)
        source = {"weights": WeightsProvenance(source="trained", sha256=sha(name)), "git": make_git("base")}
        record = make_record(name, samples=samples, bits=right, latency=0.004, provenance=source)
        cells[name] = CellResult(record, (0.004,) * 10)
    return Run(Path("base"), "base", "2026-11-24T12:00:00+00:00", make_machine(), make_git("base"), cells)


def head_of(generator: np.random.Generator, changes: dict[str, Change]) -> Run:
    """The head: what rounding and training do by chance, and what is said to have changed."""
    cells = {}
    for name, cell in base().cells.items():
        record = cell.record
        provenance = record.provenance.model_copy(update={"git": make_git("head", parent="base")})
        bits = record.accuracy.unpack()  # type: ignore[union-attr]
        if name == CANARY:
            weights = WeightsProvenance(source="trained", sha256=sha(str(generator.random())))
            provenance = provenance.model_copy(update={"weights": weights})
            record = times_counts(record, math.exp(generator.normal(0, SEEDS_COUNTS)))
            bits = generator.random(len(bits)) < min(1.0, bits.mean() + generator.normal(0, SEEDS_ACCURACY))
        else:
            turned = generator.integers(0, len(bits), generator.poisson(ROUNDED * len(bits) / 10_000))
            bits[turned] = ~bits[turned]
            # Either way alike: as many that were right are lost as others are gained.
            other = generator.choice(np.flatnonzero(~bits), min(len(turned), int((~bits).sum())), replace=False)
            bits[other] = generator.random(len(other)) < 0.91
        record = record.model_copy(update={"provenance": provenance, "accuracy": Accuracy.from_bits(bits)})
        cells[name] = replace(cell, record=changes.get(name, lambda same: same)(record))
    return replace(base(), path=Path("head"), run_id="head", git=make_git("head", parent="base"), cells=cells)


def times_counts(record: Record, factor: float) -> Record:
    """A record with so many times the spikes and accumulates, in every layer."""
    spikes, synops = record.spikes, record.synops
    fired = [
        layer.model_copy(update={"spikes_per_step": [round(factor * count) for count in layer.spikes_per_step]})
        for layer in spikes.layers  # type: ignore[union-attr]
    ]
    sites = [layer.model_copy(update={"ac": round(factor * layer.ac)}) for layer in synops.layers]  # type: ignore[union-attr]
    return record.model_copy(
        update={
            "spikes": spikes.model_copy(update={"layers": fired}),
            "synops": synops.model_copy(update={"layers": sites}),
        }
    )


def more_accumulates(record: Record) -> Record:
    """2 % more accumulates."""
    return times_counts(record, 1.02)


def less_accurate(record: Record) -> Record:
    """One point of accuracy less: 2.5 % of the samples are lost and 1.5 % gained."""
    bits = record.accuracy.unpack()  # type: ignore[union-attr]
    right, wrong = np.flatnonzero(bits), np.flatnonzero(~bits)
    bits[right[: round(0.025 * len(bits))]], bits[wrong[: round(0.015 * len(bits))]] = False, True
    return record.model_copy(update={"accuracy": Accuracy.from_bits(bits)})


def timer(generator: np.random.Generator, noise: Noise, ratio: float) -> Callable[..., tuple[Answer, Answer]]:
    """What times a pair of processes; the head takes `ratio` of the base's time for the watched cell."""
    level = SECONDS * np.exp(generator.normal(0, JOB_NOISE))

    def process(side: str, cell: str, shared: float) -> dict[str, Any]:
        own = shared + generator.normal(0, 1) * noise.process
        slower = ratio if side == "head" and cell == WATCHED else 1.0
        parts = {
            part: (level * slower * of * np.exp(own + generator.normal(0, ROUND_NOISE, ROUNDS))).tolist()
            for part, of in (("synapses", 0.7), ("neurons", 0.2))
        }
        whole = level * slower * np.exp(own + generator.normal(0, ROUND_NOISE, ROUNDS))
        return {"latency": whole.tolist(), "parts": {part: {"layer": spent} for part, spent in parts.items()}}

    def time_pair(sides: tuple[str, str], cells: list[str]) -> tuple[Answer, Answer]:
        answers: tuple[Answer, Answer] = ({}, {})
        for cell in cells:
            shared = generator.normal(0, 1) * noise.pair
            for side, answer in zip(sides, answers, strict=True):
                answer[cell] = process(side, cell, shared)
        return answers

    return time_pair


def jobs(
    number: int, seed: int, noise: Noise, changes: dict[str, Change] | None = None, ratio: float = 1.0
) -> Iterator[Comparison]:
    """Judge so many jobs."""
    for index in range(number):
        generator = np.random.default_rng([seed, index])
        time_pair = timer(generator, noise, ratio)
        found = interleave(time_pair, TIMED, lambda *_: None, lambda _: None, clock=lambda: 0.0)
        yield judge(base(), head_of(generator, changes or {}), interleaved=found)


QUIET = Noise(process=0.01, pair=0.12)
CASES: tuple[tuple[str, dict[str, Change], float, str], ...] = (
    ("1 point of accuracy lost", {WATCHED: less_accurate}, 1.0, "accuracy"),
    ("2 % more AC, the same weights", {WATCHED: more_accumulates}, 1.0, "ac"),
    ("10 % slower", {}, 1.1, "latency"),
)


def found_in(comparisons: Iterator[Comparison], metric: str) -> int:
    """In how many jobs the watched cell regressed in a metric."""
    return sum(
        any((it.cell, it.metric) == (WATCHED, metric) for it in comparison.regressions) for comparison in comparisons
    )


def main() -> None:
    """Print the table, in Markdown."""
    assert METRICS.keys() >= {metric for _, _, _, metric in CASES}
    print("| truth | jobs | called a regression | share (95 % interval) |")
    print("|---|---:|---:|---:|")
    alarms = sum(comparison.exit_code for comparison in jobs(1000, 1, QUIET))
    print(f"| nothing changed, the canary trained anew | 1000 | {alarms} | {share(alarms, 1000)} |", flush=True)
    for seed, (name, changes, ratio, metric) in enumerate(CASES, 2):
        found = found_in(jobs(200, seed, QUIET, changes, ratio), metric)
        print(f"| {name} | 200 | {found} | {share(found, 200)} |", flush=True)


if __name__ == "__main__":
    main()
