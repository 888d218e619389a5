"""Copies of this repository, and the command line of a checkout's own code, whatever is installed."""

import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from inflor_bench.layout import lay_out
from tests.command import ROOT, python


def copy(directory: Path) -> None:
    """Write the files of this repository's last commit into a directory."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True).stdout
    with tarfile.TarFile(fileobj=BytesIO(archive)) as files:
        files.extractall(directory, filter="data")


def inflor_bench(checkout: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in the checkout, as its files are now, to its end."""
    with tempfile.TemporaryDirectory() as packages:
        lay_out(checkout, Path(packages))
        variables = {"PYTHONPATH": packages, **environment}
        return python("-m", "inflor_bench", *arguments, cwd=checkout, check=None, **variables)
