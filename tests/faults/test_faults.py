"""What can go wrong around a run, in real processes: each gives a sentence, an honest record, and costs no other cell.

python -m pytest tests/faults -m "slow or not slow"
"""

import gzip
import os
import resource
import shutil
import signal
import time

import pytest

from inflor_bench.models.datasets.fashion_mnist import FILES
from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from tests.command import call, finish, start_python
from tests.needs import need
from tests.place import EXACT, Place, cells, suite, table

pytestmark = pytest.mark.slow

DIGITS, OTHER, EVENTS, FASHION = (
    cells(*about, timesteps=1)
    for about in (("digits", "relu"), ("digits", "soft"), ("digits-dvs", "soft"), ("fashion-mnist", "soft"))
)
NO_NUMBER = table("training.digits-dvs", epochs=1, batch_size=256, learning_rate=1e30)


class Disturbed(Place):
    """Where a suite of some cells is run, after a program and below a command."""

    def __init__(self, directory, *tables, batch_size=256):
        training, measure = {"epochs": 1, "batch_size": batch_size}, {"batch_size": 2, "rounds": 5}
        super().__init__(directory, suite(*tables, training=training, measure=measure) + NO_NUMBER)

    def start(self, *more, before="", **options):
        return start_python(
            *("-c", f"{before}\nfrom inflor_bench.cli.app import main; main()"),
            *("run", "--suite", "suite.toml", "--out", "out", *more),
            cwd=self.directory,
            env={"INFLOR_BENCH_EAGER": "1", "INFLOR_BENCH_CACHE": str(self.directory / "cache")},
            **options,
        )

    def call(self, *more, **options):
        return finish(self.start(*more, **options))

    def cells(self):
        """All records that lie here, by name."""
        found = {}
        for path in sorted((self.directory / "out/runs").rglob("*.json")):
            for name, cell in read_run(path).cells.items():
                found.setdefault(name, []).append(cell.record)
        return found


def measured(records):
    return [record for record in records if not isinstance(record.accuracy, Absent)]


def reasons(records):
    return [record.accuracy.reason for record in records if isinstance(record.accuracy, Absent)]


def test_a_loss_that_is_no_number_and_data_that_were_cut_or_swapped_cost_their_own_cells(tmp_path):
    place = Disturbed(tmp_path, EVENTS, FASHION, DIGITS)
    for kind in ("cut", "swapped"):
        (tmp_path / kind).mkdir()
        for images, labels, count in FILES.values():
            pixels = 28 * 28 * count
            header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
            with gzip.open(tmp_path / kind / f"{images}.gz", "wb", 1) as file:
                file.write(header + bytes(pixels if kind == "swapped" else 1000))
            with gzip.open(tmp_path / kind / f"{labels}.gz", "wb", 1) as file:
                file.write(bytes((0, 0, 8, 1)) + count.to_bytes(4, "big") + bytes(count))
    for kind, said in (("cut", "is damaged"), ("swapped", "has the hash")):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = place.call("--data-root", kind)
        assert done.returncode == 2, done.stderr
        found = place.cells()
        (why,) = reasons(found["digits-dvs/resnet8/soft/T1/s0"])
        assert "The loss is not finite at step" in why
        (why,) = reasons(found["fashion-mnist/resnet8/soft/T1/s0"])
        assert said in why
        assert measured(found["digits/resnet8/relu/T1/s0"])
        assert "loss is not finite" in done.stderr
        assert said in done.stderr


def limited_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_disk_that_takes_no_more(tmp_path):
    """No file may grow beyond 100 kB: the run file can be written, weights cannot."""
    place = Disturbed(tmp_path, DIGITS, OTHER)
    done = place.call(preexec_fn=limited_files)
    assert done.returncode == 2, done.stderr
    found = place.cells()
    assert len(found) == 2
    for records in found.values():
        (why,) = reasons(records)
        assert "cannot be written (File too large)" in why
    left = [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert left == []
    assert place.call().returncode in (0, 1), "there is room again"
    assert all(measured(records) for records in place.cells().values())


def test_a_disk_that_takes_no_record(tmp_path):
    """All are trained; then no file may grow beyond 2 kB. What cannot be kept is said to be lost, cell by cell."""
    place = Disturbed(tmp_path, DIGITS, OTHER)
    assert place.call().returncode == 0
    shutil.rmtree(tmp_path / "out")
    done = place.call(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("was measured and is lost") == 2
    assert place.cells() == {}


def test_a_directory_that_must_not_be_written(tmp_path):
    """Root may write everywhere, unless it gives that capability up."""
    root = os.getuid() == 0
    if root:
        need("setpriv")
    place = Disturbed(tmp_path, DIGITS)
    (tmp_path / "out").mkdir(mode=0o555)
    done = place.call(prefix=("setpriv", "--bounding-set", "-dac_override") if root else ())
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written (Permission denied)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_cells_that_are_removed_under_our_feet(tmp_path):
    """What somebody removes is gone; the other cell is kept, and the run ends in order."""
    place = Disturbed(tmp_path, DIGITS, OTHER)
    process = place.start()
    while process.poll() is None and not list((tmp_path / "out").rglob("*.cells/*.json")):
        time.sleep(0.01)
    for folder in (tmp_path / "out").rglob("*.cells"):
        shutil.rmtree(folder)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    assert measured(place.cells()["digits/resnet8/soft/T1/s0"])


BACKWARDS = """
import datetime, itertools
import inflor_bench.run.harness as harness
steps = itertools.count()
class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime(2026, 1, 1, tzinfo=tz) - datetime.timedelta(days=next(steps))
harness.datetime = Clock
"""


def test_a_clock_that_goes_backwards(tmp_path):
    """Each time that is asked for is a day before the last one; a run of a later time is there already."""
    place = Disturbed(tmp_path, DIGITS)
    for before in ("", BACKWARDS, BACKWARDS):
        done = place.call(before=before)
        assert done.returncode == 0, done.stderr
    (records,) = place.cells().values()
    assert len({record.provenance.run_id for record in records}) == 3
    assert len({record.accuracy.bits for record in records}) == 1


def test_two_runs_in_one_directory(tmp_path):
    place = Disturbed(tmp_path, DIGITS, OTHER)
    done = [finish(process) for process in [place.start(), place.start()]]
    assert [process.returncode for process in done] == [0, 0], [process.stderr for process in done]
    for records in place.cells().values():
        assert len({record.provenance.run_id for record in records}) == 2
        assert len({record.provenance.weights.sha256 for record in records}) == 1
        for section in EXACT:
            one, other = (getattr(record, section) for record in records)
            assert one == other
    assert [path for path in (tmp_path / "out").rglob(".*") if path.is_file()] == []


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.5])
def test_ctrl_c_twice(tmp_path, pause):
    """The first cell is kept, no traceback is seen, and the next run finishes what was stopped."""
    place = Disturbed(tmp_path, DIGITS, OTHER)
    process = place.start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # as in a terminal
    while process.poll() is None and not list((tmp_path / "out").rglob("*.cells/*.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode in (130, -signal.SIGINT), done.stderr
    again = place.call()
    assert again.returncode == 0, again.stderr
    records = place.cells()
    assert len(measured(records["digits/resnet8/relu/T1/s0"])) == 2
    assert len(measured(records["digits/resnet8/soft/T1/s0"])) >= 1


SMALL_MEMORY = """
import resource
import torch, inflor_bench.run.run, inflor_bench.cell.prepare, hypothesis.internal.observability
mapped = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2400 * 2**20,) * 2)
"""


def test_a_network_that_does_not_fit_into_memory_costs_its_own_cell(tmp_path):
    """The small one has far more than it takes, the large one less than a third of it: on a busy machine as well."""
    place = Disturbed(tmp_path, cells("digits", "soft", network="resnet19", timesteps=8), DIGITS, batch_size=1024)
    done = place.call(before=SMALL_MEMORY)
    assert done.returncode == 2, done.stdout + done.stderr
    found = place.cells()
    (why,) = reasons(found["digits/resnet19/soft/T8/s0"])
    assert "memory did not suffice" in why
    assert measured(found["digits/resnet8/relu/T1/s0"])


OWN = """
import torch
class Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 10)
    def forward(self, x):
        out = self.linear(x.flatten(1))
        return {what}
def build():
    return Odd()
"""


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("out * float('nan')", 2, "NaN"),
        ("out[:, :3]", 2, "label"),
        ("1 / 0", 2, "ZeroDivisionError"),
        ("out.reshape(-1)", 0, "no_logits"),
        ("out[:-1]", 0, "no_logits"),
        ("out.long()", 0, "no_logits"),
        ("None", 0, "no_logits"),
    ],
)
def test_a_model_that_gives_something_else(tmp_path, what, code, said):
    """What is no logits costs the accuracy alone, with the reason; what cannot be right is bad input."""
    (tmp_path / "net.py").write_text(OWN.format(what=what))
    done = call(
        tmp_path, *["measure", "net.py:build", "--dataset", "digits", "--quick", "--out", "out"], check=code, fresh=True
    )
    assert said in done.stdout + done.stderr
    for path in (tmp_path / "out").rglob("*.json"):
        for cell in read_run(path).cells.values():
            assert isinstance(cell.record.accuracy, Absent), "no accuracy was made up"
