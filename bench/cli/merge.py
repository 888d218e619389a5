"""The command `inflor-bench merge`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Run files of the parts, such as those of shards.")],
    out: Annotated[Path, typer.Option(help="The run file to write, ending in .json, or a directory of run files.")],
) -> None:
    """Merge the run files of shards into one. Refused: different commits, and different results of one cell."""
    from inflor_bench.errors import TrackInputError
    from inflor_bench.files import dumps, read_text, write_json
    from inflor_bench.record.merge import merge_runs
    from inflor_bench.record.run_file import run_path
    from inflor_bench.terminal import say

    merged = merge_runs(runs)
    path = out if out.suffix == ".json" and not out.is_dir() else run_path(out, merged.provenance)
    if path.is_file():
        if read_text(path, "choose another --out").strip() != dumps(merged.document):
            raise TrackInputError(f"{path}: is there already with other content; choose another --out.")
    else:
        write_json(path, merged.document)
    typer.echo(str(path))
    for sentence in (*merged.notes, *merged.missing):
        say(sentence)
    raise typer.Exit(2 if merged.missing else 0)
