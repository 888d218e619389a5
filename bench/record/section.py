"""What every part of a record is made of: strict sections, and the reason where there is none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Base of all parts of a record: unknown keys and non-finite numbers are refused, so a record is strict JSON."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="null", defer_build=True
    )


class Absent(Section):
    """A section that has no values, and why."""

    status: Literal["unavailable", "skipped", "failed"]
    reason: str = Field(min_length=1)
