"""`inflor-bench train` in real processes: a suite that is killed again and again ends with the same files."""

import functools
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
import torch

from inflor_bench.cli.train import train
from inflor_bench.errors import ModelInputError, SuiteInputError
from inflor_bench.models.cards import model_card
from inflor_bench.models.checkpoints import read_tensors, save_tensors
from inflor_bench.models.zoo import shipped_checkpoint
from tests.place import Place, cells, suite

SUITE = suite(cells("digits", "hard", "soft", seeds=[0, 1]), training={"recipe": "quick", "epochs": 1})
CELLS = [f"digits/resnet8/{neuron}/T2/s{seed}" for seed in (0, 1) for neuron in ("hard", "soft")]


class Zoo(Place):
    """A directory with the suite, where it is trained."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, SUITE)

    def train(self, *arguments, check=0):
        done = self.call("train", *arguments, check=check)
        return done.stdout, done.stderr

    def files(self):
        """Everything in the zoo and the trained checkpoints, by name."""
        return {
            str(path.relative_to(self.directory)): path.read_bytes()
            for folder in ("zoo", "cache")
            for path in sorted((self.directory / folder).rglob("*"))
            if path.is_file()
        }


ZOO = ("--suite", "suite.toml", "--out", "zoo")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The suite, trained without a stop."""
    place = Zoo(tmp_path_factory.mktemp("whole"))
    place.out, _ = place.train(*ZOO)
    return place


def test_every_cell_has_a_checkpoint_a_card_and_a_row(whole):
    files = whole.files()
    for cell in CELLS:
        _, metadata = read_tensors(whole.directory / "zoo" / f"{cell}.safetensors")
        assert files[f"zoo/{cell}.md"].decode() == model_card(cell, metadata)
        assert (metadata["recipe"]["epochs"], metadata["recipe"]["batch_size"]) == (1, 64)
        assert f"{100 * metadata['correct'] / 355:.2f} (s{metadata['seed']})" in whole.out
    assert files["zoo/small.md"].decode() in whole.out
    assert len(files) == 4 + 4 + 1 + 4


def test_killed_at_any_point_and_run_again_it_ends_with_the_same_files(whole, tmp_path):
    place = Zoo(tmp_path / "place")
    kills = 0
    for pause in (0.5, 1.5, 3.0):
        process = place.start("train", *ZOO)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for stop in ("zoo/digits/resnet8/hard/T2/s0.safetensors", "zoo/digits/resnet8/soft/T2/s1.safetensors"):
        process = place.start("train", *ZOO)  # and killed where a file has just come to be, which its card has not
        while not (place.directory / stop).exists() and process.poll() is None:
            time.sleep(0.0005)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # What a kill within a write leaves: a file under a temporary name, whose process is gone.
    gone = process.pid
    leftover = place.directory / f"zoo/{CELLS[3]}.safetensors"
    leftover.with_name(f".{leftover.name}.{socket.gethostname()}.{gone}.abc.tmp").write_bytes(b"half")
    place.train(*ZOO)
    assert kills >= 2
    assert place.files() == whole.files()


def test_a_finished_suite_is_not_trained_again_also_without_the_cache(whole):
    before = {path: path.stat().st_mtime_ns for path in (whole.directory / "zoo").rglob("*.safetensors")}
    (whole.directory / "cache").rename(whole.directory / "elsewhere")
    try:
        out, _ = whole.train(*ZOO)
        assert not (whole.directory / "cache").exists()
    finally:
        (whole.directory / "elsewhere").rename(whole.directory / "cache")
    assert out == whole.out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    kept = {path: path.stat().st_mtime_ns for path in (whole.directory / "cache").rglob("*.safetensors")}
    whole.train("--suite", "suite.toml", "--only", "*/hard/T2/s0", "--out", "other")
    assert kept
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "found in the cache"
    assert (whole.directory / "other/digits/resnet8/hard/T2/s0.safetensors").read_bytes() == whole.files()[
        "zoo/digits/resnet8/hard/T2/s0.safetensors"
    ]


def test_what_was_exported_by_other_code_is_kept_and_said(whole):
    path = whole.directory / f"zoo/{CELLS[0]}.safetensors"
    before = path.read_bytes()
    tensors, metadata = read_tensors(path)
    save_tensors(path, tensors, {**metadata, "training_key": "cd" * 12})
    older = path.read_bytes()
    try:
        _, err = whole.train(*ZOO)
        assert f"zoo/{CELLS[0]}.safetensors: was trained by other code, and is kept" in err
        assert err.count("was trained by other code") == 1
        assert path.read_bytes() == older
        (whole.directory / "more.toml").write_text(SUITE.replace("epochs = 1", "epochs = 2"))
        whole.train("--suite", "more.toml", "--only", CELLS[0], "--out", "zoo")
        assert read_tensors(path)[1]["recipe"]["epochs"] == 2, "another recipe is trained"
    finally:
        path.write_bytes(before)
        whole.train(*ZOO)  # its card is put in order


def test_options_replace_the_recipes_values_and_the_logs_are_written(tmp_path):
    place = Zoo(tmp_path / "place")
    arguments = ("--recipe", "paper-cifar", "--epochs", 1, "--batch-size", 256, "--learning-rate", 0.05, "--bfloat16")
    out, _ = place.train(CELLS[0], *arguments, "--csv", "logs")
    _, metadata = read_tensors(Path(out.strip()))
    recipe = metadata["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["learning_rate"], recipe["bfloat16"]) == (1, 256, 0.05, True)
    assert (recipe["auto_augment"], recipe["cutout"], recipe["weight_decay"]) == (True, 16, 1e-4)
    assert len((place.directory / f"logs/{CELLS[0]}.csv").read_text().splitlines()) == 2


def damage(path, kind):
    tensors, metadata = read_tensors(path)
    metadata.pop("format")
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "of another network":
        save_tensors(path, tensors, {**metadata, "config": {**metadata["config"], "network": "resnet20"}})
    elif kind == "of another number of classes":
        save_tensors(path, tensors, {**metadata, "config": {**metadata["config"], "num_classes": 100}})
    elif kind == "with NaN weights":
        save_tensors(path, {**tensors, "linear.bias": torch.full((10,), torch.nan)}, metadata)
    elif kind == "of another accuracy":
        save_tensors(path, tensors, {**metadata, "correct": metadata["correct"] + 30})


def refusal(
    directory, monkeypatch, cells=(), suite=None, only="*", recipe=None, device="cpu", data_root=None, **values
):
    """The sentence of the error by which the command refuses, in this process."""
    monkeypatch.chdir(directory)
    monkeypatch.setenv("INFLOR_BENCH_CACHE", "cache")
    out = Path("zoo") if suite else None
    with pytest.raises((ModelInputError, SuiteInputError)) as caught:
        train(list(cells), suite, only, recipe, out=out, device=device, data_root=data_root, **values)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("truncated", "is damaged"),
        ("of another network", "another network"),
        ("of another number of classes", "another network or number of classes"),
        ("with NaN weights", "not finite"),
        ("of another accuracy", "as it says: train it anew"),
    ],
)
def test_a_checkpoint_that_cannot_be_trusted_is_one_sentence(whole, monkeypatch, kind, sentence):
    path = whole.directory / f"zoo/{CELLS[1]}.safetensors"
    kept = path.read_bytes(), path.with_suffix(".md").read_bytes()
    damage(path, kind)
    try:
        found = refusal(whole.directory, monkeypatch, suite="suite.toml")
        assert sentence in found
        assert f"{CELLS[1]}.safetensors" in found
        if kind == "truncated":
            _, err = whole.train(*ZOO, check=2)
            assert found.split(" (")[0] in err
            assert err.strip().count("\n") == 0, err
    finally:
        path.write_bytes(kept[0])
        path.with_suffix(".md").write_bytes(kept[1])


def test_what_cannot_be_trained_is_one_sentence(tmp_path, monkeypatch):
    place = Zoo(tmp_path / "place")
    refuse = functools.partial(refusal, place.directory, monkeypatch)
    assert "name either cells or a --suite" in refuse()
    assert "no cell that matches" in refuse(suite="suite.toml", only="x")
    assert "Unknown recipe 'paper'" in refuse(CELLS[:1], recipe="paper")
    assert "Unknown device 'tpu'" in refuse(CELLS[:1], device="tpu")
    assert "cannot train" in refuse(CELLS[:1], epochs=0)
    assert "cannot be divided into T5" in refuse(["digits-dvs/resnet8/soft/T5/s0"])
    assert "cifar-10-binary.tar.gz" in refuse(["cifar10/resnet19/soft/T2/s0"], data_root=tmp_path)


def test_a_suites_cells_without_data_are_told_and_the_others_trained(tmp_path):
    place = Zoo(tmp_path / "place")
    (place.directory / "suite.toml").write_text(
        SUITE.replace("seeds = [0, 1]", "seeds = [0]")
        + "".join(cells(name, "hard", network="resnet19") for name in ("cifar10", "fashion-mnist"))
    )
    out, err = place.train(*ZOO, "--data-root", place.directory, check=2)
    assert "cifar-10-binary.tar.gz" in err
    assert "The training split of Fashion-MNIST is not under" in err
    assert "| digits/resnet8/T2 | hard | soft | s0 |" in out
    assert (place.directory / "zoo/small.md").exists()


def test_what_is_trained_already_needs_no_training_split(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "cache"))
    cell = "fashion-mnist/resnet8/relu/T1/s0"
    for suffix in (".safetensors", ".md"):
        source = shipped_checkpoint(cell).with_suffix(suffix)
        (tmp_path / cell).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, (tmp_path / cell).with_suffix(suffix))
    train(suite="zoo", only=cell, out=tmp_path, data_root=tmp_path)
    assert f"| {cell.removesuffix('/s0')} | 1 |" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
