"""The command `inflor-bench doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from inflor_bench.doctor.check import Check


def doctor() -> None:
    """Say what can be measured on this machine, why not the rest, and what to change."""
    from inflor_bench.doctor.check import careful
    from inflor_bench.doctor.checks import quick_checks
    from inflor_bench.doctor.slow import Probe
    from inflor_bench.terminal import standard_output, terminal

    console = standard_output()
    probe = Probe()
    try:
        for check in quick_checks():
            console.print(_row(check))
        with terminal().status("asking torch and the data sets"):
            slow = careful("torch", probe.checks)
        for check in slow:
            console.print(_row(check))
    finally:
        probe.close()


def _row(check: Check) -> Table:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=4)
    row.add_column(width=10)
    row.add_column(overflow="fold")
    said = Text(check.text)
    if check.remedy:
        said.append(f"\n-> {check.remedy}", style="bold")
    style = {"yes": "green", "no": "red", "mind": "yellow"}[check.verdict]
    row.add_row(Text(check.verdict, style=style), check.name, said)
    return row
