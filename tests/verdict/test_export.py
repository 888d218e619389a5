"""Files and lines for other programs, read back as those programs document them."""

import io
import json
import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from inflor_bench.cli.app import app
from inflor_bench.errors import TrackInputError
from inflor_bench.metrics import METRICS
from inflor_bench.record.run_file import read_run
from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark, workflow_commands
from inflor_bench.verdict.findings import Finding
from tests.record.builders import make_record, write_run

CELL = "digits/resnet8/soft-mpr/T4/s0"
HOSTILE = "100 % worse, see a:b\r\n::error::injected\n::set-output name=x::y"


def understood(line):
    """A workflow command as GitHub's runner parses it: properties first, then the escapes of each."""
    command, properties, data = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()
    escapes = (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%"))

    def unescape(text, known):
        for escape, char in known:
            text = text.replace(escape, char)
        return text

    pairs = dict(part.split("=", 1) for part in properties.split(","))
    return command, {key: unescape(value, escapes) for key, value in pairs.items()}, unescape(data, escapes[2:])


def finding(verdict="regressed", reason="more", **changes):
    return Finding(**{"cell": CELL, "metric": "ac", "layer": "stem", "verdict": verdict, "reason": reason, **changes})


def test_a_regression_is_an_error_at_the_file_with_cell_metric_and_layer():
    (line,) = workflow_commands([finding()], "suites/mine.toml")
    assert understood(line) == (
        "error",
        {"file": "suites/mine.toml", "title": f"regressed: {CELL}: ac in stem"},
        f"{CELL}: ac in stem: more",
    )


@pytest.mark.parametrize(("verdict", "command"), [("too_noisy", "warning"), ("accepted", "notice")])
def test_other_verdicts_have_their_level(verdict, command):
    (line,) = workflow_commands([finding(verdict)])
    assert understood(line)[0] == command


def test_what_needs_no_action_is_not_annotated():
    assert workflow_commands([finding(v) for v in ("same", "improved", "changed", "not_comparable")]) == []


@pytest.mark.parametrize("where", ["cell", "metric", "layer", "reason"])
def test_a_hostile_string_stays_one_command_and_is_read_back_as_text(where):
    (line,) = workflow_commands([finding(**{where: HOSTILE})], "a,b:c%.toml")
    assert len(line.splitlines()) == 1
    command, properties, data = understood(line)
    assert command == "error"
    assert properties["file"] == "a,b:c%.toml"
    assert properties.keys() == {"file", "title"}
    assert "100 % worse, see a:b ::error::injected ::set-output name=x::y" in data


def test_no_more_than_ten_of_a_kind():
    lines = workflow_commands([finding()] * 12 + [finding("too_noisy")] * 11)
    assert [understood(line)[0] for line in lines] == ["error"] * 10 + ["warning"] * 10


@pytest.fixture
def run(tmp_path):
    return read_run(write_run(tmp_path / "run.json", [make_record(CELL, accuracy=0.9)]))


def test_github_action_benchmark_has_each_metric_once_by_its_direction(run):
    smaller, bigger = (github_action_benchmark(run, smaller_is_better=side) for side in (True, False))
    assert bigger == [{"name": f"{CELL}: accuracy", "unit": "share", "value": 0.9}]
    by_name = {entry["name"]: entry for entry in smaller}
    assert len(by_name) == len(smaller)
    assert by_name[f"{CELL}: latency"] == {
        "name": f"{CELL}: latency",
        "unit": "s",
        "value": 0.004,
        "range": "0.00396 to 0.00404",
    }
    assert f"{CELL}: joules" not in by_name  # it was not measured, which is not 0
    for entry in smaller:
        assert {"name", "unit", "value"} <= entry.keys() <= {"name", "unit", "value", "range", "extra"}


def test_bencher_metric_format_is_benchmarks_measures_and_values_with_bounds(run):
    document = bencher_metric_format(run)
    assert list(document) == [CELL]
    assert document[CELL]["latency"] == {
        "value": 0.004,
        "lower_value": pytest.approx(0.00396),
        "upper_value": pytest.approx(0.00404),
    }
    assert document[CELL]["accuracy"] == {"value": 0.9}
    assert "joules" not in document[CELL]
    for measure, metric in document[CELL].items():
        assert re.fullmatch(r"[a-z-]+", measure)
        assert "value" in metric
        assert metric.keys() <= {"value", "lower_value", "upper_value"}


def exported(*words):
    done = CliRunner().invoke(app, ["export", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_value_is_a_row_of_a_table_that_pandas_reads(run, tmp_path):
    spreadsheet = pd.read_csv(io.StringIO(exported(run.path, "--format", "csv")), keep_default_na=False)
    exported(run.path, "--format", "parquet", "--out", tmp_path / "run.parquet")
    typed = pd.read_parquet(tmp_path / "run.parquet")
    assert list(spreadsheet.columns) == list(typed.columns)
    assert len(spreadsheet) == len(typed)
    record = run.cells[CELL].record
    assert set(typed["cell"]) == {CELL}
    assert set(typed["timesteps"]) == {4}
    assert set(typed["quantity"]) == METRICS.keys()

    values = typed.set_index(["quantity", "layer"])["value"]
    assert values["accuracy", ""] == 0.9
    assert values["latency", ""] == 0.004
    samples = record.synops.samples
    assert {name: values["ac", name] for name in values["ac"].index if name} == {
        layer.name: layer.ac / samples for layer in record.synops.layers
    }
    assert values["ac", ""] == record.synops.total.ac / samples

    (absent,) = typed[typed["quantity"] == "joules"].itertuples()
    assert pd.isna(absent.value)
    assert absent.reason == record.power.reason
    (absent,) = spreadsheet[spreadsheet["quantity"] == "joules"].itertuples()
    assert absent.value == "", "what was not measured is not 0"


@pytest.mark.parametrize("kind", ["csv", "bencher", "github-action-benchmark"])
def test_a_file_has_what_would_be_printed(run, tmp_path, kind):
    printed = exported(run.path, "--format", kind)
    exported(run.path, "--format", kind, "--out", tmp_path / "out")
    assert (tmp_path / "out").read_text("utf-8") == printed
    if kind != "csv":
        json.loads(printed)


def test_parquet_is_not_printed(run):
    done = CliRunner().invoke(app, ["export", str(run.path), "--format", "parquet"])
    assert isinstance(done.exception, TrackInputError)
    assert "--out" in str(done.exception)
