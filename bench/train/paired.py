"""The table of trained cells: mean and spread over the seeds, and paired tests between the neurons."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from inflor_bench.cell.name import Cell
from inflor_bench.verdict.statistics import PairedChange, mcnemar, paired_t

EXPLANATION = (
    "Accuracy on the whole test set after the last epoch, in %; the spread is the standard deviation over the seeds.",
    "Each pair of neurons is compared on the same network, data, time steps and seed, by the exact two-sided McNemar "
    "test on the test samples that one of them gets right and the other wrong. All seeds together: the same test on "
    "the sums. It says whether these trained networks differ, and takes the samples of all seeds as independent; p of "
    "the seeds, by Student's paired t test on the differences of the seeds, says whether networks trained anew would, "
    "and needs more than one seed. No p-value is corrected for the number of tests.",
)


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained cell: one boolean a test sample, [n], and whether the data are simulated."""

    cell: Cell
    bits: np.ndarray
    simulated: bool


def table(name: str, trained: Sequence[Trained]) -> str:
    """Markdown of all cells, in their order."""
    lines = [
        f"# {name}",
        "",
        EXPLANATION[0],
        "",
        "| cells | seeds | mean | spread | each seed |",
        "|---|---:|---:|---:|---|",
    ]
    groups = _grouped(trained)
    for (dataset, network, timesteps), neurons in groups.items():
        for neuron, seeds in neurons.items():
            values = [100 * float(one.bits.mean()) for one in seeds.values()]
            spread = f"{stdev(values):.2f}" if len(values) > 1 else "one seed"
            simulated = " (simulated data)" if next(iter(seeds.values())).simulated else ""
            each = ", ".join(f"{value:.2f} (s{seed})" for seed, value in zip(seeds, values, strict=True))
            lines.append(
                f"| {dataset}/{network}/{neuron}/T{timesteps}{simulated} | {len(values)} | {mean(values):.2f} "
                f"| {spread} | {each} |"
            )
    rows = list(_tests(groups))
    if rows:
        head = "| data, network, steps | from | to | seed | gained | lost | points | p | p of the seeds |"
        lines += ["", EXPLANATION[1], "", head, "|---|---|---|---|---:|---:|---:|---:|---:|", *rows]
    return "\n".join([*lines, ""])


Neurons = dict[str, dict[int, Trained]]


def _grouped(trained: Sequence[Trained]) -> dict[tuple[str, str, int], Neurons]:
    groups: dict[tuple[str, str, int], Neurons] = {}
    for one in trained:
        cell = one.cell
        neurons = groups.setdefault((cell.dataset, cell.network, cell.timesteps), {})
        neurons.setdefault(cell.neuron, {})[cell.seed] = one
    return groups


def _tests(groups: dict[tuple[str, str, int], Neurons]) -> Iterator[str]:
    for (dataset, network, timesteps), neurons in groups.items():
        for base, head in itertools.combinations(neurons, 2):
            seeds = [seed for seed in neurons[base] if seed in neurons[head]]
            pairs = [(neurons[base][seed].bits, neurons[head][seed].bits) for seed in seeds]
            changes = [mcnemar(*pair) for pair in pairs]
            start = f"| {dataset}/{network}/T{timesteps} | {base} | {head}"
            for seed, change in zip(seeds, changes, strict=True):
                yield f"{start} | s{seed} {_row(change)} | |"
            if len(seeds) > 1:
                together = mcnemar(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
                yield f"{start} | all {len(seeds)} {_row(together)} | {_p(p_of_seeds(changes))} |"


def _row(change: PairedChange) -> str:
    return f"| {change.gained} | {change.lost} | {100 * change.difference:+.2f} | {_p(change.p_value)}"


def _p(value: float | None) -> str:
    return "cannot be told" if value is None else f"{value:.2g}"


def p_of_seeds(changes: Sequence[PairedChange]) -> float | None:
    """The two-sided p-value of Student's paired t test on the differences of accuracy; None where all are equal."""
    differences = [change.difference for change in changes]
    return paired_t(differences)[1] if len(set(differences)) > 1 else None
