"""The cache of a history, against the run files read by plain `json` and summed by hand."""

import json
import os
import shutil
import signal

import pyarrow
import pyarrow.parquet
import pytest

from inflor_bench.history.branch import HistoryBranch
from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import add_run
from tests.command import at_once, start_python
from tests.history.size import onto_branch, write_history
from tests.record.builders import make_record, write_run

CELLS = 4


class Counted(HistoryDirectory):
    """A directory that counts which files are read."""

    def __init__(self, directory):
        super().__init__(directory)
        self.was_read = []

    def read(self, entries):
        for entry, content in super().read(entries):
            self.was_read.append(entry.name)
            yield entry, content

    def load(self, cache):
        self.was_read = []
        return load_tables(self, cache)


@pytest.fixture
def store(tmp_path):
    write_history(tmp_path / "runs", 6, CELLS)
    return Counted(tmp_path / "runs")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def by_hand(directory):
    """Runs and records, read by nothing of ours: sorted lists of dicts with a few columns each."""
    runs, records = [], []
    for path in sorted(directory.glob("*/*.json")):
        file = f"{path.parent.name}/{path.name}"
        found = [entry["extra_info"]["inflor_bench"] for entry in json.loads(path.read_text())["benchmarks"]]
        about = found[0]["provenance"]
        runs.append((file, about["run_id"], about["created"], about["git"]["sha"], about["git"]["tree"], len(found)))
        for record in found:
            spikes = record["spikes"].get("layers", [])
            sites = sum(x["neurons"] * len(x["spikes_per_step"]) for x in spikes) * record["spikes"].get("samples", 0)
            fired = sum(sum(x["spikes_per_step"]) for x in spikes)
            records.append(
                (
                    file,
                    record["name"],
                    record["accuracy"]["correct"],
                    record["accuracy"]["n"],
                    fired / sites if spikes else None,
                    sum(x["ac"] for x in record["synops"]["layers"]),
                    sum(x["mac"] for x in record["synops"]["layers"]),
                    [x["joules"] for x in record["energy"]["models"]],
                    record["latency"]["median"],
                )
            )
    return runs, records


def ours(tables):
    columns = (
        ("file", "run_id", "created", "sha", "tree", "cells"),
        ("file", "cell", "correct", "samples", "firing_rate", "ac", "mac", "energy_joules", "latency"),
    )
    tables = tables.runs, tables.records
    picked = (table.select(names).to_pylist() for table, names in zip(tables, columns, strict=True))
    return tuple([tuple(row.values()) for row in rows] for rows in picked)


def same(left, right):
    def key(row):
        return [str(value) for value in row]

    assert [sorted(rows, key=key) for rows in left] == [sorted(rows, key=key) for rows in right]


def test_the_tables_are_what_the_files_say_in_a_directory_and_on_a_branch(store, cache, tmp_path):
    expected = by_hand(store.directory)
    assert [len(rows) for rows in expected] == [6, 6 * CELLS]
    branch = onto_branch(tmp_path / "repository", "bench-data", sorted(store.directory.glob("*/*.json")))
    for place in (store, branch):
        for _ in range(2):  # cold, then from the cache
            same(ours(load_tables(place, cache)), expected)
    assert load_tables(store, cache).run_rows() == load_tables(store, None).run_rows()
    assert load_tables(store, cache).record_rows() == load_tables(store, None).record_rows()


def test_many_files_are_read_by_several_processes_as_by_one(tmp_path, cache):
    write_history(tmp_path / "runs", 70, 1)
    same(ours(load_tables(HistoryDirectory(tmp_path / "runs"), cache)), by_hand(tmp_path / "runs"))


@pytest.mark.slow
def test_ten_thousand_records_of_500_commits_on_3_machines(tmp_path, cache):
    write_history(tmp_path / "runs", 500, 20)
    store, expected = HistoryDirectory(tmp_path / "runs"), by_hand(tmp_path / "runs")
    assert len(expected[1]) == 10_000
    for _ in range(2):
        found = load_tables(store, cache)
        same(ours(found), expected)
        assert len({run.machine for run in found.run_rows()}) == 3
        assert len({run.sha for run in found.run_rows()}) == 500


def test_only_what_is_new_or_changed_is_read(store, cache, tmp_path):
    files = [entry.name for entry in store.entries()]
    store.load(cache)
    assert store.was_read == files
    store.load(cache)
    assert store.was_read == []
    new, _ = add_run(store, write_run(tmp_path / "new.json", [make_record(provenance={"run_id": "new"})]))
    same(ours(store.load(cache)), by_hand(store.directory))
    assert store.was_read == [new]
    (store.directory / files[0]).unlink()
    changed = store.directory / files[1]
    write_run(changed, [make_record(accuracy=0.25, samples=10_000, provenance={"run_id": "other"})])
    same(ours(store.load(cache)), by_hand(store.directory))
    assert store.was_read == [files[1]]
    shutil.rmtree(store.directory)
    assert [len(rows) for rows in ours(store.load(cache))] == [0, 0]
    assert [len(rows) for rows in ours(store.load(cache))] == [0, 0]


def test_a_change_of_the_same_size_is_seen_by_its_time(store, cache):
    store.load(cache)
    (path,) = store.directory.glob("*/*_run00000.json")
    path.write_text(path.read_text().replace('"run_id":"run00000"', '"run_id":"run99999"'))
    os.utime(path, ns=(0, 1))
    assert "run99999" in {run.run_id for run in store.load(cache).run_rows()}


def test_on_a_branch_a_file_is_known_by_its_content(cache, tmp_path):
    store = onto_branch(tmp_path / "repository", "bench-data", write_history(tmp_path / "runs", 2, 1))
    load_tables(store, cache)
    files = store.files(*store.tips())
    first, second = sorted(files)
    store.move(store.commit(files | {first: files[second]}, store.tips(), "Swap"), *store.tips(), "swap")
    found = load_tables(HistoryBranch(tmp_path / "repository", "bench-data"), cache)
    kept = second.removesuffix(".json").rpartition("_")[2]
    assert [run.run_id for run in found.run_rows()] == [kept, kept]


def test_what_cannot_be_read_is_named_each_time_and_comes_back_once_it_can(store, cache):
    path = store.entries()[2].path
    whole, when = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(b"x" * len(whole))
    os.utime(path, ns=(when, when))
    for _ in range(2):
        found = store.load(cache)
        assert [(item.path, item.other_version) for item in found.damaged] == [(path, False)]
        assert len(found.run_rows()) == 5
    path.write_bytes(whole)
    os.utime(path, ns=(when, when))  # nothing but the content tells
    assert store.load(cache).damaged == ()
    same(ours(store.load(cache)), by_hand(store.directory))


def test_another_schema_version_and_a_count_beyond_64_bits_are_named(store, cache):
    one, two = (entry.path for entry in store.entries()[:2])
    one.write_text(one.read_text().replace('"schema_version":1', '"schema_version":999'))
    document = json.loads(two.read_text())
    record = document["benchmarks"][0]["extra_info"]["inflor_bench"]
    record["memory"]["peak_bytes"] = 2**70
    two.write_text(json.dumps(document))
    found = {item.path: item for item in store.load(cache).damaged}
    assert found[one].other_version
    assert "schema_version is 999" in found[one].reason
    assert "more than 64 bits" in found[two].reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name":"digits/', '"name":"\\ud800/'),  # half a character, which no table can hold
        ('"branch":"main"', '"branch":"\\udfff"'),
        ('"first_parent_index":7', '"first_parent_index":1e400'),
        ('"seed":0', f'"seed":{10**30}'),
        ('"samples":10000', f'"samples":{10**400}'),
        ('"neurons":4096', f'"neurons":{10**400}'),
        ('"created":"2025', '"created":"99999'),
    ],
)
def test_no_value_of_a_file_ends_the_reading_of_the_others(store, cache, old, new):
    path = store.entries()[0].path
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = store.load(cache)
    assert len(found.run_rows()) + len(found.damaged) == 6
    assert all(str(path) in item.reason for item in found.damaged)


def truncated(place):
    path = place / "records.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(place):
    (place / "records.parquet").write_bytes(b"")


def taken_away(place):
    (place / "records.parquet").unlink()


def a_directory(place):
    (place / "runs.parquet").unlink()
    (place / "runs.parquet").mkdir()


def of_another_version(place):
    for path in place.glob("*.parquet"):
        table = pyarrow.parquet.read_table(path)
        about = {**table.schema.metadata, b"inflor-bench": b"history cache 0, records 1"}
        pyarrow.parquet.write_table(table.replace_schema_metadata(about), path)


def with_other_columns(place):
    table = pyarrow.parquet.read_table(place / "runs.parquet")
    pyarrow.parquet.write_table(table.drop_columns(["sha"]), place / "runs.parquet")


def half_written(place):
    table = pyarrow.parquet.read_table(place / "records.parquet")
    about = {**table.schema.metadata, b"together": b"another"}
    pyarrow.parquet.write_table(table.replace_schema_metadata(about).slice(0, 1), place / "records.parquet")


@pytest.mark.parametrize(
    "damage", [truncated, emptied, taken_away, of_another_version, with_other_columns, half_written]
)
def test_a_cache_that_cannot_be_used_is_made_anew_and_that_is_said(store, cache, damage):
    store.load(cache)
    (place,) = (cache / "history").iterdir()
    damage(place)
    found = store.load(cache)
    assert "was made anew" in found.note
    same(ours(found), by_hand(store.directory))
    again = store.load(cache)
    assert again.note is None
    assert store.was_read == []


@pytest.mark.parametrize("name", ["runs", "records"])
def test_no_byte_of_a_cache_can_change_what_is_said(store, cache, name):
    store.load(cache)
    (path,) = cache.rglob(f"{name}.parquet")
    whole, expected = path.read_bytes(), by_hand(store.directory)
    noticed = 0
    for place in range(0, len(whole), len(whole) // 12):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = store.load(cache)
        noticed += found.note is not None
        same(ours(found), expected)  # a byte of the statistics may change and nothing depends on it
        path.write_bytes(whole)
        store.load(cache)
    assert noticed > 6


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(store, cache, tmp_path):
    cache.write_text("a file")
    found = store.load(cache)
    assert found.note.startswith("No cache was used")
    same(ours(found), by_hand(store.directory))
    store.load(tmp_path / "other")
    (place,) = (tmp_path / "other" / "history").iterdir()
    a_directory(place)
    found = store.load(tmp_path / "other")
    assert "cache was not written" in found.note
    same(ours(found), by_hand(store.directory))


def test_two_processes_at_once_read_each_file_once_between_them(store, cache):
    code = """
import sys
from pathlib import Path
from tests.history.test_cache import Counted, by_hand, ours, same
store = Counted(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
same(ours(store.load(Path(sys.argv[2]))), by_hand(store.directory))
print(len(store.was_read))
"""
    assert sorted(map(int, at_once(code, [(store.directory, cache)] * 2))) == [0, 6]
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".parquet"}


def test_ctrl_c_ends_the_reading_and_the_next_call_reads_it_all(tmp_path, cache):
    write_history(tmp_path / "runs", 70, 1)
    code = """
import sys
from pathlib import Path
from inflor_bench.history.cache import load_tables
from inflor_bench.history.directory import HistoryDirectory
def progress(done, total):
    if done == 1:
        print("reading", flush=True)
        sys.stdin.readline()
try:
    load_tables(HistoryDirectory(Path(sys.argv[1])), Path(sys.argv[2]), progress)
except KeyboardInterrupt:
    print("stopped")
"""
    process = start_python("-c", code, tmp_path / "runs", cache, start_new_session=True)
    try:
        assert process.stdout.readline() == "reading\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        assert process.communicate(timeout=300) == ("stopped\n", "")
    finally:
        process.kill()
    assert len(load_tables(HistoryDirectory(tmp_path / "runs"), cache).run_rows()) == 70
