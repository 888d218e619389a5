"""The wheel holds every file of the package, data and weights too, and nothing else; it takes nobody's names."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.command import ROOT, python

FOLDERS = {"bench": "inflor_bench", "models": "inflor_bench/models", "reports": "inflor_bench/reports"}
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
# What a stranger's repository has beside our names: packages, and a folder without `__init__.py`.
STRANGER = {
    "bench/__init__.py": "raise ImportError('the bench of a stranger')",
    "reports/__init__.py": "raise ImportError('the reports of a stranger')",
    "models/vgg.py": "import torch\n\n\ndef build():\n    return torch.nn.Sequential(torch.nn.Linear(6, 4))\n",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy, because building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    python("-c", BUILD, out, cwd=source)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def content(wheel):
    """What is in it, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_every_file_of_the_package_as_it_is_here_and_nothing_else(content):
    listed = subprocess.run(["git", "ls-files", "-z", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {}
    for name in listed.stdout.split("\0")[:-1]:
        folder, _, rest = name.partition("/")
        expected[f"{FOLDERS[folder]}/{rest}"] = (ROOT / name).read_bytes()
    assert "inflor_bench/models/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz" in expected
    held = {name: data for name, data in content.items() if ".dist-info/" not in name}
    assert held.keys() == expected.keys()
    assert [name for name in held if held[name] != expected[name]] == []


def test_the_licence_of_the_data_is_told_as_ours_is(content):
    (told,) = [name for name in content if name.endswith(".dist-info/METADATA")]
    licences = [line for line in content[told].decode().splitlines() if line.startswith("License-File: ")]
    assert licences == ["License-File: LICENSE", "License-File: models/datasets/fashion-mnist/LICENSE"]
    assert b"Copyright (c) 2017 Zalando SE" in content["inflor_bench/models/datasets/fashion-mnist/LICENSE"]


def test_an_index_would_take_it(wheel):
    python("-m", "twine", "check", "--strict", wheel)


def takes_no_names(directory: Path, python: str, **environment: str) -> None:
    """In their repository ours is imported, and nothing by a name of theirs."""
    for name, text in STRANGER.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    code = (
        "import inflor_bench, sys; from inflor_bench.measure import SynOpCounter; from inflor_bench.models import"
        " create_model; print(inflor_bench.__file__, {'bench', 'models', 'reports'} & set(sys.modules))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True
    )
    path, names = done.stdout.split(maxsplit=1)
    assert names.strip() == "set()", done.stderr
    if environment:
        assert Path(path).is_relative_to(environment["PYTHONPATH"])


def measures_the_model_of_a_stranger(directory: Path, python: str, **environment: str) -> None:
    """In their repository our commands work, and theirs is the model that is measured."""
    takes_no_names(directory, python, **environment)

    def call(*arguments: str) -> str:
        command = [python, "-m", "inflor_bench", *arguments]
        done = subprocess.run(
            command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("measure", "models.vgg:build", "--shape", "6", "--rounds", "3", "--quick", "--out", "out")
    (path,) = (directory / "out").rglob("*.json")
    assert json.loads(path.read_text())["benchmarks"][0]["name"] == "test_own[models.vgg:build on random]"
    call("compare", str(path), str(path))


def test_as_a_wheel_it_leaves_the_names_of_its_folders_to_others(wheel, tmp_path):
    place, theirs = tmp_path / "installed", tmp_path / "theirs"
    python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", place, wheel)
    assert sorted(path.name for path in place.iterdir() if path.is_dir() and "dist-info" not in path.name) == [
        "bin",
        "inflor_bench",
    ]
    measures_the_model_of_a_stranger(theirs, sys.executable, PYTHONPATH=str(place))


def test_as_this_environment_has_it_it_leaves_them_too(tmp_path):
    """Editable, where tox has installed it."""
    takes_no_names(tmp_path, sys.executable)


@pytest.mark.slow
def test_as_this_environment_has_it_the_model_of_a_stranger_is_measured(tmp_path):
    measures_the_model_of_a_stranger(tmp_path, sys.executable)


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_measures_with_what_it_asks_for(wheel, tmp_path):
    venv.create(tmp_path / "environment", with_pip=True)
    python = str(tmp_path / "environment/bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True)
    measures_the_model_of_a_stranger(tmp_path / "theirs", python)
