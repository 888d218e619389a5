"""Models of energy that users bring: as constants in TOML files, or as code in an installed package.

A file holds one table a model. Constants are J, each 0 where it is not given:

    [[models]]
    name = "my-chip"
    version = "1"
    source = "data sheet, 22 nm, 8-bit integer"
    mac = 1.1e-12             # a multiply-accumulate: input and weight are not zero
    ac = 0.2e-12              # an accumulate
    dense = 0.0               # a synapse, zeros included
    neuron_update = 0.5e-12   # a neuron, time step and sample

or, instead of constants, a dataflow of `iso`, with bits and memory of its own, each as shipped where it is not given:

    [[models]]
    name = "my-chip-with-memory"
    version = "1"
    source = "data sheet, 22 nm, 4-bit weights"
    dataflow = "event"        # or "arithmetic", "dense"
    weight_bits = 4
    sum_bits = 16
    activation_bits = 4       # else as the suite or the network says
    memory = [[8192, 1.1e-12], [1048576, 9e-12]]   # bytes, and J a byte of a memory of that size

A package offers an `EnergyModel`, or a list of them, under an entry point of the group `energy_models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.energy.constants import ENERGY_MODELS
from inflor_bench.measure.energy.iso import Dataflow, Iso, iso_model
from inflor_bench.measure.energy.model import Bits, EnergyModel, per_operation
from inflor_bench.toml import checked_toml

GROUP = "inflor_bench.energy_models"

_Joules = Annotated[float, Field(ge=0)]
_Number = Annotated[int, Field(ge=1, le=64)] | None
_Point = Annotated[list[_Joules], Field(min_length=2, max_length=2)]  # bytes, J a byte
_Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Constants(_Strict):
    name: _Text
    version: _Text
    source: _Text
    mac: _Joules = 0.0
    ac: _Joules = 0.0
    dense: _Joules = 0.0
    neuron_update: _Joules = 0.0
    dataflow: Dataflow | None = None
    weight_bits: _Number = None
    sum_bits: _Number = None
    activation_bits: _Number = None
    memory: Annotated[list[_Point], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> _Constants:
        constants, flow = self.model_fields_set & _OF_CONSTANTS, self.model_fields_set & _OF_DATAFLOW
        if self.dataflow is None and flow:
            raise ValueError(f"{min(flow)} needs a dataflow")
        if self.dataflow is not None and constants:
            raise ValueError(f"{min(constants)} is a constant, and a dataflow has none")
        sizes = [0.0, *(size for size, _ in self.memory or ())]
        if sizes != sorted(set(sizes)):
            raise ValueError("memory is to grow from point to point, from above 0 bytes")
        return self

    def model(self) -> EnergyModel:
        """The model of energy that it describes."""
        if self.dataflow is None:
            return per_operation(self.name, self.version, self.source, **self.model_dump(include=_OF_CONSTANTS))
        given = {"weight": self.weight_bits, "sum": self.sum_bits, "activation": self.activation_bits}
        own = {name: bits for name, bits in given.items() if bits is not None}
        iso = Iso(self.dataflow, Bits(**own))
        if self.memory is not None:
            iso = replace(iso, memory=((0.0, 0.0), *((size, joules) for size, joules in self.memory)))
        made = iso_model(iso, self.name, self.version, self.source)
        return replace(made, at=lambda bits: made.at(replace(bits, **own)) if made.at else made)


_OF_CONSTANTS = {"mac", "ac", "dense", "neuron_update"}
_OF_DATAFLOW = {"weight_bits", "sum_bits", "activation_bits", "memory"}


class _File(_Strict):
    models: list[_Constants] = Field(min_length=1)


def energy_models(files: Iterable[str | Path] = ()) -> tuple[EnergyModel, ...]:
    """The models of the package, of installed packages, and of TOML files, in this order.

    Raises:
        MeasureInputError: a file or an entry point does not hold models, or two models have one name.
    """
    found: dict[str, tuple[EnergyModel, str]] = {}
    sources: list[tuple[Sequence[EnergyModel], str]] = [(ENERGY_MODELS, "the package")]
    sources += [(_installed(entry), f"the entry point {entry.value!r}") for entry in entry_points(group=GROUP)]
    sources += [(read_models(Path(file)), str(file)) for file in files]
    for models, origin in sources:
        for model in models:
            if model.name in found:
                raise MeasureInputError(
                    f"{origin}: the energy model {model.name!r} is already in {found[model.name][1]}: rename one."
                )
            found[model.name] = (model, origin)
    return tuple(model for model, _ in found.values())


def read_models(path: Path) -> tuple[EnergyModel, ...]:
    """Read the models of one TOML file.

    Raises:
        MeasureInputError: naming the file and the key.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MeasureInputError(
            f"The energy models {str(path)!r} cannot be read ({reason}): name a TOML file."
        ) from None
    document = checked_toml(_File, text, path, MeasureInputError)
    for constants in document.models:
        if constants.dataflow is None and not (
            constants.mac or constants.ac or constants.dense or constants.neuron_update
        ):
            raise MeasureInputError(
                f"{path}: the energy model {constants.name!r} prices nothing: "
                "give mac, ac, dense or neuron_update in J."
            )
    return tuple(constants.model() for constants in document.models)


def _installed(entry: EntryPoint) -> Sequence[EnergyModel]:
    """Load what one entry point offers.

    Raises:
        MeasureInputError: it cannot be imported, or is no model.
    """
    package = entry.dist.name if entry.dist else "an installed package"
    try:
        offered: Any = entry.load()
    except Exception as error:
        raise MeasureInputError(
            f"{package}: the entry point {entry.name!r} of {GROUP} cannot be loaded "
            f"({type(error).__name__}: {error}): correct or remove the package."
        ) from error
    models = [offered] if isinstance(offered, EnergyModel) else offered
    if not isinstance(models, (list, tuple)) or not all(isinstance(model, EnergyModel) for model in models):
        raise MeasureInputError(
            f"{package}: the entry point {entry.name!r} of {GROUP} is {type(offered).__name__}: "
            "offer an EnergyModel or a list of them."
        )
    return models
