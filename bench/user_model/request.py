"""What the command asks of the measuring process, and what that answers: two JSON files. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inflor_bench.measure.running.declared import Said
from inflor_bench.run.settings import MeasureSettings


@dataclass(frozen=True)
class Request:
    """One model to measure.

    Attributes:
        target: file.py:factory or package.module:factory.
        name: the record's name.
        inputs: safetensors file with `inputs` [N, ...], or [T, N, ...] where `timed`; and maybe `labels` [N].
        dataset: what the record says of the inputs, as a `DatasetProvenance`.
        said: what was said of time, state, neurons and outputs.
        measure: how latency, memory and power are measured. seed: of the random numbers that the factory draws.
        watch: whether to show power and clocks meanwhile.
    """

    target: str
    name: str
    inputs: str
    timed: bool
    dataset: dict[str, Any]
    said: Said
    measure: MeasureSettings
    seed: int
    watch: bool
    out: str
    command: list[str]

    def write(self, path: Path) -> None:
        """Write to a file."""
        values = {**vars(self), "said": asdict(self.said), "measure": self.measure.model_dump()}
        path.write_text(json.dumps(values), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Request:
        """Read what `write` wrote."""
        values = json.loads(path.read_text("utf-8"))
        values["said"] = Said(**values["said"])
        return cls(**{**values, "measure": MeasureSettings.model_validate(values["measure"])})


@dataclass(frozen=True)
class Answer:
    """The run file, None where there is none; what was wrong with the input; earlier runs that were finished."""

    run: str | None
    bad_input: list[str]
    recovered: list[str]

    def write(self, path: Path) -> None:
        """Write to a file."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Answer:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text("utf-8")))
