"""Suites: which cells are measured and how, as TOML that is checked before anything runs."""

from __future__ import annotations

import fnmatch
import hashlib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from inflor_bench.cell.name import MOST_SEED, MOST_TIMESTEPS, Cell
from inflor_bench.errors import SuiteInputError
from inflor_bench.record.origin import WITHOUT_TIME, Budget
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.toml import checked_toml
from inflor_bench.verdict.budgets import parse_budgets

if TYPE_CHECKING:
    from inflor_bench.models.recipe import Recipe

Weights = Literal["train", "zoo"]
Form = Literal["training", "deployed"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CellGroup(_Strict):
    """The cells of one table: every neuron at every number of steps and seed. The ANN twin always has one step.

    `form` "deployed" measures the networks as they would run on a device: normalisation folded, without MPR.
    """

    dataset: str
    network: str
    neurons: list[str] = Field(min_length=1)
    timesteps: list[Annotated[int, Field(ge=1, le=MOST_TIMESTEPS)]] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0, le=MOST_SEED)]] = Field(min_length=1)
    weights: Weights
    form: Form = "training"


class TrainingSettings(_Strict):
    """The name of a recipe instead of the data set's own, and values that replace those of the recipe."""

    recipe: str | None = None
    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=2)
    learning_rate: float | None = Field(default=None, gt=0)
    bfloat16: bool | None = None
    steps_at_once: int | None = Field(default=None, ge=0, le=8)

    def recipe_for(self, dataset: str) -> Recipe:
        """The recipe of that name, else the data set's own, with the values that are given.

        Raises:
            ModelInputError: there is no such recipe, or nothing can be trained by it.
        """
        from inflor_bench.models.recipe import find_recipe

        return replace(find_recipe(dataset, self.recipe), **self.model_dump(exclude_none=True, exclude={"recipe"}))


class AbSettings(_Strict):
    """The table [ab]: the cells that `inflor-bench ab` times, by default the last spiking one of each data set.

    Of the others it compares the counts alone; so it does of all where the list is empty.
    """

    timed: list[str] | None = None


class StudySettings(_Strict):
    """The table [study]: which neurons `inflor-bench study` compares, each `[from, to]`, named before it is run."""

    comparisons: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(min_length=1)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The comparisons as (base, head)."""
        return tuple((base, head) for base, head in self.comparisons)


class Suite(_Strict):
    """One suite file. `energy_models` are TOML files of the user's own models, relative to the suite's folder.

    `budgets` are limits on metrics; `verdict.budgets` says how they are written. `training` is by data set, or by
    "dataset/network" for one network of it.
    """

    name: str
    cells: list[CellGroup] = Field(min_length=1)
    energy_models: list[str] = []
    measure: MeasureSettings = MeasureSettings()
    training: dict[str, TrainingSettings] = {}
    budgets: list[dict[str, str]] = []
    ab: AbSettings = AbSettings()
    study: StudySettings | None = None

    def training_of(self, cell: Cell) -> TrainingSettings:
        """How a cell is trained: what is said of its network on its data set, else what is said of the data set."""
        for name in (f"{cell.dataset}/{cell.network}", cell.dataset):
            if name in self.training:
                return self.training[name]
        return TrainingSettings()

    @property
    def limits(self) -> tuple[Budget, ...]:
        """The budgets, parsed."""
        return parse_budgets(Path(self.name), self.budgets)


@dataclass(frozen=True)
class PlannedCell:
    """A cell, where its weights come from, and in which form it is measured."""

    cell: Cell
    weights: Weights
    form: Form = "training"


def load_suite(name: str) -> Suite:
    """Load a suite that ships with the package, by name, or any other by the path of its TOML file.

    Raises:
        SuiteInputError: no such suite, or a key or value in it that is wrong.
        TrackInputError: a budget that is wrong.
    """
    shipped = {
        path.name.removesuffix(".toml"): path
        for path in (files("inflor_bench") / "suites").iterdir()
        if path.name.endswith(".toml")
    }
    try:
        text = shipped[name].read_text("utf-8") if name in shipped else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SuiteInputError(
            f"The suite {name!r} cannot be read ({reason}): name a TOML file or one of {', '.join(sorted(shipped))}."
        ) from None
    suite = checked_toml(Suite, text, name, SuiteInputError)
    parse_budgets(Path(name), suite.budgets)
    names = [entry.cell.name for entry in plan(suite)] if suite.ab.timed else []
    if unknown := [cell for cell in suite.ab.timed or () if cell not in names]:
        raise SuiteInputError(f"{name}: key 'ab.timed': {unknown[0]!r} is no cell of the suite: name those that are.")
    neurons = {neuron for group in suite.cells for neuron in group.neurons}
    compared = [neuron for pair in (suite.study.pairs if suite.study else ()) for neuron in pair]
    if unknown := [neuron for neuron in compared if neuron not in neurons]:
        raise SuiteInputError(
            f"{name}: key 'study.comparisons': {unknown[0]!r} is no neuron of the suite: name those that are."
        )
    return suite.model_copy(update={"energy_models": [str(Path(name).parent / file) for file in suite.energy_models]})


def plan(suite: Suite, only: str = "*") -> list[PlannedCell]:
    """The cells of a suite whose names match the pattern `only`, in the suite's order, each once.

    Raises:
        SuiteInputError: nothing matches, or a cell is named twice.
    """
    planned: dict[Cell, PlannedCell] = {}
    for group in suite.cells:
        for seed in group.seeds:
            for timesteps in group.timesteps:
                for neuron in group.neurons:
                    cell = Cell(group.dataset, group.network, neuron, 1 if neuron == "relu" else timesteps, seed)
                    if cell in planned and not (neuron == "relu" and len(group.timesteps) > 1):
                        raise SuiteInputError(
                            f"Suite {suite.name!r}: the cell {cell.name!r} is there twice: remove one."
                        )
                    planned.setdefault(cell, PlannedCell(cell, group.weights, group.form))
    chosen = [entry for entry in planned.values() if fnmatch.fnmatchcase(entry.cell.name, only)]
    if not chosen:
        raise SuiteInputError(f"Suite {suite.name!r} has no cell that matches {only!r}: try '*'.")
    return chosen


def cells_hash(suite: Suite) -> str:
    """A hash of the names of all cells of a suite, by which runs know that it is the same set."""
    names = sorted(entry.cell.name for entry in plan(suite))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def timed_by_ab(suite: Suite, planned: list[PlannedCell]) -> list[str]:
    """The names of the planned cells that `inflor-bench ab` times.

    They are those that the suite marks; where it does not say, or marks none of the planned ones, the last spiking cell
    of each data set.
    """
    marked = [entry.cell.name for entry in planned if entry.cell.name in (suite.ab.timed or ())]
    if marked or suite.ab.timed == []:
        return marked
    spiking_last = sorted(planned, key=lambda entry: entry.cell.neuron not in WITHOUT_TIME)
    return [*{entry.cell.dataset: entry.cell.name for entry in spiking_last}.values()]


def check_names(planned: list[PlannedCell]) -> None:
    """Check that every data set, network and neuron exists, before anything is trained.

    Raises:
        SuiteInputError: naming the first that does not.
    """
    from inflor_bench.models.datasets import DATASETS
    from inflor_bench.models.networks import NETWORKS
    from inflor_bench.models.neurons import NEURONS

    for entry in planned:
        cell = entry.cell
        for kind, name, known in (
            ("data set", cell.dataset, DATASETS),
            ("network", cell.network, NETWORKS),
            ("neuron", cell.neuron, NEURONS),
        ):
            if name not in known:
                raise SuiteInputError(f"Unknown {kind} {name!r}: choose one of {', '.join(known)}.")
