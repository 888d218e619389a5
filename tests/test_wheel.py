"""The wheel holds every file of the packages, data and weights too, and the licences of all that is in it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "models", "reports")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What is in the wheel, by name; it is built of a copy, because building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", BUILD, out], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_file_of_the_packages_is_in_it_as_it_is_here(wheel):
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    names = listed.stdout.split("\0")[:-1]
    assert "models/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz" in names
    assert [name for name in names if wheel.get(name) != (ROOT / name).read_bytes()] == []


def test_the_licence_of_the_data_is_told_as_ours_is(wheel):
    (told,) = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    licences = [line for line in wheel[told].decode().splitlines() if line.startswith("License-File: ")]
    assert licences == ["License-File: LICENSE", "License-File: models/datasets/fashion-mnist/LICENSE"]
    assert b"Copyright (c) 2017 Zalando SE" in wheel["models/datasets/fashion-mnist/LICENSE"]
