"""`inflor-bench study` by its command: trained once, gone on after a stop, split into shards, and its pages."""

import json
import signal
import time

import pytest

from tests.place import Place, cells, suite, table

SUITE = suite(cells("digits", "quant", "relu", seeds=(0, 1, 2)), training={"recipe": "quick", "epochs": 1}) + table(
    "study", comparisons=[["relu", "quant"]]
)
CELLS = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("study"), SUITE)
    yield place
    place.close()


def study(place, *arguments, check=0, **environment):
    return place.call("study", "suite.toml", "--out", "out", *arguments, check=check, **environment)


@pytest.fixture(scope="module")
def done(place):
    """First a shard, then all that is left."""
    return study(place, "--shard", "1/2"), study(place)


def test_parts_are_put_together_and_nothing_is_measured_twice(place, done):
    first, last = done
    assert "[3/3]" in first.stderr
    assert "[3/3]" in last.stderr
    names = [name for path in place.runs() for name in json.loads(path.read_text())["inflor_bench"]["untimed"]]
    measured = [record["name"] for record in names]
    assert len(measured) == len(set(measured)) == CELLS
    assert last.stdout.strip().endswith("study.html")
    before = len(place.runs())
    study(place)
    assert len(place.runs()) == before


def test_the_pages_tell_every_comparison(place, done):
    text = (place.directory / "out/study.md").read_text()
    assert f"{CELLS} of {CELLS} networks are trained and measured" in text
    assert " of 1 comparisons of accuracy" in text
    for heading in ("## Accuracy", "## Accuracy of the best epoch", "## AC", "## Energy by iso-event"):
        assert heading in text
    assert "quant - relu: firing rate: the network has no spiking neuron" in text
    page = (place.directory / "out/study.html").read_text()
    assert "Do they differ in accuracy?" in page
    assert "<svg" in page
    rows = (place.directory / "out/data/study-seeds.csv").read_text().splitlines()
    assert len(rows) == CELLS + 1
    assert (place.directory / "out/study.pdf").read_bytes().startswith(b"%PDF")


def test_another_recipe_is_another_study(place, done):
    other = place.directory / "other.toml"
    other.write_text(SUITE.replace('"epochs": 1', '"epochs": 2').replace("epochs = 1", "epochs = 2"))
    place.call("study", "other.toml", "--out", "out", "--only", "*/relu/*s0", check=0)
    assert "1 of 1 networks" in (place.directory / "out/study.md").read_text()


@pytest.mark.slow
def test_networks_that_ship_are_measured_once(tmp_path):
    shipped = suite(cells("digits", "soft", "hard", timesteps=4, weights="zoo"))
    place = Place(tmp_path, shipped + table("study", comparisons=[["hard", "soft"]]))
    study(place)
    text = (tmp_path / "out/study.md").read_text()
    assert "2 of 2 networks" in text
    assert "1 seeds in common, fewer than 3" in text
    study(place)
    assert len(place.runs()) == 1


@pytest.mark.slow
def test_a_stopped_study_goes_on(tmp_path):
    place = Place(tmp_path, SUITE)
    process = place.start("study", "suite.toml", "--out", "out")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").glob("runs/*/*.cells/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list((tmp_path / "out").glob("runs/*/*.cells/*.json")))
    assert kept >= 1
    study(place)
    text = (tmp_path / "out/study.md").read_text()
    assert f"{CELLS} of {CELLS} networks" in text
    place.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("[study]\n", "[measured]\n"), "measured"),
        (('[["relu", "quant"]]', '[["relu", "leaky"]]'), "'leaky' is no neuron of the suite"),
        (('[["relu", "quant"]]', "[]"), "study.comparisons"),
        (('[["relu", "quant"]]', '[["relu"]]'), "study.comparisons"),
    ],
)
def test_a_suite_that_compares_nothing_is_refused(tmp_path, change, sentence):
    place = Place(tmp_path, SUITE.replace(*change))
    said = place.call("study", "suite.toml", check=2).stderr.strip()
    assert sentence in said
    assert "\n" not in said


def test_a_suite_without_comparisons_says_what_to_add(tmp_path):
    place = Place(tmp_path, SUITE.partition("[study]")[0])
    said = place.call("study", "suite.toml", check=2).stderr.strip()
    assert said == 'suite.toml: the table \'study\' is missing: name the comparisons, as [["hard", "soft"]].'
