"""A run in the files of experiment trackers, offline: a run of theirs for each cell, without account or network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inflor_bench.errors import TrackInputError
from inflor_bench.metrics import METRICS
from inflor_bench.record.run_file import Run, in_utc
from inflor_bench.record.section import Absent


def write_mlflow(run: Run, out: Path) -> None:
    """Add a run to the MLflow store `mlflow.db` in the directory `out`: parameters and metrics of every cell.

    Raises:
        TrackInputError: MLflow is not installed.
    """
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise _not_installed("mlflow") from None
    out.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{out.absolute() / 'mlflow.db'}")
    name = run.common("suite") or "inflor-bench"
    there = client.get_experiment_by_name(name)
    experiment = (
        there.experiment_id if there else client.create_experiment(name, (out.absolute() / "artifacts").as_uri())
    )
    milliseconds = round(1000 * in_utc(run.created).timestamp())
    for cell, about, values in _cells(run):
        made = client.create_run(experiment, start_time=milliseconds, run_name=cell).info.run_id
        for key, text in about.items():
            client.log_param(made, key, text)
        for metric, value in values.items():
            client.log_metric(made, metric, value, timestamp=milliseconds)
        client.set_terminated(made, end_time=milliseconds)


def write_wandb(run: Run, out: Path) -> None:
    """Write a run as offline runs of Weights & Biases under the directory `out`; `wandb sync` uploads them.

    Raises:
        TrackInputError: wandb is not installed.
    """
    try:
        import wandb
    except ImportError:
        raise _not_installed("wandb") from None
    out.mkdir(parents=True, exist_ok=True)
    project = run.common("suite") or "inflor-bench"
    for cell, about, values in _cells(run):
        settings = wandb.Settings(mode="offline", silent=True)
        with wandb.init(
            dir=out, project=project, name=cell, config=about, settings=settings, reinit="finish_previous"
        ) as made:
            made.summary.update(values)


def _cells(run: Run) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Each cell's name, what it is and where it comes from, and the quantities that it has."""
    for name, cell in run.cells.items():
        record, origin = cell.record, cell.record.provenance
        about = {key: value for key, value in record.model.model_dump().items() if value is not None}
        about |= {"run_id": run.run_id, "created": run.created, "machine": origin.machine.fingerprint}
        if not isinstance(origin.git, Absent):
            about |= {"commit": origin.git.sha, "dirty": origin.git.dirty}
        if origin.weights is not None:
            about["weights_sha256"] = origin.weights.sha256
        if origin.dataset is not None:
            about["dataset_sha256"] = origin.dataset.sha256
        found = {metric: quantity.value(record) for metric, quantity in METRICS.items()}
        yield name, about, {metric: value for metric, value in found.items() if not isinstance(value, Absent)}


def _not_installed(package: str) -> TrackInputError:
    return TrackInputError(
        f"The package {package} is not installed: python -m pip install {package}, or take another --format."
    )
