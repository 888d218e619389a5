"""What single tests need and a bare machine lacks: there they are skipped with the reason, and told what to install.

Where INFLOR_BENCH_TESTS_COMPLETE is set, as in `.ci/run`, which installs it all, such a skip is a failure.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

COMPLETE = "INFLOR_BENCH_TESTS_COMPLETE"


def chromium() -> str | None:
    """The path of a Chromium."""
    return _program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def c_compiler() -> str | None:
    """The path of a C compiler."""
    return _program(os.environ.get("CC") or "gcc", "cc", "clang")


def _program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _training_images() -> bool:
    from inflor_bench.models.datasets.fashion_mnist import DEBIAN, FILES

    place = Path(os.environ.get("INFLOR_BENCH_DATA") or DEBIAN)
    return any(place.rglob(f"{FILES['train'][0]}*"))


@dataclass(frozen=True)
class Need:
    """Something that a machine may lack: how to see whether it is there, and where it comes from."""

    is_there: Callable[[], object]
    remedy: str


NEEDS = {
    "chromium": Need(chromium, "install the package chromium"),
    "c++ compiler": Need(lambda: _program(os.environ.get("CXX") or "g++", "clang++"), "install the package g++"),
    "c compiler": Need(c_compiler, "install the package gcc"),
    "training split of fashion-mnist": Need(_training_images, "install the package dataset-fashion-mnist"),
    "curl": Need(lambda: _program("curl"), "install the package curl"),
    "jq": Need(lambda: _program("jq"), "install the package jq"),
    "setpriv": Need(lambda: _program("setpriv"), "install the package util-linux"),
    "tensorboard": Need(lambda: importlib.util.find_spec("tensorboard"), "tox run -e slow has it"),
    "tonic": Need(lambda: importlib.util.find_spec("tonic"), "tox run -e slow has it"),
    "aedat": Need(lambda: importlib.util.find_spec("aedat"), "tox run -e slow has it"),
}


def need(*names: str) -> None:
    """Skip the test that runs, unless everything of these names is here; fail it where all must be here."""
    for name in names:
        if not NEEDS[name].is_there():
            reason = f"no {name} here: {NEEDS[name].remedy}"
            if os.environ.get(COMPLETE):
                pytest.fail(f"{reason}; {COMPLETE} is set, so that nothing may be left out")
            pytest.skip(reason)
