"""The command `inflor-bench import-weights`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_weights(
    file: Annotated[Path, typer.Argument(help="State dict in the format of the paper's code: safetensors or torch.")],
    network: Annotated[str, typer.Option(help="resnet19, resnet20-modified, vgg16, resnet18 or resnet34.")],
    neuron: Annotated[str, typer.Option(help="relu, quant, hard, soft, hard-mpr or soft-mpr.")],
    timesteps: Annotated[int, typer.Option(help="Number of time steps; 1 for relu, the levels above 0 for quant.")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write.")],
    classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 10,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the images.")] = 3,
    decay: Annotated[float, typer.Option(help="Decay of the neurons they were trained with.")] = 1.0,
) -> None:
    """Write released weights as a checkpoint of ours. Nothing in the file is executed."""
    from inflor_bench.models.released import import_weights as write

    write(
        file,
        out,
        network=network,
        neuron=neuron,
        timesteps=timesteps,
        num_classes=classes,
        in_channels=channels,
        decay=decay,
    )
    typer.echo(str(out))
