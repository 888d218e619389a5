"""A history in a directory: what is added, what is refused, and many who add at once."""

import json
import os
from pathlib import Path

import pytest

from inflor_bench.errors import TrackInputError
from inflor_bench.history import directory
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import HistoryDirectory, is_run_file
from inflor_bench.history.history import add_run, newest_comparable
from inflor_bench.record.run_file import read_run, run_path
from tests.command import at_once
from tests.record.builders import make_git, make_machine, make_provenance, make_record, sha, write_run

ADD = """
import sys
from pathlib import Path
from inflor_bench.history.history import add_run
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import HistoryDirectory
print("ready", flush=True)
sys.stdin.readline()
for run in sys.argv[2:]:
    print(add_run(HistoryDirectory(Path(sys.argv[1])), Path(run))[1])
"""


@pytest.fixture
def store(tmp_path):
    return HistoryDirectory(tmp_path / "history")


def given(tmp_path, name="given", **changes):
    return write_run(tmp_path / f"{name}.json", [make_record(provenance=changes)])


def test_a_run_gets_its_name_from_its_fields_and_stays_what_it_was(store, tmp_path):
    path = given(tmp_path, run_id="r1", created="2026-11-24T14:30:05+02:00")
    name, new = add_run(store, path)
    assert new
    assert name == f"{sha('bench-box', 12)}/20261124T123005Z_{sha('head', 40)[:12]}_r1.json"
    kept = store.directory / name
    assert json.loads(kept.read_text()) == json.loads(path.read_text())
    assert kept.read_text().count("\n") == 1, "compact"
    provenance = make_provenance(run_id="r1", created="2026-11-24T14:30:05+02:00")
    assert kept == run_path(store.directory, provenance), "where `run` itself would have written it"
    assert add_run(store, path) == (name, False)
    assert add_run(store, kept) == (name, False)


def test_another_content_or_another_name_of_the_same_run_is_refused(store, tmp_path):
    name, _ = add_run(store, given(tmp_path, run_id="a_b"))
    before = (store.directory / name).read_bytes()
    with pytest.raises(TrackInputError, match="is there with another content"):
        add_run(store, given(tmp_path, run_id="a_b", threads=7))
    with pytest.raises(TrackInputError, match="holds the run a_b as"):
        add_run(store, given(tmp_path, run_id="a_b", machine=make_machine("another")))
    assert add_run(store, given(tmp_path, run_id="b"))[1], "which only ends like it"
    (store.directory / name).write_text("{")
    with pytest.raises(TrackInputError, match=r"damaged or truncated JSON.*--set-aside"):
        add_run(store, given(tmp_path, run_id="a_b"))
    (store.directory / name).write_bytes(before)
    assert [run.run_id for run in load_runs(store, None).runs] == ["a_b", "b"]


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": "../../escape"},
        {"run_id": "/etc/passwd"},
        {"run_id": ".."},
        {"run_id": "a\nb"},
        {"run_id": "x" * 65},
        {"run_id": ""},
        {"machine": make_machine().model_copy(update={"fingerprint": "../up"})},
        {"machine": make_machine().model_copy(update={"fingerprint": "damaged"})},
        {"machine": make_machine().model_copy(update={"fingerprint": "x.cells"})},
        {"machine": make_machine().model_copy(update={"fingerprint": ""})},
        {"git": make_git().model_copy(update={"sha": "../../../../x"})},
        {"git": make_git().model_copy(update={"sha": "HEAD"})},
        {"created": "yesterday"},
        {"created": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_no_field_of_a_file_leads_anywhere(store, tmp_path, changes):
    path = given(tmp_path / "in", **changes)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TrackInputError):
        add_run(store, path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dirty_run_is_kept_and_is_no_baseline(store, tmp_path):
    dirty = make_git("c1").model_copy(update={"dirty": True, "diff_sha256": "0" * 64})
    assert add_run(store, given(tmp_path, run_id="r1", git=dirty))[1]
    head = read_run(given(tmp_path, run_id="head", git=make_git("c2", parent="c1")))
    assert [run.dirty for run in load_runs(store, None).runs] == [True]
    assert newest_comparable(store, head).run is None


def test_of_many_who_add_the_same_at_once_one_adds_it_and_all_are_told(store, tmp_path):
    files = [given(tmp_path, f"f{number}", run_id=f"r{number}") for number in range(8)]
    told = [out.split() for out in at_once(ADD, [(store.directory, *files)] * 3)]
    assert [[answers[place] for answers in told].count("True") for place in range(8)] == [1] * 8
    assert [run.run_id for run in load_runs(store, None).runs] == [f"r{number}" for number in range(8)]
    assert not list(store.directory.rglob(".*")), "nothing is left of the writing"


def test_a_name_that_is_no_text_is_still_a_file_of_the_history(store, tmp_path):
    store.directory.mkdir()
    (store.directory / os.fsdecode(b"\xff.json")).write_text("{")
    loaded = load_runs(store, None)
    assert [item.name for item in loaded.damaged] == ["\\xff.json"]
    assert list(store.set_aside(store.entries()).values()) == ["damaged/\\xff.json"]
    assert load_runs(store, None).damaged == ()


def test_setting_aside_never_overwrites(store):
    for content in ("{1", "{2"):
        (store.directory / "m").mkdir(parents=True, exist_ok=True)
        (store.directory / "m" / "a.json").write_text(content)
        store.set_aside(store.entries())
    assert store.entries() == []
    assert sorted(path.read_text() for path in store.directory.glob("damaged/m/*")) == ["{1", "{2"]


def test_a_directory_that_is_a_file_or_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackInputError, match="is not a directory"):
        HistoryDirectory(tmp_path / "file")
    with pytest.raises(TrackInputError, match="cannot be written"):
        add_run(HistoryDirectory(tmp_path / "file" / "below"), given(tmp_path))
    assert not HistoryDirectory(Path("x" * 5000)).exists()
    assert HistoryDirectory(Path("x" * 5000)).entries() == []


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.json", True),
        ("m/a.json", True),
        ("m/n/a.json", False),
        ("damaged/a.json", False),
        ("m/.a.json", False),
        ("x.cells/a.json", False),
        ("a.txt", False),
    ],
)
def test_what_is_a_run_file_by_its_name(name, is_one):
    assert is_run_file(name) is is_one


def test_a_history_that_another_process_never_lets_go_of_is_one_sentence(store, tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "LOCKED_SECONDS", 0.3)
    store.directory.mkdir()
    told = pytest.raises(TrackInputError, match=r"another process did not let go of it within 0.3 s")
    with directory.locked(store.directory), told:  # each opening is a holder of its own, also in one process
        add_run(store, given(tmp_path))
    assert add_run(store, given(tmp_path))[1]
