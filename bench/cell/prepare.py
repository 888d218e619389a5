"""Brings the network of a cell into memory: shipped weights, cached weights, or trained on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models.checkpoints import check_trained, load_model, read_tensors, weights_sha256
from inflor_bench.models.datasets import Dataset, load_dataset
from inflor_bench.models.deploy import deploy
from inflor_bench.models.neurons import LIF, Quantiser
from inflor_bench.models.recipe import training_key
from inflor_bench.models.zoo import shipped_checkpoint
from inflor_bench.record.origin import DatasetProvenance, ModelDescription, WeightsProvenance
from inflor_bench.run.suite import PlannedCell, Suite
from inflor_bench.train.cell import TrainOptions, cell_config, train_cell


@dataclass(frozen=True)
class Sources:
    """Where data and weights may come from."""

    cache: Path
    data_root: Path | None = None
    download: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network with its weights, its data, and what a record says of both."""

    model: nn.Module
    dataset: Dataset
    description: ModelDescription
    data: DatasetProvenance
    weights: WeightsProvenance


def prepare(planned: PlannedCell, suite: Suite, sources: Sources, command: Sequence[str]) -> Prepared:
    """Load or train the network of a cell.

    Raises:
        DatasetUnavailableError: its data are not on this machine.
        ModelInputError: data or weights are damaged, or the weights are those of another cell.
    """
    cell = planned.cell
    dataset = load_dataset(cell.dataset, sources.data_root, sources.download, cell.steps)
    config, recipe = cell_config(cell, dataset), suite.training_of(cell).recipe_for(cell.dataset)
    source: Literal["shipped", "trained", "cached"] = "shipped"
    if planned.weights == "zoo":
        checkpoint = shipped_checkpoint(cell.name)
    else:
        directory = sources.cache / "trained"
        key = training_key(config, recipe, dataset, cell.seed)
        source = "cached" if (directory / f"{key}.safetensors").exists() else "trained"
        checkpoint = train_cell(
            cell,
            TrainOptions(directory, sources.data_root, sources.download),
            recipe=recipe,
            command=command,
        )
    tensors, metadata = read_tensors(checkpoint)
    stored = metadata.get("dataset")
    same_data = isinstance(stored, dict) and stored.get("sha256") == dataset.sha256
    if metadata.get("config") != config.as_dict() or not same_data:
        raise ModelInputError(f"{checkpoint} holds another network or data than {cell.name}: train the cell anew.")
    check_trained(checkpoint, metadata)
    model = load_model(checkpoint)
    return Prepared(
        model=deploy(model) if planned.form == "deployed" else model,
        dataset=dataset,
        description=describe(planned, model),
        data=DatasetProvenance(
            name=dataset.name,
            split="test",
            samples=len(dataset.test),
            sha256=dataset.sha256,
            simulated=dataset.simulated,
            events_sha256=dataset.events_sha256,
        ),
        weights=WeightsProvenance(
            source=source,
            sha256=weights_sha256(tensors),
            training_key=metadata["training_key"],
            recipe=metadata["recipe"],
            card_accuracy=metadata["correct"] / metadata["samples"],
            card_anytime=[correct / metadata["samples"] for correct in metadata.get("anytime", ())],
            card_epochs=[point["test_accuracy"] for point in metadata["curve"]],
        ),
    )


def describe(planned: PlannedCell, trained: nn.Module | None = None) -> ModelDescription:
    """What a record says of the network, also where it is deployed by its trained form.

    Without the network itself that is only what the cell's name says.
    """
    named = {**asdict(planned.cell), "form": planned.form}
    if trained is None:
        return ModelDescription(**named)
    neuron = next((module for module in trained.modules() if isinstance(module, LIF | Quantiser)), None)
    graded = ("levels", "activation_bits")
    constants = graded if isinstance(neuron, Quantiser) else ("decay", "threshold", "reset", "reset_by", "mpr")
    return ModelDescription(
        **named,
        parameters=sum(parameter.numel() for parameter in trained.parameters()),
        **{name: getattr(neuron, name) for name in constants if neuron is not None},
    )
