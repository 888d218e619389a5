"""The command line in processes of its own that begin with torch and the report imported, so that runs are short."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["torch", "pytest_benchmark", "bench.cli", "bench.suites.run", "reports.page", "seaborn"])


def call(directory: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `inflor-bench` in a directory with further variables; return its code and what it printed."""
    files = [directory.parent / name for name in ("stdout", "stderr")]
    words = [str(argument) for argument in arguments]
    process = _FORKS.Process(target=_main, args=(directory, words, environment, files))
    process.start()
    process.join()
    assert process.exitcode is not None
    return subprocess.CompletedProcess(words, process.exitcode, *(file.read_text("utf-8") for file in files))


def _main(directory: Path, arguments: list[str], environment: dict[str, str], files: list[Path]) -> None:
    for descriptor, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(directory)
    os.environ.update(environment)
    sys.argv = ["inflor-bench", *arguments]
    from bench.cli import main

    main()
