"""Shipped weights, each `<cell name>.safetensors` with its model card beside it."""

from __future__ import annotations

from pathlib import Path

from inflor_bench.errors import ModelInputError

ROOT = Path(__file__).parent


def shipped_checkpoint(cell_name: str) -> Path:
    """The checkpoint that ships with the package for a cell, e.g. `fashion-mnist/resnet8/soft-mpr/T2/s0`.

    Raises:
        ModelInputError: none ships.
    """
    path = ROOT / f"{cell_name}.safetensors"
    if not path.is_file():
        shipped = sorted(str(found.relative_to(ROOT).with_suffix("")) for found in ROOT.rglob("*.safetensors"))
        raise ModelInputError(
            f'No weights ship for {cell_name}: ask for `weights = "train"`, or for {", ".join(shipped)}.'
        )
    return path
