"""Starts the process that asks torch and the data sets, and makes checks of what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from inflor_bench.doctor.check import Check
from inflor_bench.process import EndedError, LateError, Process, python

PATIENCE_SECONDS = 30.0


class Probe:
    """A process that was started. `command` and `patience`, s, are for tests."""

    def __init__(self, command: Sequence[str] | None = None, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._process = Process(command or python("-W", "ignore", "-m", "inflor_bench.doctor.probe"))

    def checks(self) -> Iterator[Check]:
        """Wait for what it says, and for no longer than our patience lasts."""
        said: dict[str, Any] = {"found": [], "missing": [], "damaged": {}}
        until = time.monotonic() + self._patience
        with self._process:
            try:
                while True:
                    _take(self._process.receive(until - time.monotonic()), said)
            except LateError:
                trouble = f"it took longer than {self._patience:g} s"
            except EndedError as error:
                trouble = str(error)
        yield from _torch(said.get("torch"), trouble)
        yield from _datasets(said, trouble)

    def close(self) -> None:
        """End the process, if it still runs."""
        self._process.close()


def _take(values: dict[str, Any], said: dict[str, Any]) -> None:
    """Add one line to what was said."""
    if "found" in values:
        said["found"].append(values["found"])
    elif "missing" in values:
        said["missing"].append(values["missing"])
    elif "damaged" in values:
        said["damaged"][values["damaged"]] = values["reason"]
    else:
        said.update(values)


def _torch(torch: dict[str, Any] | None, trouble: str) -> Iterator[Check]:
    if torch is None:
        yield Check(
            "torch", "no", f"it cannot be asked: {trouble}", "install inflor-bench anew: python -m pip install ."
        )
        return
    gpus = ", ".join(f"{gpu['name']} ({gpu['uuid']})" for gpu in torch["gpus"])
    text = f"torch {torch['version']}, {torch['threads']} threads"
    if gpus:
        yield Check("torch", "yes", f"{text}, measures on {gpus}")
    elif torch["cuda"] is None:
        yield Check("torch", "yes", f"{text}, built without CUDA: it measures on the CPU")
    else:
        yield Check("torch", "yes", f"{text}, built for CUDA {torch['cuda']} and finds no GPU: it measures on the CPU")


def _datasets(said: dict[str, Any], trouble: str) -> Iterator[Check]:
    """What is found can be measured; where it is missing, too, it is its training split that is."""
    known, found, damaged = said.get("datasets"), said["found"], said["damaged"]
    if known is None:
        return
    if found:
        yield Check("data sets", "yes", ", ".join(found))
    if untrained := [name for name in said["missing"] if name in found]:
        yield Check(
            "data sets",
            "mind",
            f"without their training split: {', '.join(untrained)}; shipped networks are measured, none can be trained",
            "apt-get install dataset-fashion-mnist, or put it where --data-root (or INFLOR_BENCH_DATA) points to",
        )
    if missing := [name for name in said["missing"] if name not in found]:
        yield Check(
            "data sets",
            "mind",
            f"not here: {', '.join(missing)}; their cells are skipped",
            "name the folder that holds them with --data-root (or INFLOR_BENCH_DATA)",
        )
    for reason in damaged.values():
        text, _, remedy = reason.rpartition(": ")
        yield Check("data sets", "no", text, remedy.removesuffix("."))
    if unknown := [name for name in known if name not in (*found, *said["missing"], *damaged)]:
        yield Check("data sets", "mind", f"not found out of {', '.join(unknown)}: {trouble}")
