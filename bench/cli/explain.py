"""The command `inflor-bench explain`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inflor_bench.cli.recorded import record_of

if TYPE_CHECKING:
    from inflor_bench.verdict.explanation import Explanation


class Form(str, Enum):
    """What an explanation is written as."""

    text = "text"
    markdown = "markdown"
    latex = "latex"


def explain(
    run: Annotated[Path, typer.Argument(help="Run file.")],
    cell: Annotated[str | None, typer.Argument(help="Cell of it; may be left out where there is one.")] = None,
    energy: Annotated[str, typer.Option(help="Model of energy.")] = "horowitz45-fp32",
    energy_models: Annotated[list[Path] | None, typer.Option(help="TOML file of models of energy of your own.")] = None,
    form: Annotated[Form, typer.Option("--format", help="What it is written as.")] = Form.text,
) -> None:
    """How was this energy computed? The formula, the numbers put in, layer by layer, the sum, and the source."""
    from inflor_bench.measure.energy import energy_models as read_models
    from inflor_bench.reports.pages.explanation import as_latex, as_markdown
    from inflor_bench.verdict.explanation import explain as explained

    _, record = record_of(str(run) if cell is None else cell, run)
    found = explained(record, energy, read_models(energy_models or ()))
    if form is Form.text:
        _show(found)
    else:
        typer.echo((as_markdown if form is Form.markdown else as_latex)(found), nl=False)


def _show(found: Explanation) -> None:
    from rich.table import Table

    from inflor_bench.reports.pages.explanation import (
        PICOJOULE,
        explanation_table,
        formula,
        heads,
        notes,
        number,
        prices,
    )
    from inflor_bench.terminal import standard_output
    from inflor_bench.text import one_line, plain

    console = standard_output()
    shown = explanation_table(found)
    table = Table(title=plain(f"{found.cell} by {found.given.name} {found.given.version}, per inference"))
    for column, head in zip(shown.columns, heads(shown), strict=True):
        table.add_column(head, justify="right" if column.numeric else "left", overflow="fold")
    for row in shown.rows[:-1]:
        table.add_row(*(plain(datum.text) for datum in row.data))
    table.add_section()
    table.add_row(*(datum.text for datum in shown.rows[-1].data))
    console.print(f"E = sum over layers of {one_line(formula(found))}", soft_wrap=True)
    for price in prices(found):
        console.print(f"    {plain(price)}", soft_wrap=True)
    console.print(table)
    console.print(f"{number(found.joules / PICOJOULE)} pJ per inference; {one_line(notes(found))}.", soft_wrap=True)
