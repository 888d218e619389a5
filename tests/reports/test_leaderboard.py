"""The leaderboard: who is ranked with whom, in which order, what is said of verifying, and the command."""

import csv
import io

import pytest

from inflor_bench.errors import ReportInputError
from inflor_bench.record.origin import DatasetProvenance
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import collect
from inflor_bench.reports.pages.leaderboard import Entry, write_leaderboard
from tests.record.builders import make_record, sha, write_run
from tests.reports import sample


def entries(place, *files):
    """Entries of (file name, records) pairs, none of them verified."""
    return [
        Entry(cell, name, None, "nobody asked")
        for name, records in files
        for cell in collect(sample.run_of(records, place / name))
    ]


def rows(out, number=1):
    return list(csv.DictReader(io.StringIO((out / f"data/leaderboard-{number}.csv").read_text())))


def test_the_networks_of_several_people_are_ranked_best_first(tmp_path):
    mine = [make_record("digits/resnet8/soft/T4/s0", accuracy=0.9, firing_rate=0.1)]
    yours = [
        make_record("digits/resnet8/hard/T4/s0", accuracy=0.95, firing_rate=0.3),
        make_record("digits/resnet8/soft-mpr/T4/s0", accuracy=0.85, firing_rate=0.2),
    ]
    page = write_leaderboard(entries(tmp_path, ("mine.json", mine), ("yours.json", yours)), tmp_path)
    found = rows(tmp_path)
    assert [(row["Model"], row["Run file"], row["Front"]) for row in found] == [
        ("digits/resnet8/hard/T4/s0", "yours.json", "front"),
        ("digits/resnet8/soft/T4/s0", "mine.json", "front"),
        # Less accurate than the one before it, and more expensive.
        ("digits/resnet8/soft-mpr/T4/s0", "yours.json", ""),
    ]
    assert found[0]["Weights"] == sha("digits/resnet8/hard/T4/s0")[:12]
    assert {row["Verified"] for row in found} == {""}
    text = page.read_text()
    assert "3 networks of 2 run files, on 1 test sets." in text
    assert "nobody asked" in text
    assert (tmp_path / "leaderboard.md").read_text().count("\n| digits") == 3


def test_other_samples_are_another_ranking_and_the_same_events_in_other_frames_are_not(tmp_path):
    def on(name, sha256, events=None):
        data = DatasetProvenance(name="digits-dvs", split="test", samples=360, sha256=sha256, events_sha256=events)
        return make_record(name, provenance={"dataset": data})

    records = [on("digits-dvs/resnet8/soft/T4/s0", "a", "e"), on("digits-dvs/resnet8/quant/T4/s0", "b", "e")]
    other = [on("digits-dvs/resnet8/hard/T4/s0", "c")]
    write_leaderboard(entries(tmp_path, ("one.json", records), ("two.json", other)), tmp_path)
    assert [len(rows(tmp_path, number)) for number in (1, 2)] == [2, 1]


def test_what_was_not_measured_is_not_ranked(tmp_path):
    whole = make_record("digits/resnet8/soft/T4/s0")
    lost = sample.skipped(make_record("digits/resnet8/hard/T4/s0"), "no data")
    write_leaderboard(entries(tmp_path, ("a.json", [whole, lost])), tmp_path)
    assert [row["Model"] for row in rows(tmp_path)] == ["digits/resnet8/soft/T4/s0"]
    with pytest.raises(ReportInputError, match="nothing to rank"):
        write_leaderboard(entries(tmp_path, ("a.json", [lost])), tmp_path)


def test_a_network_without_labels_or_price_comes_last(tmp_path):
    bare = Absent(status="unavailable", reason="no labels")
    records = [
        make_record("digits/resnet8/soft/T4/s0", accuracy=bare),
        make_record("digits/resnet8/hard/T4/s0", accuracy=0.5),
    ]
    write_leaderboard(entries(tmp_path, ("a.json", records)), tmp_path)
    found = rows(tmp_path)
    assert [row["Model"].split("/")[2] for row in found] == ["hard", "soft"]
    assert [row["Front"] for row in found] == ["front", ""]


def test_a_name_of_a_stranger_is_shown_and_nothing_else(tmp_path):
    record = make_record("<script>alert(1)</script>", provenance={})
    page = write_leaderboard(entries(tmp_path, ("<b>.json", [record])), tmp_path)
    text = page.read_text()
    assert "<script>alert" not in text
    assert "<b>.json" not in text


def test_what_verifying_found_stands_in_the_row(tmp_path):
    (cell,) = collect(sample.run_of([make_record()], tmp_path / "a.json"))
    told = [Entry(cell, "a.json", True, ""), Entry(cell, "b.json", False, "accuracy 340 of 360 then, 342 of 360 now")]
    write_leaderboard(told, tmp_path)
    assert [row["Verified"] for row in rows(tmp_path)] == ["same", "differs"]
    assert "differs: accuracy 340 of 360 then, 342 of 360 now" in (tmp_path / "leaderboard.html").read_text()


def test_the_command_ranks_files_and_refuses_what_is_none(tmp_path):
    from typer.testing import CliRunner

    from inflor_bench.cli.app import app

    files = [write_run(tmp_path / f"{name}.json", [make_record()]) for name in ("mine", "yours")]
    done = CliRunner().invoke(app, ["leaderboard", *map(str, files), "--out", str(tmp_path / "board")])
    assert done.exit_code == 0
    assert len(rows(tmp_path / "board")) == 2
