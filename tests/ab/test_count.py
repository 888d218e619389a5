"""What is asked of a side's own `run`, and what comes of it; the side is a small script in the place of ours."""

import sys
from pathlib import Path

import pytest

from inflor_bench.ab.processes import Settings, count
from inflor_bench.ab.revisions import Revision
from inflor_bench.errors import SuiteInputError

RUN = """
import os, sys, time
from pathlib import Path

arguments = sys.argv[1:]
Path("pid").write_text(str(os.getpid()))
Path("asked").open("a").write(" ".join(arguments) + "\\n")
if {old!r} and "--untimed" in arguments:
    sys.exit(print("No such option: --untimed Did you mean --timeout?", file=sys.stderr) or 2)
print("a table " * 100_000)
runs = Path(arguments[arguments.index("--out") + 1], "runs", "machine")
cells = runs / "20261124T123000Z_0123456789ab_run0.cells"
cells.mkdir(parents=True)
for number in range({cells}):
    (cells / f"{{number}}.json").touch()
    time.sleep({seconds})
print(os.environ["INFLOR_BENCH_CACHE"], os.environ["PYTHONPATH"].split(os.pathsep)[0], file=Path("told").open("w"))
{end}
cells.with_suffix(".json").touch()
"""


@pytest.fixture
def side(tmp_path):
    def made(old=False, cells=2, seconds=0, end="pass"):
        root = tmp_path / "side" / "tree"
        (root / "bench").mkdir(parents=True)
        (root / "bench/__init__.py").touch()
        (root / "bench/cli.py").write_text(RUN.format(old=old, cells=cells, seconds=seconds, end=end))
        return Revision(root, "0123456789abcdef", sys.executable)

    return made


def counted(side, tmp_path, progress=lambda done: None):
    return count(side, Settings("default", "*/soft/*", tmp_path, tmp_path / "data"), tmp_path / "out", progress)


def test_a_side_is_asked_to_count_alone_with_a_cache_of_its_own(side, tmp_path):
    revision = side()
    assert counted(revision, tmp_path) == tmp_path / "out/runs/machine/20261124T123000Z_0123456789ab_run0.json"
    (asked,) = (revision.root / "asked").read_text().splitlines()
    expected = f"run --suite default --only */soft/* --out {tmp_path}/out --data-root {tmp_path}/data --untimed"
    assert asked == expected
    assert (revision.root / "told").read_text().split() == [str(tmp_path / "side/cache"), str(revision.root)]


def test_an_older_side_that_does_not_know_the_option_measures_as_it_can(side, tmp_path):
    revision = side(old=True)
    assert counted(revision, tmp_path).exists()
    first, second = (revision.root / "asked").read_text().splitlines()
    assert first == f"{second} --untimed"


def test_it_is_told_how_many_cells_are_done(side, tmp_path, monkeypatch):
    monkeypatch.setattr("inflor_bench.ab.processes.LOOK_SECONDS", 0.05)
    told = []
    killed = tmp_path / "out/runs/machine/20261124T100000Z_0123456789ab_killed.cells"
    killed.mkdir(parents=True)
    (killed / "cell.json").touch()
    counted(side(cells=3, seconds=0.5, end="cells.rename(cells.with_name('gone'))"), tmp_path, told.append)
    assert told[told[0] == 0 :] == [1, 2, 3]


def test_a_side_that_wrote_no_run_file_is_one_sentence_with_its_last_words(side, tmp_path):
    with pytest.raises(SuiteInputError, match=r"^0123456789ab cannot be measured: no room$"):
        counted(side(end="sys.exit(print('at first', 'no room', sep=chr(10), file=sys.stderr) or 2)"), tmp_path)


def test_a_side_that_was_stopped_stops_all(side, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        counted(side(end="sys.exit(130)"), tmp_path)


def test_ctrl_c_ends_the_side(side, tmp_path, monkeypatch):
    monkeypatch.setattr("inflor_bench.ab.processes.LOOK_SECONDS", 0.05)
    revision = side(seconds=600)

    def stop(done):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counted(revision, tmp_path, stop)
    assert not Path("/proc", (revision.root / "pid").read_text()).exists()
