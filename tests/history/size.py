"""What a long history costs: `python -m tests.history.size`. Seconds are shown, never asserted.

10,000 records of 500 commits on 3 machines, in a directory and on a branch of git: read from the files, read from the
cache, and a full comparison of two runs. Every record has the layers of a resnet8 and 14 estimates of energy, as real
ones have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from inflor_bench.files import dumps
from inflor_bench.git.command import git
from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import newest_comparable
from inflor_bench.record.costs import Energy
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import Record
from inflor_bench.verdict.compare import judge
from tests.record.builders import make_git, make_machine, make_record, make_rounds, make_run_document

MACHINES = ("old", "new", "rented")
NEURONS = ("relu", "hard", "soft", "hard-mpr", "soft-mpr")


def names(cells: int) -> list[tuple[str, str, int]]:
    """Data set, neuron and seed of so many cells."""
    every = [(data, neuron, seed) for seed in range(100) for data in ("digits", "cifar10") for neuron in NEURONS]
    return every[:cells]


def write_history(directory: Path, commits: int, cells: int, *, machines: tuple[str, ...] = MACHINES) -> list[Path]:
    """Write a history, the same each time: each commit is measured once, the machines in turn; return the files."""
    written = []
    random = np.random.default_rng(0)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    for index in range(commits):
        created = start + timedelta(hours=6 * index)
        about = {
            "run_id": f"run{index:05}",
            "created": created.isoformat(),
            "git": make_git(f"commit {index}", parent=f"commit {index - 1}" if index else None),
            "machine": make_machine(machines[index % len(machines)]),
        }
        records = [_record(random, data, neuron, seed, about) for data, neuron, seed in names(cells)]
        rounds = {record.name: make_rounds(record.latency.median, seed=index) for record in records}
        stamp = created.strftime("%Y%m%dT%H%M%SZ")
        name = f"{stamp}_{about['git'].sha[:12]}_{about['run_id']}.json"
        path = directory / about["machine"].fingerprint / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dumps(make_run_document(records, rounds=rounds)) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _record(random: np.random.Generator, data: str, neuron: str, seed: int, about: dict[str, Any]) -> Record:
    """A record whose counts, predictions and times differ from those of every other."""
    record = make_record(
        f"{data}/resnet8/{neuron}/T{1 if neuron == 'relu' else 4}/s{seed}",
        samples=10_000,
        bits=random.random(10_000) < 0.9,
        firing_rate=[float(rate) for rate in random.uniform(0.1, 0.3, 4)],
        latency=float(random.lognormal(np.log(0.004), 0.03)),
        provenance=about,
    )
    (estimate,) = record.energy.models
    estimates = [
        estimate.model_copy(update={"name": f"{estimate.name}-{index}", "joules": estimate.joules * (1 + index)})
        for index in range(14)
    ]
    return record.model_copy(update={"energy": Energy(models=estimates)})


def onto_branch(repository: Path, branch: str, files: list[Path]) -> HistoryBranch:
    """Put the files onto a branch in one commit."""
    repository.mkdir(parents=True)
    git(repository, "init", "-q")
    store = HistoryBranch(repository, branch)
    blobs = git(repository, "hash-object", "-w", "--stdin-paths", given="".join(f"{p}\n" for p in files).encode())
    listed = zip(files, blobs.decode().split(), strict=True)
    tree = {f"{path.parent.name}/{path.name}": ("100644", blob) for path, blob in listed}
    store.move(store.commit(tree, [], "Many runs"), None, "many runs")
    return store


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the wall time of a block, and the CPU time of this process and of those that it started."""
    start, busy = time.perf_counter(), os.times()
    yield
    wall, now = time.perf_counter() - start, os.times()
    cpu = sum(now[:4]) - sum(busy[:4])
    print(f"{what:64s}{wall:8.2f} s, CPU {cpu:8.2f} s", flush=True)


def fresh(what: str, code: str, *arguments: str) -> None:
    """Time Python code in a process of its own, imports included."""
    with timed(what):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True)


LOAD = """
import sys
from pathlib import Path
from inflor_bench.history.history import open_history
from inflor_bench.history.cache import load_tables
tables = load_tables(open_history(sys.argv[1], Path(sys.argv[2])), Path(sys.argv[3]))
assert len(tables.run_rows()) and len(tables.record_rows())
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--cells", type=int, default=20)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (this is a shared machine where that is not near 0)")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = write_history(root / "runs", given.commits, given.cells)
        size = sum(path.stat().st_size for path in files)
        print(f"{given.commits * given.cells:,} records in {len(files)} files, {size / 2**20:.0f} MiB")
        branch = onto_branch(root / "repository", "bench-data", files)
        stores = {"directory": (HistoryDirectory(root / "runs"), str(root / "runs")), "branch": (branch, "bench-data")}
        for what, (store, place) in stores.items():
            cache = root / f"cache-{what}"
            arguments = (place, str(root / "repository"), str(cache))
            fresh(f"{what}: cold, a process of its own", LOAD, *arguments)
            fresh(f"{what}: from the cache, a process of its own", LOAD, *arguments)
            with timed(f"{what}: from the cache, tables alone"):
                load_tables(store, cache)
            with timed(f"{what}: from the cache, tables and rows"):
                tables = load_tables(store, cache)
                tables.run_rows(), tables.record_rows()
            kept = sum(path.stat().st_size for path in cache.rglob("*.parquet"))
            print(f"  the cache has {kept / 2**20:.1f} MiB")
        head = read_run(files[-1])
        with timed(f"the baseline among {len(files)} runs, from the cache"):
            base = newest_comparable(root / "runs", head, cache=root / "cache-directory").run
        assert base is not None
        with timed(f"two runs of {given.cells} cells: read"):
            base, head = read_run(base.path), read_run(files[-1])
        with timed(f"two runs of {given.cells} cells: compared (scipy imported)"):
            judge(base, head)
        with timed(f"two runs of {given.cells} cells: compared again"):
            judge(base, head)
        fresh(
            f"`compare` of two runs of {given.cells} cells, as a command",
            "import subprocess, sys; subprocess.run([sys.executable, '-m', 'inflor_bench', 'compare', *sys.argv[1:]],"
            " stdout=subprocess.DEVNULL)",
            str(base.path),
            str(files[-1]),
        )


if __name__ == "__main__":
    main()
