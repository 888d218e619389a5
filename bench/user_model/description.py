"""What a record says of a user's own model, and of the libraries that it is made with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import nn

from inflor_bench.measure.energy import EnergyModel, at_bits, energy_models
from inflor_bench.measure.neurons.adapters import library_of
from inflor_bench.measure.neurons.unregistered import neurons_of
from inflor_bench.measure.running.drive import Drive
from inflor_bench.record.origin import DatasetProvenance, ModelDescription, Provenance, WeightsProvenance
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.user_model.target import weights_hash


def describe_model(drive: Drive, dataset: str) -> ModelDescription:
    """Its size and time, and the constants of its neurons where they have them in common."""
    neurons = [adapted for _, adapted in neurons_of(drive.model, drive.plan).values()]
    constants: dict[str, Any] = {}
    for name in ("decay", "threshold", "reset", "mpr"):
        values = {getattr(neuron, name) for neuron in neurons}
        constants[name] = values.pop() if len(values) == 1 else None
    return ModelDescription(
        dataset=dataset,
        timesteps=drive.plan.timesteps,
        parameters=sum(parameter.numel() for parameter in drive.model.parameters()),
        **constants,
    )


def models_of_energy(drive: Drive, settings: MeasureSettings) -> tuple[EnergyModel, ...]:
    """The models of energy that it is priced by, at the bits of the settings and of its own values."""
    return at_bits(energy_models(), settings.bits(describe_model(drive, "").bits_of_values))


def provenance_of(run: Provenance, model: nn.Module, dataset: DatasetProvenance) -> Provenance:
    """What is known of a run, with the model's own: its weights, its data, and the versions of its libraries."""
    return run.model_copy(
        update={
            "counted_on": run.device,
            "versions": {**run.versions, **_library_versions(model)},
            "dataset": dataset,
            "weights": WeightsProvenance(source="user", sha256=weights_hash(model)),
        }
    )


def _library_versions(model: nn.Module) -> dict[str, str]:
    found = {}
    for library in {library_of(module) for module in model.modules()} - {None}:
        try:
            found[str(library)] = version(str(library))
        except PackageNotFoundError:  # its own source tree on the path
            found[str(library)] = "unknown"
    return found
