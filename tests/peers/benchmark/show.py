"""The document as tables on a terminal."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.peers.benchmark.comparison import Document, is_exact


def show(document: Document, console: Console) -> None:
    """Print everything."""
    counts = document["counts"]
    heading(console, "Counts of small cases, with the brute-force truth")
    console.print(counts_table(counts))
    for name, found in counts["counters"].items():
        if "reason" in found:
            console.print(f"{name}: {found['reason']}", markup=False)
    heading(console, f"Estimated energy of one inference: {document['energies']['title']}")
    console.print(energies_table(document["energies"]))
    for table in document["tables"]:
        heading(console, table["title"])
        console.print(timing_table(table))
        for note in table["notes"]:
            console.print(note, markup=False)
    heading(console, f"Compiling the neurons of the {document['compiling']['suite']} suite")
    console.print(compiling_line(document["compiling"]), markup=False)
    console.print()
    console.print(
        f"{document['threads']} threads, {document['rounds']} interleaved rounds, each contestant in a process of its "
        "own; ratios are medians of paired ratios, in brackets the 95 % interval of the median."
    )


def heading(console: Console, text: str) -> None:
    """Print a table's heading, which is often wider than the table."""
    console.print(f"\n{text}", style="bold", markup=False)


def compiling_line(compiling: dict[str, Any]) -> str:
    """What first passes of the networks take beyond second ones."""
    if "reason" in compiling:
        return f"not measured: {compiling['reason']}"
    return (
        f"first passes of its {compiling['networks']} networks take {compiling['fresh_seconds']:.1f} s beyond second "
        f"ones on a fresh cache, {compiling['next_seconds']:.1f} s in the next process"
    )


def counts_table(counts: Document) -> Table:
    """A row a case: the truth, and what each counter says where it is not true."""
    table = Table("case", "truth")
    shown = {name: found for name, found in counts["counters"].items() if "reason" not in found}
    for name in shown:
        table.add_column(name)
    for case, truth in counts["truth"].items():
        cells = [_cell(found["cases"][case], truth) for found in shown.values()]
        table.add_row(case, _numbers(truth), *cells)
    table.add_section()
    exact = [f"{found['exact']} of {len(counts['truth'])}" for found in shown.values()]
    table.add_row("exact in all that it gives", "", *exact)
    return table


def energies_table(energies: Document) -> Table | str:
    """A row a model, the cheapest chip first; those that give nothing with their reason last."""
    if "reason" in energies:
        return f"not estimated: {energies['reason']}"
    table = Table("model", "J per inference", "what it prices")
    for row in sorted(energies["models"], key=lambda row: row.get("joules", math.inf)):
        joules = f"{row['joules']:.3g}" if "joules" in row else f"none: {row['reason']}"
        table.add_row(row["model"], joules, row["prices"])
    return table


def timing_table(timings: Document) -> Table:
    """A row a contestant."""
    rows = timings["contestants"]
    base = timings["beside"] or rows[0]["name"]
    table = Table("contestant", "median")
    table.add_column(f"times {base}")
    has_peak = any("peak_bytes" in row or "peak_reason" in row for row in rows)
    if has_peak:
        table.add_column("peak memory")
    for row in rows:
        if "reason" in row:
            table.add_row(row["name"], "not measured", row["reason"], *[""] * has_peak)
            continue
        ratio = _ratio(row["ratio"]) if "ratio" in row else f"{base} was not measured"
        peak = [_mebibytes(row)] if has_peak else []
        table.add_row(row["name"], f"{row['median_seconds'] * 1e3:.3f} ms", ratio, *peak)
    return table


def _mebibytes(row: dict[str, Any]) -> str:
    return f"{row['peak_bytes'] / 2**20:.0f} MiB" if "peak_bytes" in row else str(row["peak_reason"])


def _ratio(ratio: dict[str, Any]) -> str:
    if ratio["low"] is None:
        return f"{ratio['median']:.2f}"
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _cell(given: dict[str, Any], truth: dict[str, int]) -> str:
    if is_exact(given, truth):
        return "exact"
    return str(given["reason"]) if "reason" in given else _numbers(given) or "nothing"


def _numbers(counts: dict[str, Any]) -> str:
    labels = {"ac": "AC", "mac": "MAC", "synops": "synops", "dense": "dense", "dense_padded": "padded"}
    return ", ".join(f"{label} {counts[name]:.6g}" for name, label in labels.items() if name in counts)
