"""What is done with records costs, against the number of cells: writing, merging, reading, comparing, reporting."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from inflor_bench.cell.name import Cell
from inflor_bench.record.merge import merge_runs
from inflor_bench.record.open_run import finish_run, write_cell
from inflor_bench.record.run_file import cells_dir, parse_run, read_run
from inflor_bench.record.schema import Record
from inflor_bench.reports.pages.report import build
from inflor_bench.run.shards import Shard
from inflor_bench.run.suite import Suite, plan
from inflor_bench.verdict.compare import judge
from tests.record.builders import make_record, make_run_document, write_run

CELLS = (50, 100, 200, 400)
REPORTED = (10, 20, 40, 80)


def records(count: int, **provenance: str) -> list[Record]:
    """Cells of different seeds."""
    return [make_record(f"digits/resnet8/soft-mpr/T4/s{seed}", provenance=dict(provenance)) for seed in range(count)]


def planning(count: int, place: Path) -> Callable[[], object]:
    cells = {"dataset": "digits", "network": "resnet8", "neurons": ["soft"], "timesteps": [4], "weights": "train"}
    suite = Suite.model_validate({"name": "many", "cells": [{**cells, "seeds": list(range(count))}]})
    return lambda: [Cell.parse(entry.cell.name) for entry in Shard(1, 2).of(plan(suite))]


def landing(count: int, place: Path) -> Callable[[], object]:
    """Every cell to disk, and the cells to a run file."""
    documents = [make_run_document([record]) for record in records(count)]
    directory = cells_dir(place / f"landing{count}.json")

    def call() -> object:
        directory.mkdir()
        for document in documents:
            write_cell(directory, document)
        path = finish_run(directory)
        path.unlink()
        return path

    return call


def merging(count: int, place: Path) -> Callable[[], object]:
    """Ten run files."""
    all_cells = records(count)
    paths = []
    for index in range(10):
        mine = [
            record.model_copy(update={"provenance": record.provenance.model_copy(update={"run_id": f"run{index}"})})
            for record in all_cells[index::10]
        ]
        paths.append(write_run(place / f"merging{count}-{index}.json", mine))
    return lambda: merge_runs(paths)


def reading(count: int, place: Path) -> Callable[[], object]:
    path = write_run(place / f"reading{count}.json", records(count))
    return lambda: read_run(path)


def comparing(count: int, place: Path) -> Callable[[], object]:
    base = parse_run(Path("base.json"), make_run_document(records(count, run_id="base")))
    head = parse_run(Path("head.json"), make_run_document(records(count)))
    return lambda: judge(base, head)


def reporting(count: int, place: Path) -> Callable[[], object]:
    run = read_run(write_run(place / f"reporting{count}.json", records(count)))

    def call() -> object:
        out = place / f"report{count}"
        shutil.rmtree(out, ignore_errors=True)
        return build(run, out)

    return call


RECORDS = {
    "planning and sharding": (planning, (500, 1000, 2000, 4000)),
    "landing of cells": (landing, CELLS),
    "merging": (merging, CELLS),
    "reading": (reading, CELLS),
    "comparing": (comparing, CELLS),
    "reporting": (reporting, REPORTED),
}
