"""Runs the whole comparison and gives one JSON document. A contestant without a figure has a reason in its place."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from inflor_bench.record.provenance import machine
from tests.peers.benchmark.compiling import compiling
from tests.peers.benchmark.failure import ContestantError
from tests.peers.benchmark.plan import Plan, Size, Table, counting_tables, recording_table, speed_tables
from tests.peers.benchmark.process import Workers
from tests.peers.benchmark.rounds import Rounds, interleave, paired_ratio
from tests.peers.benchmark.truth import cases

DISTRIBUTIONS = ("torch", "fvcore", "spikingjelly", "snntorch", "norse", "neurobench", "syops", "sinabs")

Document = dict[str, Any]
Progress = Callable[[str], None]


def compare(
    plan: Plan, save: Callable[[Document], None], *, rounds: int, threads: int, on_progress: Progress
) -> Document:
    """Counts of the small cases, what counting costs, the speed of neurons and networks, and what compiling costs.

    `save` is called with what there is so far: at the start, and whenever a table is complete.
    """
    document: Document = {
        "version": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(threads).model_dump(),
        "packages": {name: _version(name) for name in DISTRIBUTIONS},
        "threads": threads,
        "rounds": rounds,
        "counts": None,
        "energies": None,
        "tables": [],
        "compiling": None,
    }
    save(document)
    with Workers(threads) as workers:
        document["counts"] = counted(workers, plan.counters, on_progress)
        save(document)
        document["energies"] = priced(workers, plan.energy, on_progress)
        save(document)
        for table in (*counting_tables(plan), recording_table(plan), *speed_tables(plan)):
            document["tables"].append(timed(workers, table, rounds=rounds, on_progress=on_progress))
            save(document)
    document["compiling"] = compiling(threads, on_progress)
    save(document)
    return document


def counted(workers: Workers, counters: Sequence[str], on_progress: Progress) -> Document:
    """What every counter finds in the small cases, beside the brute-force truth."""
    truth = {name: asdict(case.truth()) for name, case in cases().items()}
    found: dict[str, Any] = {}
    for counter in counters:
        on_progress(f"counts: {counter}")
        try:
            found[counter] = {"cases": workers.ask(counter, "cases", counter=counter)}
        except ContestantError as error:
            found[counter] = {"reason": str(error)}
            continue
        given = found[counter]["cases"]
        found[counter]["exact"] = sum(is_exact(given[name], truth[name]) for name in truth)
    return {"truth": truth, "counters": found}


def priced(workers: Workers, size: Size, on_progress: Progress) -> Document:
    """What the models of energy say of one network, or why that is not known."""
    on_progress("energy: spikingjelly")
    try:
        return {"title": size.describe(), "models": workers.ask("spikingjelly", "energies", arguments=asdict(size))}
    except ContestantError as error:
        return {"title": size.describe(), "reason": str(error)}


def is_exact(given: dict[str, Any], truth: dict[str, int]) -> bool:
    """Whether all that a counter gives of a case is true; one that failed or gives nothing is not.

    Some give means in float32, which times the samples are whole numbers but for rounding. A case has fewer than 50,000
    operations, so the tolerance hides not even one.
    """
    known = {**truth, "synops": truth["ac"] + truth["mac"]}
    if not given or "reason" in given:
        return False
    return all(math.isclose(known[name], value, rel_tol=1e-5) for name, value in given.items())


def timed(workers: Workers, table: Table, *, rounds: int, on_progress: Progress) -> Document:
    """Measure one table. Ratios are to what each round times beside the contestant, else to the first contestant."""
    found = interleave(workers, table.job, table.contestants, rounds=rounds, memory=table.peak, on_progress=on_progress)
    base = next(iter(found.values()))
    return {
        "title": table.title,
        "job": table.job,
        "beside": table.beside,
        "notes": list(table.notes),
        "contestants": [{"name": name, **_row(table, values, base)} for name, values in found.items()],
    }


def _row(table: Table, values: Rounds, base: Rounds) -> Document:
    if values.reason is not None:
        return {"reason": values.reason}
    seconds = values.column(-1)
    row: Document = {"seconds": seconds, "median_seconds": statistics.median(seconds)}
    if table.beside:
        plain = values.column(0)
        row |= {"plain_seconds": plain, "ratio": asdict(paired_ratio(seconds, plain))}
    elif base.reason is None:
        row["ratio"] = asdict(paired_ratio(seconds, base.column(-1)))
    if table.peak:
        if values.peak_reason is None:
            row["peak_bytes"] = values.peak_bytes
        else:
            row["peak_reason"] = values.peak_reason
    return row


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
