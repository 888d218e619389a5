"""A run in the files of MLflow and Weights & Biases, read back by themselves where they are installed."""

import sys

import pytest

from inflor_bench.metrics import METRICS
from inflor_bench.record.run_file import read_run
from inflor_bench.verdict.experiment_trackers import write_mlflow, write_wandb
from tests.command import call
from tests.record.builders import make_record, sha, write_run


@pytest.fixture
def run(tmp_path):
    records = [make_record("digits/resnet8/soft/T4/s0"), make_record("digits/resnet8/relu/T1/s0")]
    return write_run(tmp_path / "run.json", records)


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_named_with_the_remedy(run, tmp_path, kind):
    (tmp_path / f"{kind}.py").write_text("raise ImportError")
    done = call(tmp_path, "export", run, "--format", kind, "--out", "place", check=2, PYTHONPATH=str(tmp_path))
    assert done.stderr.startswith(f"The package {kind} is not installed: python -m pip install {kind}")
    assert len(done.stderr.splitlines()) == 1


def test_a_tracker_needs_a_directory(run, tmp_path):
    done = call(tmp_path, "export", run, "--format", "mlflow", check=2)
    assert done.stderr.strip() == "--format mlflow writes a directory: give one by --out."


@pytest.mark.slow
def test_mlflow_reads_every_quantity_of_every_cell(run, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    for _ in range(2):  # a second run joins the first one's experiment
        write_mlflow(read_run(run), tmp_path / "store")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'store/mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "inflor-bench"]
    found = client.search_runs([experiment.experiment_id])
    assert sorted(one.info.run_name for one in found) == 2 * ["digits/resnet8/relu/T1/s0"] + 2 * [
        "digits/resnet8/soft/T4/s0"
    ]
    for one in found:
        record = read_run(run).cells[one.info.run_name].record
        values = {name: metric.value(record) for name, metric in METRICS.items()}
        assert one.data.metrics == {name: value for name, value in values.items() if isinstance(value, float)}
        assert one.data.params["weights_sha256"] == sha(one.info.run_name)
        assert one.info.status == "FINISHED"


@pytest.mark.slow
def test_wandb_writes_a_run_a_cell_without_a_network(run, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    write_wandb(read_run(run), tmp_path / "place")
    files = sorted((tmp_path / "place").rglob("*.wandb"))
    assert len(files) == 2
    assert "wandb" in sys.modules
    assert any(b"digits/resnet8/soft/T4/s0" in path.read_bytes() for path in files)
