"""Kills a small but whole run, and a training of a suite, at random moments, and starts them again until they are done.

    python -m tests.faults.kill --moments 50 --seed 0

Half of the moments are drawn over the time that the undisturbed command takes, half are the n-th change of a file.
After every kill each file that is there must be whole, and what was finished must still be there, unchanged, in the
end, when the result must be that of the undisturbed command: for `run` the weights, counts and bits of accuracy, for
`train` all files, byte by byte. Exit code 1, and a line each, where that does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from inflor_bench.errors import ModelInputError, TrackInputError
from inflor_bench.models.checkpoints import read_tensors
from inflor_bench.record.run_file import read_run
from tests.command import start_python
from tests.place import EXACT, Place, cells, suite

SUITE = suite(
    cells("digits", "relu", "soft", timesteps=1),
    training={"epochs": 1, "batch_size": 256},
    measure={"batch_size": 2, "rounds": 5},
)
COMMANDS = {
    "run": ("run", "--suite", "suite.toml", "--out", "out"),
    "train": ("train", "--suite", "suite.toml", "--out", "out"),
}
# A training of seconds is never old enough to be saved before its end: here it is saved after every step.
PROGRAM = (
    "import inflor_bench.models.training.loop as loop; loop.CHECKPOINT_SECONDS = 0.0\n"
    "from inflor_bench.cli.app import main; main()"
)
KILLS_A_CHAIN = 5


class Victim(Place):
    """A directory with the suite in it, and a command that is started there."""

    def __init__(self, directory: Path, command: str) -> None:
        super().__init__(directory, SUITE)
        self.command = command

    def start(self) -> subprocess.Popen:
        return start_python(
            *("-c", PROGRAM, *COMMANDS[self.command]),
            cwd=self.directory,
            env={"INFLOR_BENCH_EAGER": "1", "INFLOR_BENCH_CACHE": "cache"},
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        process = self.start()
        said, _ = process.communicate()
        return process.returncode, said

    def files(self) -> Iterator[Path]:
        """Every file that the command wrote, but for those whose names say that they are being written."""
        for top in ("out", "cache"):
            for path in sorted((self.directory / top).rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path

    def changes(self) -> frozenset[tuple[str, int]]:
        """Names and times of all files, also those that are being written."""
        found = []
        for top in ("out", "cache"):
            for folder, _, names in os.walk(self.directory / top):
                for name in names:
                    try:
                        found.append((f"{folder}/{name}", os.stat(f"{folder}/{name}").st_mtime_ns))
                    except FileNotFoundError:
                        continue
        return frozenset(found)


@dataclass
class Tally:
    """What was tried and what was lost."""

    killed: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def half_written(path: Path) -> str | None:
    """Why a file is not whole; None where it is."""
    try:
        if path.suffix == ".safetensors":
            read_tensors(path)
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
            if "runs" in path.parts:
                read_run(path)
        elif path.suffix == ".html" and not path.read_text("utf-8").rstrip().endswith("</html>"):
            return "the page does not end"
        elif path.suffix == ".parquet" and path.read_bytes()[-4:] != b"PAR1":
            return "the table does not end"
    except (ValueError, ModelInputError, TrackInputError) as error:
        return str(error)
    return None


def measured(place: Victim) -> dict[str, list[str]]:
    """What every record that is on disk says that must be the same each time, by cell; one entry a record."""
    found: dict[str, list[str]] = {}
    for path in place.files():
        if path.suffix == ".json" and "runs" in path.parts:
            for name, cell in read_run(path).cells.items():
                found.setdefault(name, []).append(exact(cell.record))
    return found


def exact(record) -> str:
    kept = {section: getattr(record, section).model_dump(mode="json") for section in EXACT}
    return json.dumps([record.provenance.run_id, record.provenance.weights.sha256, kept], sort_keys=True)


def without_run(exact_text: str) -> list:
    return json.loads(exact_text)[1:]


def phase(place: Victim) -> str:
    """What the command was at, told by what there is."""
    names = [path.name for path in place.files()]
    if place.command == "run" and any(name == "index.html" for name in names):
        return "reported"
    if list((place.directory / "out").rglob("*.cells")):
        counted = list((place.directory / "out").rglob("*.cells/*.json"))
        return "measuring" if counted else "training the first cell"
    if any("unfinished" in name for name in names):
        return "training"
    if any(path.suffix == ".json" and "runs" in path.parts for path in place.files()):
        return "reporting"
    return "between trainings" if names else "starting"


def kill_at(place: Victim, rng: random.Random, seconds: float, changes: int) -> bool:
    """Start the command and kill it at a random moment; False where it was done before."""
    process = place.start()
    try:
        if rng.random() < 0.5:
            process.wait(rng.uniform(0, seconds))
        else:
            left, known = rng.randrange(1, changes + 1), place.changes()
            while process.poll() is None and left > 0:
                now = place.changes()
                left -= len(now - known)
                known = now
                time.sleep(0.0005)
    except subprocess.TimeoutExpired:
        pass
    done = process.poll() is not None
    if not done:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return not done


def chain(place: Victim, rng: random.Random, kills: int, seconds: float, changes: int, tally: Tally) -> int:
    """Kill the command so many times, let it finish, and look; returns the kills that there were."""
    there: dict[str, list[str]] = {}
    trained: dict[Path, bytes] = {}
    killed = 0
    for _ in range(kills):
        if not kill_at(place, rng, seconds, changes):
            break
        killed += 1
        tally.killed[f"{place.command}: {phase(place)}"] += 1
        for path in place.files():
            if why := half_written(path):
                tally.wrong.append(f"{path}: half written: {why}")
            elif path.suffix != ".safetensors" or "unfinished" in path.name:
                continue
            elif trained.setdefault(path, path.read_bytes()) != path.read_bytes():
                tally.wrong.append(f"{path}: was finished and is another file now")
        now = measured(place)
        tally.wrong += [
            f"{name}: a measured record is lost" for name in there if not set(there[name]) <= set(now.get(name, ()))
        ]
        there = now
    code, said = place.finish() if killed == kills else (0, "")
    if code not in (0, 1) or "Traceback" in said:
        tally.wrong.append(f"{place.directory}: ended by {code}: {said[-2000:]}")
    tally.wrong += [f"{path}: was finished and is gone" for path in trained if not path.exists()]
    now = measured(place)
    tally.wrong += [
        f"{name}: a measured record is lost" for name in there if not set(there[name]) <= set(now.get(name, ()))
    ]
    return killed


def compare(place: Victim, undisturbed: Victim, tally: Tally) -> None:
    """Hold the end of a chain against the undisturbed command."""
    if place.command == "train":
        ours, theirs = (
            {str(path.relative_to(p.directory)): path.read_bytes() for path in p.files()} for p in (place, undisturbed)
        )
        odd = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
        tally.wrong += [f"{place.directory}: {name} is not as undisturbed" for name in odd]
    good = {name: without_run(texts[0]) for name, texts in measured(undisturbed).items()}
    ours = {name: [without_run(text) for text in texts] for name, texts in measured(place).items()}
    if good.keys() != ours.keys():
        tally.wrong.append(f"{place.directory}: has the cells {sorted(ours)}")
    for name, records in ours.items():
        tally.wrong += [
            f"{place.directory}: {name} is not as undisturbed" for record in records if record != good.get(name)
        ]
    left = [path for top in ("out", "cache") for path in (place.directory / top).rglob(".*") if path.is_file()]
    tally.wrong += [f"{path}: a temporary file was left" for path in left if path.name != ".lock"]


def kill_often(moments: int, seed: int, directory: Path, commands: tuple[str, ...] = tuple(COMMANDS)) -> Tally:
    """Kill each command at its share of the moments."""
    tally, told = Tally(), 0
    for index, command in enumerate(commands):
        undisturbed = Victim(directory / command / "undisturbed", command)
        began = time.monotonic()
        code, said = undisturbed.finish()
        seconds = time.monotonic() - began
        assert code == 0, said
        changes = (
            2 * len(list(undisturbed.files())) + 12
        )  # a file is created and renamed; each step of training is saved
        print(f"{command}: {seconds:.1f} s undisturbed", flush=True)
        share = moments // len(commands) + (index < moments % len(commands))
        done = 0
        while done < share:
            place = Victim(directory / command / str(done), command)
            rng = random.Random(f"{seed}/{command}/{done}")
            killed = chain(place, rng, min(KILLS_A_CHAIN, share - done), seconds, changes, tally)
            compare(place, undisturbed, tally)
            done += killed
            print(f"{command}: killed at {done} of {share} moments, {len(tally.wrong)} losses", flush=True)
            for line in tally.wrong[told:]:
                print(line, flush=True)
            told = len(tally.wrong)
            if not killed:  # it was done before the moment came
                place.directory.rename(place.directory.with_name(f"quick-{time.monotonic_ns()}"))
                seconds *= 0.8
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        tally = kill_often(arguments.moments, arguments.seed, Path(directory))
    for where, count in sorted(tally.killed.items()):
        print(f"{count:4}  {where}")
    print(f"{sum(tally.killed.values())} moments, {len(tally.wrong)} losses")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
