"""What repeats a run: a suite with its cells, settings and recipes, each checked as if it stood in a file.

A run file is untrusted: the command line in it is never run. Networks that were trained are trained anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inflor_bench.cell.name import Cell
from inflor_bench.errors import ModelInputError, SuiteInputError
from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.run.suite import Suite, TrainingSettings


def suite_of(run: Run) -> tuple[Suite, list[str]]:
    """The suite that measures what a run measured, and a sentence for each cell that cannot be repeated.

    Raises:
        SuiteInputError: no cell can be repeated, or the settings or recipes are none of this program's.
    """
    cells: list[dict[str, Any]] = []
    training: dict[str, TrainingSettings] = {}
    left_out: list[str] = []
    settings = next(iter(run.cells.values())).record.provenance.settings
    if settings is None:
        left_out.append(
            f"{run.path}: was written before settings were kept: those of a suite without [measure] are taken."
        )
    for name, result in run.cells.items():
        record = result.record
        weights = record.provenance.weights
        if weights is None:
            left_out.append(f"{name}: was not measured in {run.path}: it is left out.")
            continue
        if weights.source == "user":
            left_out.append(f"{name}: is a model of a user's own, whose code a run does not hold: use `measure`.")
            continue
        cell = Cell.parse(name)
        cells.append(
            {
                "dataset": cell.dataset,
                "network": cell.network,
                "neurons": [cell.neuron],
                "timesteps": [cell.timesteps],
                "seeds": [cell.seed],
                "weights": "zoo" if weights.source == "shipped" else "train",
                "form": record.model.form,
            }
        )
        if weights.source == "shipped":
            continue
        recipe = recipe_of(run.path, record)
        trained = f"{cell.dataset}/{cell.network}"
        if training.setdefault(trained, recipe) != recipe:
            raise SuiteInputError(f"{run.path}: cells of {trained!r} were trained by different recipes: rerun one.")
    if not cells:
        raise SuiteInputError(f"{run.path}: no cell can be repeated ({left_out[-1]}) Give another run file.")
    try:
        suite = Suite.model_validate(
            {"name": run.common("suite") or "rerun", "cells": cells, "measure": settings or {}, "training": training},
            strict=True,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SuiteInputError(f"{run.path}: {key}: {first['msg']}: it was written by another version.") from None
    return suite, left_out


def recipe_of(path: Path, record: Record) -> TrainingSettings:
    """A recipe of ours with the values that the record's weights were trained by.

    Raises:
        SuiteInputError: there is none.
    """
    from inflor_bench.models.recipe import RECIPES  # here, because it imports torch

    values: dict[str, Any] = record.provenance.weights.recipe if record.provenance.weights else {}
    given = {name: values[name] for name in TrainingSettings.model_fields if name in values and name != "recipe"}
    for name in RECIPES:
        try:
            settings = TrainingSettings(recipe=name, **given)
            if settings.recipe_for(Cell.parse(record.name).dataset).values() == values:
                return settings
        except (ValidationError, ModelInputError):
            break
    raise SuiteInputError(
        f"{path}: {record.name}: was trained by a recipe that this version does not have: check its commit out."
    )
