"""What `run` prints of a real small suite: in a log, on a terminal, where typography cannot be, and by a defect."""

import re

import pytest

from inflor_bench.record.run_file import read_run
from tests.command import call, on_a_terminal, told
from tests.place import QUICK, Place, cells, suite

pytestmark = pytest.mark.long

SUITE = suite(
    cells("digits", "relu", "soft"),
    cells("fashion-mnist", "hard", "soft-mpr"),
    training={"recipe": "quick", "epochs": 1},
    measure=QUICK,
)
RELU, SOFT = "digits/resnet8/relu/T1/s0", "digits/resnet8/soft/T2/s0"
SKIPPED = ("fashion-mnist/resnet8/hard/T2/s0", "fashion-mnist/resnet8/soft-mpr/T2/s0")
# A user's model of energy, as an installed package brings it; of spiking networks it ends the process, or so it thinks.
DEFECT = """
import sys
from inflor_bench.measure.energy import EnergyModel

def synapses(layer, spiking):
    return sys.exit("no licence") if spiking else 1e-12

model = EnergyModel("defect", "1", "a test", synapses)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The suite, run once into a pipe. Fashion-MNIST cannot be trained there."""
    place = Place(tmp_path_factory.mktemp("place"), SUITE)
    (place.directory / "empty").mkdir()
    place.first = place.run("--data-root", "empty")
    yield place
    place.close()


def test_a_log_has_a_line_a_cell_in_the_order_in_which_they_are_measured(place):
    lines = told(place.first)
    assert len(lines) == 4
    cells = [re.fullmatch(r"\[(\d)/4\] (\S+): (.*)", line).groups() for line in lines]
    assert [number for number, _, _ in cells] == ["1", "2", "3", "4"]
    said = {name: words for _, name, words in cells}
    assert set(said) == {RELU, SOFT, *SKIPPED}
    for name in (RELU, SOFT):
        assert re.fullmatch(r"measured in [\d.]+ (s|min \d+ s)(, about [\d.]+ (s|min \d+ s) left)?", said[name])
    skipped = [said[name].partition(": ")[2] for name in SKIPPED]
    assert "--data-root" in skipped[0]
    assert skipped[1] == "as above"


def test_a_log_ends_with_the_results_and_where_they_are(place):
    (path,) = place.runs()
    run = read_run(path)
    lines = place.first.stdout.splitlines()
    assert max(map(len, lines)) > 120  # no line was wrapped
    for name in (RELU, SOFT):
        accuracy = run.cells[name].record.accuracy
        (row,) = [line for line in lines if line.startswith(name.removeprefix("digits/") + " ")]
        assert f"{100 * accuracy.correct / accuracy.n:.2f} % (" in row
        assert re.search(r"\d J|\d [µnp]J", row)
    assert sum("skipped" in line.split() for line in lines) == 2
    assert sum("dataset-fashion-mnist" in line for line in lines) == 1
    assert [line.split()[0] for line in lines[-3:]] == ["run", "base", "report"]
    assert lines[-3].split()[1] == str(path.relative_to(place.directory))
    assert "pytest" not in place.first.stdout + place.first.stderr


def test_an_encoding_without_typography_gets_plainer_characters(place):
    (path,) = place.runs()
    done, ours = (
        call(place.directory, "compare", path, path, check=0, fresh=True, PYTHONIOENCODING=encoding)
        for encoding in ("ascii", "utf-8")
    )
    assert done.stdout.isascii()
    assert not ours.stdout.isascii()
    assert [line.split()[:1] for line in done.stdout.splitlines()] == [
        line.split()[:1] for line in ours.stdout.splitlines()
    ]
    assert re.search(r"\d [unp]J", done.stdout)
    assert "?" not in done.stdout


def test_a_terminal_shows_the_same_within_its_width(place):
    """Measured in a process of its own, whose live lines and ours share the terminal."""
    command = ("run", "--suite", "suite.toml", "--only", RELU, "--out", "terminal", "--timeout", "600")
    cache = str(place.directory / "cache")
    code, seen, _ = on_a_terminal(place.directory, *command, INFLOR_BENCH_CACHE=cache, COLUMNS="100")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert code == 0, text
    lines = [line.rpartition("\r")[2] for line in text.split("\r\n")]
    assert sum(bool(re.fullmatch(rf"\[1/1\] {RELU}: measured in .*s", line)) for line in lines) == 1
    (accuracy,) = [cell.record.accuracy for cell in read_run(*place.runs("terminal")).cells.values()]
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("digits, 355 samples")) :]
    assert all(len(line) <= 100 for line in table[: table.index("")] if not line.startswith("firing rate"))
    assert f"{100 * accuracy.correct / accuracy.n:.2f} %" in text
    assert "report  terminal/report/index.html" in lines


def test_a_defect_shows_where_it_was_raised_and_costs_its_own_cell_alone(place):
    process = place.start(
        *("run", "--suite", "suite.toml", "--data-root", "empty", "--only", "digits/*", "--out", "defect"),
        PYTHONPATH=place.install("defect", DEFECT),
    )
    out, err = process.communicate()
    assert process.returncode == 1, out + err
    assert f"test_cell[{SOFT}] failed by a defect:" in err
    assert re.search(r"defect\.py:\d+: in synapses", err)
    assert "no licence" in err
    assert set(read_run(*place.runs("defect")).cells) == {RELU}
    assert "===" not in out + err
