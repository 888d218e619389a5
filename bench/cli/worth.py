"""The command `inflor-bench worth`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inflor_bench.cli.options import Bits, bits_of, checked_settings
from inflor_bench.cli.recorded import record_of, records_of

if TYPE_CHECKING:
    from rich.console import Console

    from inflor_bench.verdict.worth import Worth


def worth(
    target: Annotated[str, typer.Argument(help="The spiking network: a run file, or FILE:CELL of several.")],
    twin: Annotated[
        str | None, typer.Option(help="Its quantised twin: FILE, FILE:CELL, or a CELL of the same file.")
    ] = None,
    energy_models: Annotated[list[Path] | None, typer.Option(help="TOML file of models of energy of your own.")] = None,
    bits: Bits = None,
    layers: Annotated[bool, typer.Option("--layers", help="Also tell which layers pay.")] = False,
) -> None:
    """Is spiking worth it? Price a spiking network and its twin on the same chips, and test both for accuracy.

    Without a twin: the fair twin (quant) of the same file, else a bound from the shapes of the layers alone.
    """
    from inflor_bench.measure.energy import energy_models as read_models
    from inflor_bench.terminal import standard_output
    from inflor_bench.verdict.worth import twins
    from inflor_bench.verdict.worth import worth as judge

    path, record = record_of(target)
    beside = next((fair for one, fair in twins(records_of(path)) if one.name == record.name), None)
    other = beside if twin is None else record_of(twin, path)[1]
    settings = checked_settings(**bits_of(bits))
    models = read_models(energy_models or ())
    found = judge(record, other, models=models, bits=settings.bits(None), activation_bits=settings.activation_bits)
    _show(found, standard_output(), layers)


def _show(found: Worth, console: Console, layers: bool) -> None:
    """Print the verdict: a table of the models of energy, the `layers` by each, and the sentence."""
    from rich.table import Table

    from inflor_bench.text import plain

    bound = found.twin is None
    heads = ("spiking, J", "at most, J" if bound else "twin, J", "at least" if bound else "ratio", "pays below")
    table = Table(title="Is spiking worth it?")
    for head in ("model of energy", "version"):
        table.add_column(head, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right")
    table.add_column("verdict")
    for one in found.priced:
        parts = [(one.model, one.version, one.whole), *((f"  {part.name}", "", part) for part in one.layers if layers)]
        for name, version, part in parts:
            figures = (f"{part.spiking:.3g}", f"{part.twin:.3g}", f"{part.ratio:.3g}", part.pays_below)
            table.add_row(plain(name), plain(version), *figures, "pays" if part.pays else "does not pay")
    console.print(table)
    for name, reason in found.left_out.items():
        console.print(plain(f"Left out: {name} {reason}."), soft_wrap=True)
    if found.spikes_per_synapse is not None:
        console.print(f"{found.spikes_per_synapse:.3f} spikes a synapse and inference")
    console.print("; ".join(map(plain, found.sentence.split("; "))), soft_wrap=True)
