"""Merging run files: nothing is lost, nothing is counted twice, and what is ambiguous is refused."""

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.errors import TrackInputError
from inflor_bench.record.merge import merge_runs
from inflor_bench.record.run_file import parse_run
from inflor_bench.run.shards import Shard
from tests.record.builders import make_git, make_machine, make_record, write_run

NEURONS = ("relu", "hard", "soft", "hard-mpr", "soft-mpr")


def part(path, cells, run_id="", *, shard=None, **provenance):
    """A run file of cells by (neuron, seed)."""
    given = {"run_id": run_id or path.stem, "shard": shard, **provenance}
    records = [make_record(f"digits/resnet8/{neuron}/T4/s{seed}", provenance=given) for neuron, seed in cells]
    return write_run(path, records)


def test_the_whole_has_every_cell_with_all_that_its_part_said_of_it(tmp_path):
    cells = list(itertools.product(NEURONS, range(2)))
    paths = [part(tmp_path / f"p{i}.json", cells[i::3], shard=f"{i + 1}/3") for i in range(3)]
    merged = merge_runs(paths)
    whole = parse_run(tmp_path / "whole.json", json.loads(json.dumps(merged.document)))
    assert len(whole.cells) == len(cells)
    assert (merged.notes, merged.missing) == ((), ())
    before = {}
    for path in paths:
        before |= {entry["name"]: entry for entry in json.loads(path.read_text())["benchmarks"]}
    assert len(merged.document["benchmarks"]) == len(before)
    for entry in merged.document["benchmarks"]:
        old = before[entry["name"]]
        new_provenance = entry["extra_info"]["inflor_bench"]["provenance"]
        old_provenance = old["extra_info"]["inflor_bench"]["provenance"]
        assert new_provenance["merged_from"] == old_provenance["run_id"]
        assert new_provenance["run_id"] == whole.run_id not in ("p0", "p1", "p2")
        new_provenance |= {"merged_from": None, "run_id": old_provenance["run_id"]}
        assert entry == old


def test_order_repetition_and_merging_of_merged_files_make_no_difference(tmp_path):
    cells = list(itertools.product(NEURONS, range(2)))
    paths = [part(tmp_path / f"p{i}.json", cells[i::3]) for i in range(3)]
    whole = merge_runs(paths).document
    assert merge_runs([paths[2], paths[0], paths[1], paths[0]]).document == whole
    half = tmp_path / "half.json"
    half.write_text(json.dumps(merge_runs(paths[:2]).document))
    assert merge_runs([half, paths[2], paths[1]]).document == whole
    alone = json.loads(paths[0].read_text())
    once = merge_runs([paths[0]]).document
    assert len(once["benchmarks"]) == len(alone["benchmarks"])
    assert {entry["extra_info"]["inflor_bench"]["provenance"]["run_id"] for entry in once["benchmarks"]} == {"p0"}


def test_a_benchmark_of_somebody_else_is_kept_once(tmp_path):
    paths = [part(tmp_path / f"p{seed}.json", [("soft", seed)]) for seed in range(2)]
    foreign = {"name": "theirs", "fullname": "theirs", "stats": {"data": [1.0]}, "extra_info": {}}
    for path in paths:
        document = json.loads(path.read_text())
        document["benchmarks"].append(foreign)
        path.write_text(json.dumps(document))
    assert [entry["name"] for entry in merge_runs(paths).document["benchmarks"]].count("theirs") == 1


def refusal(*paths):
    with pytest.raises(TrackInputError) as caught:
        merge_runs(paths)
    assert "\n" not in str(caught.value)
    assert all(path.name in str(caught.value) for path in paths)
    return str(caught.value)


def test_two_results_of_one_cell_are_refused_by_name(tmp_path):
    one = part(tmp_path / "one.json", [("soft", 0), ("hard", 0)])
    two = part(tmp_path / "two.json", [("soft", 0)])
    assert "'digits/resnet8/soft/T4/s0'" in refusal(one, two)
    # Also where they are said to be of the same run.
    assert "other results" in refusal(
        part(tmp_path / "three.json", [("soft", 0)], "r", threads=2),
        part(tmp_path / "four.json", [("soft", 0)], "r", threads=1),
    )


@pytest.mark.parametrize(
    "other",
    [
        make_git("other"),
        make_git("head", dirty=True, diff_sha256="a" * 64),
        {"status": "unavailable", "reason": "no git repository"},
    ],
)
def test_other_commits_are_refused(tmp_path, other):
    one = part(tmp_path / "one.json", [("soft", 0)])
    two = part(tmp_path / "two.json", [("hard", 0)], git=other)
    assert "merge parts of the same commit" in refusal(one, two)
    same = part(tmp_path / "three.json", [("relu", 0)], git=other)
    assert len(merge_runs([two, same]).document["benchmarks"]) == 2


def test_another_schema_and_a_damaged_file_are_refused(tmp_path):
    one = part(tmp_path / "one.json", [("soft", 0)])
    two = part(tmp_path / "two.json", [("hard", 0)])
    two.write_text(two.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(TrackInputError, match=re.escape("two.json") + ".*schema_version is 99"):
        merge_runs([one, two])
    two.write_text(two.read_text()[:-20])
    with pytest.raises(TrackInputError, match=re.escape("two.json") + ".*damaged"):
        merge_runs([one, two])


def test_machines_and_versions_may_differ_and_that_is_said(tmp_path):
    one = part(tmp_path / "one.json", [("soft", 0)])
    two = part(tmp_path / "two.json", [("hard", 0)], machine=make_machine("other"), versions={"torch": "3.0"})
    machines, versions = merge_runs([one, two]).notes
    assert "2 different machines (cpu)" in machines
    assert "different versions of python, torch" in versions


def test_shards_take_every_cell_once():
    cells = [f"c{index}" for index in range(10)]
    for count in (1, 2, 3, 7, 10, 12):
        shards = [Shard(index, count).of(cells) for index in range(1, count + 1)]
        assert sorted(itertools.chain(*shards)) == sorted(cells)
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.data())
def test_a_lost_cell_of_a_shard_is_noticed_unless_nobody_could(tmp_path_factory, cells, count, data):
    """By brute force: no number of cells in the suite explains the sizes that are there."""
    kept = data.draw(st.lists(st.integers(0, cells - 1), unique=True, min_size=1))
    directory = tmp_path_factory.mktemp("shards")
    paths, sizes = [], []
    for index in range(1, count + 1):
        mine = [("soft", seed) for seed in Shard(index, count).of(range(cells)) if seed in kept]
        sizes.append(len(mine))
        if mine:
            paths.append(part(directory / f"p{index}.json", mine, shard=f"{index}/{count}"))
    missing = merge_runs(paths).missing
    possible = [[len(Shard(i, count).of(range(n))) for i in range(1, count + 1)] for n in range(1, 13)]
    assert bool(missing) == (sizes not in possible)
    if len(kept) == cells:
        assert not missing
