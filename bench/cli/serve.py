"""The command `inflor-bench serve`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cli import options


def serve(
    directory: Annotated[Path, typer.Argument(help="Directory of pages.")] = Path(".bench/report"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    open_page: options.OpenPage = False,
) -> None:
    """Show a report or a site at an address of this machine that no other machine reaches. Ctrl-C ends it."""
    from inflor_bench.reports.pages.serve import ADDRESS, server

    with server(directory, port) as serving:
        address = f"http://{ADDRESS}:{serving.server_port}/"
        typer.echo(address)
        if open_page:
            typer.launch(address)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")
