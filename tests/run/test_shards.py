"""`run --shard` and `merge` by the command line: the shards together are the undivided run."""

from pathlib import Path

import pytest

from inflor_bench.errors import SuiteInputError
from inflor_bench.record.run_file import read_run
from inflor_bench.run.shards import Shard
from tests.place import QUICK, Place, cells, same_results, suite
from tests.refusal import one_sentence

pytestmark = pytest.mark.long

SUITE = suite(
    cells("digits", "relu", "hard", "soft", "soft-mpr"), training={"recipe": "quick", "epochs": 1}, measure=QUICK
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("place"), SUITE)
    place.run(out="whole", check=0)
    for index in (1, 2, 3):
        place.run(
            "--shard", f"{index}/3", out=f"shard{index}", check=0, INFLOR_BENCH_CACHE=str(place.directory / "other")
        )
    return place


def parts(place):
    return [path for index in (1, 2, 3) for path in place.runs(f"shard{index}")]


def test_the_union_of_the_shards_equals_the_undivided_run(place):
    (whole,) = place.runs("whole")
    done = place.call("merge", *parts(place), "--out", "merged", check=0)
    merged = Path(place.directory, done.stdout.strip())
    assert merged.parent.parent == place.directory / "merged"
    assert same_results(read_run(whole), read_run(merged)) == 4
    assert [len(read_run(path).cells) for path in parts(place)] == [2, 1, 1]
    assert {cell.record.provenance.shard for cell in read_run(merged).cells.values()} == {"1/3", "2/3", "3/3"}
    done = place.call("compare", whole, merged, check=0)
    assert "regressed" not in done.stdout


def test_a_shard_is_compared_with_its_own_cells_of_the_base(place):
    for path in place.runs("whole"):
        target = place.directory / "against/runs" / path.parent.name / path.name
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    done = place.run("--shard", "2/3", out="against", check=0)
    assert "does not have it any more" not in done.stdout


def test_a_lost_shard_is_said_and_what_is_there_is_written(place):
    first, _, third = parts(place)
    done = place.call("merge", first, third, "--out", "two.json", check=2)
    assert "Shard 2/3 is not among the files" in done.stderr
    assert len(read_run(place.directory / "two.json").cells) == 3
    place.call("merge", third, first, "--out", "two.json", check=2)  # the same content again
    done = place.call("merge", first, "--out", "two.json", check=2)
    assert "is there already with other content" in done.stderr
    assert len(read_run(place.directory / "two.json").cells) == 3


def test_an_empty_shard_says_so_and_is_no_error(place):
    done = place.run("--shard", "7/9", out="empty", check=0)
    assert "Shard 7/9" in done.stdout
    assert "has no cell" in done.stdout
    assert not (place.directory / "empty").exists()


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "-1/3", "1/3/5", "", "1.0/3", "\uff11/3"])
def test_a_wrong_shard_is_one_sentence(text):
    with one_sentence(SuiteInputError, "is no part of a suite"):
        Shard.parse(text)


def test_the_command_refuses_a_wrong_shard(place):
    done = place.run("--shard", "4/3", out="none", check=2)
    assert done.stderr.count("\n") == 1
    assert "write such as 2/8" in done.stderr
