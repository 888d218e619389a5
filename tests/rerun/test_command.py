"""A run, repeated by real processes from its file alone, and what is said where it or the world was changed."""

import json

import pytest

from inflor_bench.errors import SuiteInputError
from inflor_bench.models.recipe import Recipe, find_recipe
from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from inflor_bench.rerun.differences import circumstances, differences
from inflor_bench.rerun.repetition import suite_of
from tests.place import Place, cells, suite
from tests.record.builders import make_provenance

SUITE = suite(
    cells("digits", "soft", seeds=[3], form="deployed"),
    training={"epochs": 1, "batch_size": 256},
    measure={"batch_size": 4, "rounds": 5},
)
CELL = "digits/resnet8/soft/T2/s3"


def call(directory, *arguments):
    return Place(directory, "").call(*arguments)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("rerun"), SUITE)
    place.run()
    (path,) = place.runs()
    return path


def changed(first, directory, change):
    document = json.loads(first.read_text())
    change(document["benchmarks"][0]["extra_info"]["inflor_bench"])
    path = directory / "changed.json"
    path.write_text(json.dumps(document))
    return path


def test_the_same_run_again_gives_the_same(first, tmp_path):
    done = call(tmp_path, "rerun", first, "--out", "again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CELL}: the same weights and exact figures" in done.stdout
    (path,) = (tmp_path / "again/runs").glob("*/*.json")
    ours, theirs = (read_run(run).cells[CELL].record for run in (path, first))
    assert ours.provenance.weights.source == "trained", "it was trained anew, and not found in a cache"
    assert ours.provenance.settings == theirs.provenance.settings
    assert ours.model == theirs.model
    assert ours.accuracy.bits == theirs.accuracy.bits
    assert (ours.latency.rounds, ours.latency.batch_size) == (5, 4)
    assert not (tmp_path / "outside").exists()


def test_what_differs_is_said_and_what_may_be_why(first, tmp_path):
    """The file says other weights, more accumulates, another torch; the command line in it is never run."""

    def lie(record):
        record["provenance"]["weights"]["sha256"] = "0" * 64
        record["provenance"]["versions"]["torch"] = "1.0"
        record["provenance"]["threads"] = 77
        record["provenance"]["command"] = ["sh", "-c", "touch outside"]
        record["synops"]["total"]["ac"] += 1

    done = call(tmp_path, "rerun", changed(first, tmp_path, lie))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "weights 000000000000 then" in done.stdout
    assert " AC, " in done.stdout
    assert "around it: torch 1.0 then" in done.stdout
    assert "around it: threads 77 then" in done.stdout
    assert not list(tmp_path.rglob("outside"))


def test_the_suite_is_rebuilt_from_checked_values(first):
    suite, left_out = suite_of(read_run(first))
    assert left_out == []
    (group,) = suite.cells
    assert (group.dataset, group.neurons, group.timesteps, group.seeds) == ("digits", ["soft"], [2], [3])
    assert (group.weights, group.form) == ("train", "deployed")
    assert (suite.measure.batch_size, suite.measure.rounds, suite.measure.profile) == (4, 5, "quick")
    settings = suite.training["digits/resnet8"]
    assert (settings.epochs, settings.batch_size) == (1, 256)
    assert settings.learning_rate == find_recipe("digits").learning_rate


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda r: r.update(name="../../outside"), "no cell"),
        (lambda r: r["provenance"]["weights"]["recipe"].update(momentum=0.123), "recipe"),
        (lambda r: r["provenance"]["weights"]["recipe"].update(epochs="1"), "recipe"),
        (lambda r: r["provenance"]["settings"].update(rounds=-1), "measure.rounds"),
        (lambda r: r["provenance"]["settings"].update(shell="sh"), "measure.shell"),
        (lambda r: r["provenance"]["weights"].update(source="user"), "measure"),
        (lambda r: r["provenance"].update(weights=None), "not measured"),
    ],
)
def test_what_cannot_be_repeated_is_refused(first, tmp_path, change, named):
    with pytest.raises(SuiteInputError, match=named):
        suite_of(read_run(changed(first, tmp_path, change)))


def test_a_file_of_before_settings_were_kept(first, tmp_path):
    suite, (sentence,) = suite_of(read_run(changed(first, tmp_path, lambda r: r["provenance"].pop("settings"))))
    assert "before settings were kept" in sentence
    assert suite.measure.rounds == 100


def test_nothing_around_explains_a_difference(first, tmp_path):
    before = read_run(first)
    after = read_run(changed(first, tmp_path, lambda r: r.update(accuracy={"status": "failed", "reason": "gone"})))
    found = differences(before, after)
    assert found.exact_differ
    assert "measured then, absent (gone) now" in found.lines[0]
    assert not differences(before, before).exact_differ


def test_circumstances_name_the_commit_and_the_machine():
    then = make_provenance()
    machine = then.machine.model_copy(update={"preimage": {**then.machine.preimage, "cpu": "another"}})
    now = then.model_copy(update={"git": Absent(status="unavailable", reason="no git"), "machine": machine})
    lines = circumstances(then, now)
    assert any(line.startswith("commit ") and line.endswith("without git now") for line in lines)
    assert any(line.startswith("machine's cpu") and line.endswith("another now") for line in lines)
    assert circumstances(then, then) == []


def test_every_recipe_of_ours_is_found_again(first, tmp_path):
    values = Recipe(3, 32, bfloat16=True).values()
    run = read_run(changed(first, tmp_path, lambda r: r["provenance"]["weights"].update(recipe=values)))
    assert suite_of(run)[0].training["digits/resnet8"].bfloat16 is True


def test_a_leaderboard_repeats_what_it_ranks(first, tmp_path):
    def lie(record):
        record["synops"]["total"]["ac"] -= 1

    done = call(tmp_path, "leaderboard", first, changed(first, tmp_path, lie), "--verify", "--out", "board")
    assert done.returncode == 1, done.stdout + done.stderr
    table = (tmp_path / "board/leaderboard.md").read_text()
    (honest,) = [line for line in table.splitlines() if first.name[:20] in line.replace("\\", "")]
    (liar,) = [line for line in table.splitlines() if "changed.json" in line]
    assert "the same" in honest
    assert "differs: synops" in liar
