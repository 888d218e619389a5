"""The package as a directory called `inflor_bench`: from a checkout, whose folders have other names."""

from __future__ import annotations

import shutil
from pathlib import Path

import inflor_bench

FOLDERS = {"bench": ".", "models": "models", "reports": "reports"}


def lay_out(checkout: Path, place: Path) -> None:
    """Copy the folders of a checkout into `place`, where `inflor_bench` is then imported from.

    Raises:
        OSError: something cannot be copied.
    """
    for folder, name in FOLDERS.items():
        shutil.copytree(
            checkout / folder,
            place / "inflor_bench" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )


def package_directory(place: Path) -> Path:
    """The directory of this very package under its own name: where it is installed, else a copy in `place`.

    Raises:
        OSError: something cannot be copied.
    """
    here = Path(inflor_bench.__file__ or "").parent
    if here.name == "inflor_bench":
        return here
    lay_out(here.parent, place)
    return place / "inflor_bench"
