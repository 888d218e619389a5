"""What the command asks of the measuring process, and what that answers: two JSON files. Imports no torch."""

from __future__ import annotations

from pydantic import BaseModel

from inflor_bench.measure.running.declared import Said
from inflor_bench.record.origin import DatasetProvenance
from inflor_bench.run.settings import MeasureSettings


class Request(BaseModel):
    """One model to measure.

    Attributes:
        target: file.py:factory or package.module:factory.
        name: the record's name.
        inputs: safetensors file with `inputs` [N, ...], or [T, N, ...] where `timed`; and maybe `labels` [N].
        dataset: what the record says of the inputs.
        said: what was said of time, state, neurons and outputs.
        measure: how latency, memory and power are measured. seed: of the random numbers that the factory draws.
        watch: whether to show power and clocks meanwhile.
    """

    target: str
    name: str
    inputs: str
    timed: bool
    dataset: DatasetProvenance
    said: Said
    measure: MeasureSettings
    seed: int
    watch: bool
    out: str
    command: list[str]


class Answer(BaseModel):
    """The run file, None where there is none; what was wrong with the input; earlier runs that were finished."""

    run: str | None
    bad_input: list[str]
    recovered: list[str]
