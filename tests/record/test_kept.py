"""Run files of schema 1 as earlier versions wrote them, `kept`: all that they hold is read as it was meant.

`first.json` is of the first version that wrote run files (2026-11-24), where a cell without a time had a stand-in;
`before_twins.json` is of the last one that knew no fair twin (2026-11-29). Each has a cell with every section that its
version knew, and one of which nothing was measured.
"""

import json
from pathlib import Path

import pytest

from inflor_bench.metrics import METRICS
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent
from inflor_bench.reports.pages.report import build

KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))
WHOLE, GONE = "digits/resnet8/soft-mpr/T2/s0", "digits/resnet8/hard/T2/s0"


def written(path):
    """The records of a file by their names, by plain `json`."""
    document = json.loads(path.read_text("utf-8"))
    records = [benchmark["extra_info"]["inflor_bench"] for benchmark in document["benchmarks"]]
    records += document.get("inflor_bench", {}).get("untimed", [])
    return {record["name"]: record for record in records}


def holds(read, old):
    """Whether every key of an old value has the same value still; what was not there then may be new."""
    if isinstance(old, dict):
        return all(key in read and holds(read[key], value) for key, value in old.items())
    if isinstance(old, list):
        return len(read) == len(old) and all(map(holds, read, old))
    return read == old


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_every_value_is_read_as_it_was_written(path):
    cells, records = read_run(path).cells, written(path)
    assert cells.keys() == records.keys() == {WHOLE, GONE}
    for name, old in records.items():
        assert old["schema_version"] == 1
        assert holds(cells[name].record.model_dump(mode="json"), old)
    assert (cells[WHOLE].rounds, cells[GONE].rounds) == ((0.004, 0.005, 0.006), ())


@pytest.mark.parametrize("section", [*SECTIONS, "derived", "dense_check", "tdp_estimate"])
def test_every_section_is_in_a_kept_file_and_so_is_its_absence(section):
    found = [getattr(read_run(path).cells[name].record, section) for path in KEPT for name in (WHOLE, GONE)]
    assert any(value is not None and not isinstance(value, Absent) for value in found)
    assert any(isinstance(value, Absent) and value.reason for value in found) or section == "tdp_estimate"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("accuracy", 6 / 8),
        ("spikes", 12 / 8),
        ("firing_rate", 12 / 32),
        ("ac", 24 / 8),
        ("mac", 64 / 8),
        ("dense", 128 / 8),
        ("operations", (24 + 64) / 8),
        ("neuron_updates", 32 / 8),
        ("reset_loss", 0.0),
        ("energy", 3.95e-11),
        ("latency", 0.005),
        ("joules", 0.0123),
        ("peak_bytes", 300_000_000),
    ],
)
def test_every_quantity_is_what_the_old_file_says(path, metric, value):
    cells = read_run(path).cells
    assert METRICS[metric].value(cells[WHOLE].record) == pytest.approx(value)
    assert isinstance(METRICS[metric].value(cells[GONE].record), Absent)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_an_old_file_makes_a_report(path, tmp_path):
    build(read_run(path), tmp_path)
    assert len(list((tmp_path / "models").iterdir())) == 2
