"""Everything of ours that reads a file, with good files to start from.

A target is called with a path and an output directory; it returns if the file is good, and raises the package's own
input error if it is not. Whatever else it does is a defect.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn

from inflor_bench.errors import TrackInputError
from inflor_bench.files import dumps
from inflor_bench.history.cache import load_runs
from inflor_bench.history.directory import HistoryDirectory
from inflor_bench.history.history import newest_comparable
from inflor_bench.measure.energy.user import read_models
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import load_model, read_trained, weights_sha256
from inflor_bench.models.create import config_for
from inflor_bench.models.datasets import cifar, cifar10_dvs, fashion_mnist, imagenet
from inflor_bench.models.recipe import Recipe
from inflor_bench.models.released import _tensors, convert
from inflor_bench.models.training import state
from inflor_bench.record.open_run import recover_unfinished
from inflor_bench.record.run_file import Run, read_run
from inflor_bench.reports.data.summaries import read_summaries, summary
from inflor_bench.reports.pages import site, site_index
from inflor_bench.reports.pages.report import build as build_report
from inflor_bench.reports.pages.site import publish
from inflor_bench.run.results import print_results, results
from inflor_bench.run.suite import check_names, load_suite, plan
from inflor_bench.user_model.inputs import from_file
from inflor_bench.verdict.accepted import read_accepted
from inflor_bench.verdict.compare import judge
from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark, workflow_commands
from inflor_bench.verdict.render import render_markdown, render_terminal, to_json
from tests.fuzz import branch, mutate
from tests.models import aedat4
from tests.reports import sample

Read = Callable[[Path, Path, int], object]


@dataclass(frozen=True)
class Target:
    """How many inputs the slow test tries; the file's name; good contents; how they are damaged; and what reads them.

    `read` is called with the file, an output directory and the number of the input. `package`: what must be installed
    for it beside what the project needs. `runs`: the one command that reading it may run.
    """

    inputs: int
    name: str
    seeds: Callable[[Path], Sequence[bytes]]
    mutate: mutate.Mutator
    read: Read
    package: str | None = None
    runs: str | None = None

    def can_be_read(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None


# Run files and what is made of them.

_CELLS = ("digits/resnet8/relu/T1/s0", "digits/resnet8/soft-mpr/T4/s0", "fashion-mnist/resnet8/hard/T2/s0")


def _run_files(directory: Path) -> list[bytes]:
    records = [sample.record(name, layers=2, n=40) for name in _CELLS]
    powered = records[1].model_copy(update={"power": sample.measured_power()})
    runs = {"whole": [records[0], powered], "skipped": [sample.skipped(records[2], "no data"), records[1]]}
    for name, of in runs.items():
        sample.run_of(of, directory / f"{name}.json")
    return [(directory / f"{name}.json").read_bytes() for name in runs]


@cache
def _good_run(directory: Path) -> Run:
    (directory / "base").mkdir(parents=True, exist_ok=True)
    return sample.run_of([sample.record(name, layers=2, n=40) for name in _CELLS], directory / "base" / "base.json")


def strict(document: object) -> None:
    """As `write_json` refuses what is no strict JSON, without a file."""
    try:
        dumps(document)
    except ValueError as error:
        raise TrackInputError(f"It cannot be written as strict JSON ({error}).") from None


def _run(path: Path, out: Path, number: int) -> None:
    run, good = read_run(path), _good_run(out)
    comparison = judge(good, run) if number % 2 else judge(run, good)
    render_terminal(comparison, Console(file=io.StringIO()))
    print_results(results(comparison.head, comparison), Console(file=io.StringIO()))
    render_markdown(comparison)
    workflow_commands(comparison.findings)
    summary(run)
    for document in (
        to_json(comparison),
        bencher_metric_format(run),
        github_action_benchmark(run, smaller_is_better=True),
    ):
        strict(document)
    if number % 100 == 0:
        build_report(run, out / "report", comparison=judge(good, run), history=[summary(good), summary(run)])


def _history(path: Path, out: Path, number: int) -> None:
    """A directory of run files with a damaged one, under a name that fits and one that does not, and damaged cells."""
    good = _good_run(out)
    machine = path.parent / "history" / "0123456789ab"
    content = path.read_bytes()
    places = (
        machine / "20261125T000000Z_aaaaaaaaaaaa_0123456789ab.json",
        machine / "-rf \n.json",
        machine / "20261124T000000Z_nogit_b.cells" / "cell.json",
    )
    shutil.rmtree(machine.parent, ignore_errors=True)
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    history = machine.parent
    loaded = load_runs(HistoryDirectory(history), None)
    assert len(loaded.runs) + len(loaded.damaged) == 2, "a file is read, or named"
    newest_comparable(history, good)
    read_summaries(history, besides=good, cache=out / "moments")
    recover_unfinished(history)
    if number % 100 == 0:
        publish(history, out / "site")


def _branches(directory: Path) -> list[bytes]:
    return [branch.whole(_another_run(content)) for content in _run_files(directory)]


def _another_run(content: bytes) -> bytes:
    """The same under another id, as `_good_run` is added beside it."""
    return content.replace(b"r0000001", b"r0000002")


def _branch(path: Path, out: Path, number: int) -> None:
    run = _another_run((path.parent.parent / "seeds" / "whole.json").read_bytes())
    branch.read(path, run, _good_run(out), out / "repository", number)


def _cached(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*.parquet"))


def _cache_files(directory: Path) -> list[bytes]:
    """What a cache of trends keeps of runs."""
    sample.run_of([sample.record(_CELLS[1], layers=2, n=40)], directory / "run.json")
    read_summaries(directory, cache=directory / "cache")
    return [path.read_bytes() for path in _cached(directory / "cache")]


def _summaries(directory: Path) -> list[bytes]:
    """What a site keeps of a run."""
    sample.run_of([sample.record(_CELLS[1], layers=2, n=40)], directory / "run.json")
    publish(directory, directory / "site")
    return [path.read_bytes() for path in (directory / "site").glob("runs/*/summary.json")]


def _kept(path: Path, out: Path, number: int) -> None:
    """A damaged cache of trends, which is only ever made anew."""
    run = _good_run(out)
    read_summaries(run.path.parent, cache=out / "moments")
    cached = _cached(out / "moments")
    cached[number % len(cached)].write_bytes(path.read_bytes())
    found = read_summaries(run.path.parent, cache=out / "moments")
    assert [kept.run_id for kept in found.runs] == [run.run_id], "the run itself is whole"


def _summary(path: Path, out: Path, number: int) -> None:
    """A damaged summary on a site: the report is built anew."""
    place = out / "site" / "runs" / "place"
    place.mkdir(parents=True, exist_ok=True)
    (place / "summary.json").write_bytes(path.read_bytes())
    document = site._written(out / "site", "place")
    if number % 10 == 0:
        site_index.files([("place", summary(_good_run(out)), site._counts(document))], [])


# TOML.

_SUITE = b"""
name = "small"
energy_models = ["chip.toml"]
[[cells]]
dataset = "digits"
network = "resnet8"
neurons = ["relu", "soft-mpr"]
timesteps = [1, 2]
seeds = [0, 1]
weights = "train"
form = "deployed"
[training.digits]
recipe = "quick"
epochs = 2
batch_size = 64
learning_rate = 0.1
bfloat16 = true
steps_at_once = 2
[measure]
batch_size = 8
rounds = 30
profile = "quick"
device = "auto"
variants = ["cold-cache"]
sweep_batch_sizes = [1, 8]
sweep_timesteps = [1, 2]
tdp_watts = 65.0
[[budgets]]
cell = "digits/*"
accuracy = ">= 0.90"
ac_ratio = "<= 1.05"
"""
_CHIP = b"""
[[models]]
name = "my-chip"
version = "1"
source = "data sheet"
mac = 3e-12
ac = 1e-12
dense = 0.0
neuron_update = 2e-12
[[models]]
name = "other"
version = "2"
source = "x"
ac = 1e-12
"""
_ACCEPTED = b"""
[[accepted]]
cell = "digits/*"
metric = "ac"
commit = "3f2a9c1"
reason = "The stem has twice the channels."
[[accepted]]
cell = "*"
metric = "*"
commit = "0123456789abcdef0123456789abcdef01234567"
reason = "Because."
"""


def _suites(directory: Path) -> list[bytes]:
    return [
        _SUITE,
        *(path.read_bytes() for path in (files("inflor_bench") / "suites").iterdir() if path.name.endswith(".toml")),
    ]


def _suite(path: Path, out: Path, number: int) -> None:
    suite = load_suite(str(path))
    assert all(isinstance(limit.limit, float) for limit in suite.limits)
    check_names(plan(suite))


# Weights.

_CONFIG = config_for("resnet8", "soft-mpr", 2, 10, 1)
_RECIPE = Recipe(1, 64)


def _checkpoints(directory: Path) -> list[bytes]:
    """A trained network and an unfinished training, each with all that stands in one."""
    path = directory / "checkpoint.safetensors"
    begun = state.start(_CONFIG, _RECIPE, 0, torch.device("cpu"))
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    begun.model(images).sum().backward()
    begun.optimizer.step()
    begun.curve.append({"epoch": 1, "loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.5})
    state.save(begun, path)
    unfinished = path.read_bytes()
    tensors = begun.model.state_dict()
    metadata = {
        "config": _CONFIG.as_dict(),
        "recipe": _RECIPE.values(),
        "dataset": {"name": "digits", "sha256": "ab" * 32, "simulated": False},
        "seed": 0,
        "training_key": "cd" * 12,
        "weights_sha256": weights_sha256(tensors),
        "curve": begun.curve,
        "correct": 300,
        "anytime": [200, 300],
        "samples": 355,
        "command": ["inflor-bench", "train"],
        "torch": torch.__version__,
        "threads": 1,
        "device": "cpu",
        "processes": 1,
    }
    state.save_tensors(path, tensors, metadata)
    return [path.read_bytes(), unfinished]


def _checkpoint(path: Path, out: Path, number: int) -> None:
    """Each of what reads a checkpoint has its turn."""
    match number % 3:
        case 0:
            load_model(path)
        case 1:
            _, metadata = read_trained(path)
            model_card("cell", metadata)
        case _:
            state.restore(state.start(_CONFIG, _RECIPE, 0, torch.device("cpu")), path)


class _Small(nn.Module):
    """As small as a network can be whose layers have names in the released format."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3)


def _released_entries() -> dict[str, torch.Tensor]:
    made = _Small().state_dict()
    names = {"conv.": "model.conv1.pool.", "norm.": "model.bn1.bn.", "linear.": "model.fc.conv."}
    return {names[name.split(".")[0] + "."] + name.split(".")[1]: value for name, value in made.items()}


def _released_zips(directory: Path) -> list[bytes]:
    made = []
    for format_of_torch in (True, False):
        stream = io.BytesIO()
        torch.save(_released_entries(), stream, _use_new_zipfile_serialization=format_of_torch)
        made.append(stream.getvalue())
    return made


def _released_safetensors(directory: Path) -> list[bytes]:
    from safetensors.torch import save

    return [save(_released_entries())]


def _released(path: Path, out: Path, number: int) -> None:
    convert(path, _tensors(path, path.read_bytes()), "small", _Small())


# Data.


def _archives(directory: Path) -> list[bytes]:
    made = []
    for arrays in (
        {"inputs": np.zeros((3, 1, 4, 4), np.float32), "labels": np.arange(3)},
        {"sequences": np.zeros((2, 3, 4), np.uint8), "y": np.zeros(3, np.int32)},
    ):
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        made.append(stream.getvalue())
    return made


def _tensor_inputs(directory: Path) -> list[bytes]:
    from safetensors.torch import save

    return [save({"inputs": torch.zeros(3, 1, 4, 4), "labels": torch.arange(3)})]


def _inputs(path: Path, out: Path, number: int) -> None:
    from_file(path, None if number % 2 else 2)


_IDX_SHAPE = (4, 5, 5)


def _idx_files(directory: Path) -> list[bytes]:
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in _IDX_SHAPE)
    return [header + bytes(range(100))]


def _idx_archives(directory: Path) -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in _idx_files(directory)]


def _idx(path: Path, out: Path, number: int) -> None:
    fashion_mnist._read_idx(path.parent, path.name.removesuffix(".gz"), _IDX_SHAPE)


_SMALL_CIFAR = replace(cifar.CIFAR10, train_files=("train.bin",), images_per_file=(2, 2), classes=2)


def _cifar_files(directory: Path) -> list[bytes]:
    return [b"".join(bytes((label,)) + bytes(cifar.PIXELS) for label in labels) for labels in ((0, 1), (1, 0))]


def _cifar(path: Path, out: Path, number: int) -> None:
    folder = path.parent
    names = {folder / "train.bin": _cifar_files(folder)[0], folder / "test_batch.bin": _cifar_files(folder)[1]}
    names[folder / "batches.meta.txt"] = b"cat\ndog\n"
    names[list(names)[number % 3]] = path.read_bytes()
    for place, content in names.items():
        place.write_bytes(content)
    cifar.load(_SMALL_CIFAR, folder, download=False)


def _frame_files(directory: Path) -> list[bytes]:
    made = []
    for label in (1, torch.tensor(2)):
        stream = io.BytesIO()
        torch.save((torch.zeros(4, 2, 6, 6), label), stream)
        made.append(stream.getvalue())
    return made


def _frames(path: Path, out: Path, number: int) -> None:
    for split in ("train", "test"):
        (path.parent / split).mkdir(exist_ok=True)
        (path.parent / split / "0.pt").write_bytes(path.read_bytes())
    cifar10_dvs.load(path.parent, download=False, timesteps=2)


def _recording_files(directory: Path) -> list[bytes]:
    events = [(1000 * step, step % 100, step % 90, step % 2) for step in range(50)]
    aedat4.write(directory / "recording", events)
    return [(directory / "recording").read_bytes()]


def _recording(path: Path, out: Path, number: int) -> None:
    """One damaged recording; the others are good."""
    folder = path.parent / "recordings"
    for name in () if folder.exists() else cifar10_dvs.CLASSES:
        (folder / name).mkdir(parents=True)
        for other in range(10):
            (folder / name / f"{other}.aedat4").symlink_to(path.parent.parent / "seeds" / "recording")
    damaged = folder / cifar10_dvs.CLASSES[0] / "0.aedat4"
    damaged.unlink(missing_ok=True)
    damaged.symlink_to(path)
    cifar10_dvs._recordings(folder, 2)


def _photographs(directory: Path) -> list[bytes]:
    from PIL import Image

    made = []
    for kind in ("JPEG", "PNG", "GIF"):
        stream = io.BytesIO()
        Image.new("RGB", (20, 30), (200, 10, 60)).save(stream, kind)
        made.append(stream.getvalue())
    return made


def _photograph(path: Path, out: Path, number: int) -> None:
    """What a worker does for one image; the sentence comes back as a value there."""
    answer = imagenet._Decoder(imagenet.FolderSplit(path.parent, [(str(path), 0)]), (0,) if number % 2 else None)[0]
    if isinstance(answer, str):
        raise imagenet.ModelInputError(answer)


TARGETS = {
    "run": Target(8000, "run.json", _run_files, mutate.json_text, _run),
    "history": Target(1000, "damaged", _run_files, mutate.json_text, _history, runs="git"),  # for what a run stands on
    "branch": Target(1000, "damaged", _branches, branch.damaged, _branch, runs="git"),
    "kept": Target(1000, "kept", _cache_files, mutate.raw, _kept),
    "summary": Target(1500, "summary.json", _summaries, mutate.json_text, _summary),
    "suite": Target(7000, "suite.toml", _suites, mutate.toml_text, _suite),
    "energy": Target(9000, "chip.toml", lambda _: [_CHIP], mutate.toml_text, lambda p, o, n: read_models(p)),
    "accepted": Target(
        6000, "accepted.toml", lambda _: [_ACCEPTED], mutate.toml_text, lambda p, o, n: read_accepted(p)
    ),
    "checkpoint": Target(5000, "checkpoint.safetensors", _checkpoints, mutate.safetensors, _checkpoint),
    "released": Target(4000, "released.pth", _released_zips, mutate.torch_file, _released),
    "released-safetensors": Target(2000, "released.pth", _released_safetensors, mutate.safetensors, _released),
    "npz": Target(3000, "inputs.npz", _archives, mutate.zipped, _inputs),
    "inputs": Target(2000, "inputs.safetensors", _tensor_inputs, mutate.safetensors, _inputs),
    "idx": Target(3000, "images-idx3", _idx_files, mutate.raw, _idx),
    "idx-gz": Target(1000, "images-idx3.gz", _idx_archives, mutate.gzipped, _idx),
    "cifar": Target(1000, "damaged", _cifar_files, mutate.raw, _cifar),
    "frames": Target(3000, "damaged", _frame_files, mutate.zipped, _frames),
    "recording": Target(1000, "damaged", _recording_files, mutate.raw, _recording, "tonic"),
    "photograph": Target(2000, "photograph.JPEG", _photographs, mutate.raw, _photograph),
}


def content(target: str, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """The damaged file of this number: the same for the same seed, whatever was tried before."""
    return TARGETS[target].mutate(random.Random(f"{seed}/{target}/{number}"), seeds)
