"""The cells of a study: what earlier runs measured of them is kept, and the rest is trained and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inflor_bench.cell.prepare import Sources
from inflor_bench.errors import TrackInputError
from inflor_bench.history.history import run_files
from inflor_bench.models.checkpoints import read_trained
from inflor_bench.models.datasets import DatasetUnavailableError
from inflor_bench.models.zoo import shipped_checkpoint
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.run.suite import PlannedCell, Suite
from inflor_bench.train.cell import TrainOptions, training_key_of


def measured(
    runs: Path, suite: Suite, planned: Sequence[PlannedCell], sources: Sources
) -> tuple[dict[str, Record], list[str]]:
    """The newest record of each planned cell in the run files under `runs`, and a sentence for each damaged file.

    A record counts if its weights have the key of those that ship, or of those that suite and code would train today.
    """
    options = TrainOptions(sources.cache / "trained", sources.data_root, sources.download)
    keys: dict[str, str] = {}
    for entry in planned:
        cell, recipe = entry.cell, suite.training_of(entry.cell).recipe_for(entry.cell.dataset)
        try:
            if entry.weights == "zoo":
                keys[cell.name] = read_trained(shipped_checkpoint(cell.name))[1]["training_key"]
            else:
                keys[cell.name] = training_key_of(cell, recipe, options)
        except DatasetUnavailableError:
            continue  # its run says what is missing
    found: dict[str, Record] = {}
    damaged: list[str] = []
    for path in run_files(runs):
        try:
            records = [cell.record for cell in read_run(path).cells.values()]
        except TrackInputError as error:
            damaged.append(str(error))
            continue
        for record in records:
            weights = record.provenance.weights
            if weights and weights.training_key == keys.get(record.name) and not isinstance(record.accuracy, Absent):
                found[record.name] = record
    return found, damaged
