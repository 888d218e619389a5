"""What a report costs, in seconds and bytes: `python -m tests.reports.cost`. Seconds are shown, never asserted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from inflor_bench.reports.data.summaries import read_summaries, summary
from inflor_bench.reports.pages.report import build
from inflor_bench.verdict.compare import judge
from tests.reports import sample

T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - start, time.process_time() - busy
    print(f"{what:56s}{wall:8.2f} s, CPU {cpu:8.2f} s", flush=True)
    return result


def bytes_of(out: Path) -> None:
    for path in sorted(out.glob("*.html")):
        print(f"  {path.name:58s}{path.stat().st_size:10,d} bytes")
    largest = max((out / "models").glob("*.html"), key=lambda p: p.stat().st_size)
    print(f"  the largest model page{'':36s}{largest.stat().st_size:10,d} bytes")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        head = sample.run_of(sample.fifty(), root / "head.json")
        base = sample.run_of(sample.fifty(scale=0.9, run_id="base"), root / "base.json")
        timed("50 cells of 20 layers", lambda: build(head, root / "plain"))
        bytes_of(root / "plain")
        timed("the same, compared with a base", lambda: build(head, root / "pair", comparison=judge(base, head)))
        bytes_of(root / "pair")
        runs = root / "runs"
        runs.mkdir()
        one = sample.fifty()[:20]
        for i in range(500):
            created = f"2026-{1 + i // 100:02}-{1 + i // 4 % 25:02}T{i % 4:02}:00:00+00:00"
            records = [sample.with_provenance(r, run_id=f"r{i:07}", created=created) for r in one]
            sample.run_of(records, runs / f"2026{i:04}T000000Z_{i:012x}_r{i:07}.json")
        past = timed("500 runs of 20 cells, read", lambda: read_summaries(runs)).runs
        cells = sample.run_of(one, root / "twenty.json")
        timed("their report with trends", lambda: build(cells, root / "trends", history=[*past, summary(cells)]))
        bytes_of(root / "trends")


if __name__ == "__main__":
    main()
