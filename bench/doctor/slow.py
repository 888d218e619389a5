"""Starts the process that asks torch and the data sets, and makes checks of what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from inflor_bench.doctor.check import Check

PATIENCE_SECONDS = 30.0


class Probe:
    """A process that was started. `command` and `patience`, s, are for tests."""

    def __init__(self, command: Sequence[str] | None = None, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._process = subprocess.Popen(
            command or [sys.executable, "-P", "-W", "ignore", "-m", "inflor_bench.doctor.probe"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def checks(self) -> Iterator[Check]:
        """Wait for what it says, and for no longer than our patience lasts."""
        try:
            output, trouble = self._process.communicate(timeout=self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
            trouble = f"it took longer than {self._patience:g} s"
        said: dict[str, Any] = {"found": [], "missing": [], "damaged": {}}
        for line in output.splitlines():
            values = json.loads(line)
            if "found" in values:
                said["found"].append(values["found"])
            elif "missing" in values:
                said["missing"].append(values["missing"])
            elif "damaged" in values:
                said["damaged"][values["damaged"]] = values["reason"]
            else:
                said.update(values)
        # The last line of a traceback says what happened.
        last = (trouble.strip().splitlines() or ["it ended without a word"])[-1]
        yield from _torch(said.get("torch"), last)
        yield from _datasets(said, last)

    def close(self) -> None:
        """End the process, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


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
