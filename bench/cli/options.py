"""Options that several commands share. Heavy imports stand inside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from inflor_bench.run.settings import MeasureSettings

Suite = Annotated[str, typer.Option(help="A shipped suite's name, or a TOML file.")]
Only = Annotated[str, typer.Option(help="Measure the cells that match this pattern.")]
DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data sets (or INFLOR_BENCH_DATA).")]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch data that is not here.")]
Accepted = Annotated[Path | None, typer.Option(help="TOML file of accepted regressions, with reasons.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="For CI: fewer rounds, one short window of the power meter. The record says so.")
]
Untimed = Annotated[
    bool, typer.Option("--untimed", help="Count only: no latency, memory or power. What `ab` asks of both commits.")
]
RequirePower = Annotated[
    bool, typer.Option("--require-power", help="Exit with 1 where power was not measured, after all else is.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Show power and clocks meanwhile, on a terminal.")]
Tdp = Annotated[
    float | None, typer.Option(help="Also estimate J from CPU time and this rated power of the CPU, W. No measurement.")
]

Bits = Annotated[
    str | None,
    typer.Option(help="Bits that energy at equal precision is priced at: weights, sums, and maybe values, as 8,32,4."),
]

History = Annotated[
    str | None, typer.Option(help="Where base and trends come from, a directory or a branch, instead of runs/.")
]
Timeout = Annotated[
    float | None,
    typer.Option(help="Stop a cell, training included, that takes longer than so many seconds; the others go on."),
]
Shard = Annotated[
    str | None, typer.Option("--shard", help="Measure one part of the suite only, such as 2/8; see `merge`.")
]
On = Annotated[
    str | None, typer.Option(help="ray: run cells side by side on a Ray of this machine; ray:ADDRESS: on a cluster.")
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open it in a browser.")]


def command_line() -> list[str]:
    """This command as it was given."""
    return ["inflor-bench", *sys.argv[1:]]


def checked_timeout(seconds: float | None) -> float | None:
    """The seconds, if a cell can be given so many.

    Raises:
        SuiteInputError: it cannot.
    """
    from inflor_bench.errors import SuiteInputError

    if seconds is not None and not 0 < seconds < 1e9:
        raise SuiteInputError(f"--timeout {seconds:g} is no time that a cell can take: give seconds above 0.")
    return seconds


def ray_address(on: str | None) -> str | None:
    """Where to reach Ray: "" for a Ray of this machine's own; None where Ray is not asked for.

    Raises:
        SuiteInputError: something else than Ray is asked for.
    """
    from inflor_bench.errors import SuiteInputError

    if on is None:
        return None
    kind, _, address = on.partition(":")
    if kind != "ray":
        raise SuiteInputError(f"--on {on!r}: cells can be run on ray, or on ray:ADDRESS of a cluster: name one.")
    return address


def checked_settings(**values: Any) -> MeasureSettings:
    """The settings of these values.

    Raises:
        SuiteInputError: naming the value that is wrong.
    """
    from pydantic import ValidationError

    from inflor_bench.errors import SuiteInputError
    from inflor_bench.run.settings import MeasureSettings

    try:
        return MeasureSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"{first['loc'][0]}"
        raise SuiteInputError(
            f"{name} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}: correct it."
        ) from None


def bits_of(said: str | None) -> dict[str, int]:
    """The settings that --bits gives.

    Raises:
        SuiteInputError: it is no list of two or three numbers.
    """
    from inflor_bench.errors import SuiteInputError

    if said is None:
        return {}
    parts = said.split(",")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise SuiteInputError(f"--bits {said!r}: give the bits of weights, sums and maybe values, as 8,32 or 8,32,4.")
    return dict(zip(("weight_bits", "sum_bits", "activation_bits"), map(int, parts), strict=False))


def overridden(
    settings: MeasureSettings, quick: bool, tdp: float | None, untimed: bool = False, bits: str | None = None
) -> MeasureSettings:
    """The settings of a suite with what the command line says.

    Raises:
        SuiteInputError: naming the value that is wrong.
    """
    said = {"profile": "quick" if quick else None, "tdp_watts": tdp, "timed": False if untimed else None}
    return checked_settings(
        **settings.model_dump() | {name: value for name, value in said.items() if value is not None} | bits_of(bits)
    )


def without_power(run: Path) -> list[str]:
    """One sentence a cell of a run file whose power was not measured."""
    from inflor_bench.record.run_file import read_run
    from inflor_bench.record.section import Absent

    return [
        f"{name}: power was required and not measured: {cell.record.power.reason}"
        for name, cell in read_run(run).cells.items()
        if isinstance(cell.record.power, Absent)
    ]
