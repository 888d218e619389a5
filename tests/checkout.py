"""The command line of a checkout's own code, whatever is installed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from inflor_bench.layout import lay_out


def inflor_bench(checkout: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in the checkout, as its files are now, to its end."""
    with tempfile.TemporaryDirectory() as packages:
        lay_out(checkout, Path(packages))
        return subprocess.run(
            [sys.executable, "-m", "inflor_bench", *map(str, arguments)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": packages, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
