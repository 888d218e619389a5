"""`run --timeout`: a cell that hangs, also in C code, or whose process dies, costs itself alone."""

import math
import os
import signal
import subprocess
import time

import pytest

from inflor_bench.cli.options import checked_timeout
from inflor_bench.errors import SuiteInputError
from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import SECTIONS
from inflor_bench.run import stoppable
from tests.command import told, wait_for
from tests.place import QUICK, Place, cells, same_results, suite

pytestmark = pytest.mark.long

SUITE = suite(
    cells("digits", "relu", "soft"),
    cells("digits", "relu", timesteps=1, seeds=[1]),
    training={"recipe": "quick", "epochs": 1},
    measure=QUICK,
)
FIRST, SPIKING, LAST = "digits/resnet8/relu/T1/s0", "digits/resnet8/soft/T2/s0", "digits/resnet8/relu/T1/s1"
# A user's model of energy, as an installed package brings it. Of spiking networks it does what the variable TRAP says.
TRAP = """
import ctypes, os, signal, time
from inflor_bench.measure.energy import EnergyModel

def synapses(layer, spiking):
    trap = os.environ.get("TRAP")
    if spiking and trap == "C":
        ctypes.PyDLL(None).sleep(3600)  # longer than anyone waits, within one call of C code that holds the GIL
    if spiking and trap == "sleep":
        time.sleep(3600)
    if spiking and trap == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return 1e-12

model = EnergyModel("trap", "1", "a test", synapses)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The suite and the model of energy, run undisturbed and without a limit."""
    place = Place(tmp_path_factory.mktemp("place"), SUITE)
    place.path = place.install("trap", TRAP)
    began = time.monotonic()
    place.run(out="whole", PYTHONPATH=place.path)
    place.seconds = math.ceil(time.monotonic() - began)
    yield place
    place.close()


def test_a_run_within_its_time_has_the_same_results(place):
    done = place.run("--timeout", 300, out="limited", PYTHONPATH=place.path)
    assert [line.split()[0] for line in told(done)] == ["[1/3]", "[2/3]", "[3/3]"]
    assert same_results(place.only_run("whole"), place.only_run("limited")) == 3


@pytest.mark.parametrize(
    ("trap", "reason"), [("C", "it took longer than --timeout {} (s)"), ("kill", "its process was ended by SIGKILL")]
)
def test_a_cell_that_hangs_or_dies_is_failed_with_the_reason_and_the_rest_completes(place, trap, reason):
    """Each of the others is given as long as all three took undisturbed, on whatever machine."""
    seconds = place.seconds
    reason = reason.format(seconds)
    done = place.run("--timeout", seconds, out=trap, check=2, PYTHONPATH=place.path, TRAP=trap)
    run, whole = place.only_run(trap), place.only_run("whole")
    assert set(run.cells) == {FIRST, SPIKING, LAST}
    record = run.cells[SPIKING].record
    for section in SECTIONS:
        assert getattr(record, section).status == "failed"
        assert getattr(record, section).reason.startswith(reason)
    assert f"{SPIKING}: {reason}" in done.stderr
    assert done.stderr.count(f"/3] {SPIKING}: failed, about ") == 1
    for name in (FIRST, LAST):
        assert run.cells[name].record.synops == whole.cells[name].record.synops
        assert run.cells[name].record.accuracy == whole.cells[name].record.accuracy
    assert not list((place.directory / trap / "runs").glob("*/*.cells"))


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_where_it_was(place):
    """In the end it has the weights of a training that nobody stopped."""
    (place.directory / "long.toml").write_text(SUITE.replace("epochs = 1", "epochs = 20"))
    arguments = ("run", "--suite", "long.toml", "--only", LAST, "--out")
    place.call(*arguments, "free", check=0, INFLOR_BENCH_CACHE=str(place.directory / "free-cache"))
    cache = place.directory / "short-cache"
    for seconds in (2, 4, 8, 16, 32, 64):  # as long as it takes to be within the training, on whatever machine
        place.call(*arguments, f"short{seconds}", "--timeout", seconds, check=2, INFLOR_BENCH_CACHE=str(cache))
        assert place.only_run(f"short{seconds}").cells[LAST].record.accuracy.status == "failed"
        if list(cache.glob("trained/*.unfinished.safetensors")):
            break
    assert len(list(cache.glob("trained/*.unfinished.safetensors"))) == 1
    place.call(*arguments, "rest", "--timeout", 600, check=0, INFLOR_BENCH_CACHE=str(cache))
    assert same_results(place.only_run("free"), place.only_run("rest")) == 1


def children(process):
    """The processes that a process has started, by number."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True).stdout
    return [int(number) for number in out.split()]


def measured_cells(place, out):
    return list((place.directory / out / "runs").glob("*/*.cells/*.json"))


def test_the_process_ends_with_its_parent_and_what_it_had_measured_is_kept(place):
    process = place.start(
        *("run", "--suite", "suite.toml", "--out", "killed", "--timeout", 600), PYTHONPATH=place.path, TRAP="sleep"
    )
    wait_for(lambda: measured_cells(place, "killed"))
    found = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert found
    wait_for(lambda: not any(os.path.exists(f"/proc/{number}") for number in found), 20)
    done = place.run("--timeout", 600, "--only", FIRST, out="killed", PYTHONPATH=place.path)
    assert "what it had measured" in done.stderr
    assert sorted(len(read_run(path).cells) for path in place.runs("killed")) == [1, 1]


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(place):
    process = place.start(
        *("run", "--suite", "suite.toml", "--out", "stopped", "--timeout", 600), PYTHONPATH=place.path, TRAP="sleep"
    )
    wait_for(lambda: measured_cells(place, "stopped"))
    found = children(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert "run the same command to go on" in err
    assert [len(read_run(path).cells) for path in place.runs("stopped")] == [1]
    # multiprocessing's own helper ends a moment after its parent
    wait_for(lambda: not any(os.path.exists(f"/proc/{number}") for number in found), 60)


def hangs_after_a_cell(work, messages):
    os.setpgid(0, 0)
    for message in (("begin", FIRST), ("cell", None)):
        messages.send(message)
    time.sleep(3600)


def test_a_process_that_hangs_after_its_last_cell_is_ended_as_well(monkeypatch):
    monkeypatch.setattr(stoppable, "_serve", hangs_after_a_cell)
    with stoppable._Process(None) as process:
        assert process.follow(1, lambda message: None) == (1, stoppable.too_long(1))
        assert (process.begun, process.landed) == (FIRST, True)


def test_a_wrong_time_is_one_sentence():
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SuiteInputError, match="give seconds above 0"):
            checked_timeout(seconds)
    assert checked_timeout(0.5) == 0.5
    assert checked_timeout(None) is None
