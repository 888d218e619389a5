"""The record: everything that was measured of one cell, as versioned data.

A section is either present (`status` "measured" or "estimated") or an `Absent` with a status and a reason. A value that
was not measured is therefore never a 0.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from inflor_bench.record.costs import Derived, Energy, Latency, Memory, Power, TdpEstimate
from inflor_bench.record.counted import Accuracy, DenseCheck, Information, NeuronOps, Spikes, Synops
from inflor_bench.record.origin import ModelDescription, Provenance
from inflor_bench.record.section import Absent, Section

SCHEMA_VERSION: Final = 1


class Record(Section):
    """Everything that was measured of one cell. `name` is the cell's name, or the target's for a user's model.

    `derived` follows from the other sections; `tdp_estimate` is there only where it was asked for. `dense_check` is
    None in files that are older than it, and of a cell that was not measured.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    model: ModelDescription
    provenance: Provenance
    accuracy: Annotated[Accuracy | Absent, Field(discriminator="status")]
    spikes: Annotated[Spikes | Absent, Field(discriminator="status")]
    synops: Annotated[Synops | Absent, Field(discriminator="status")]
    neuron_ops: Annotated[NeuronOps | Absent, Field(discriminator="status")]
    information: Annotated[Information | Absent, Field(discriminator="status")]
    energy: Annotated[Energy | Absent, Field(discriminator="status")]
    latency: Annotated[Latency | Absent, Field(discriminator="status")]
    power: Annotated[Power | Absent, Field(discriminator="status")]
    memory: Annotated[Memory | Absent, Field(discriminator="status")]
    derived: Annotated[Derived | Absent, Field(discriminator="status")] = Absent(
        status="unavailable", reason="not_derived: the file was written before such figures were kept"
    )
    tdp_estimate: TdpEstimate | None = None
    dense_check: Annotated[DenseCheck | Absent, Field(discriminator="status")] | None = None

    @property
    def unmeasured(self) -> Absent | None:
        """Why nothing at all was measured, in the words of what was skipped or failed; None if something was."""
        sections = [getattr(self, name) for name in SECTIONS]
        absent = [section for section in sections if isinstance(section, Absent)]
        if len(absent) < len(sections):
            return None
        return next((section for section in absent if section.status in ("skipped", "failed")), absent[0])


SECTIONS = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy", "latency", "power", "memory")
