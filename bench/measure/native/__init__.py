"""Native passes over an input, built from C where a compiler is found; without one, torch does the same, slower.

The library is built once and kept in the user's cache directory under a hash of its source and its compiler, so that
the next process only loads it. `INFLOR_BENCH_EAGER` keeps to torch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

logger = logging.getLogger("inflor_bench.measure")

SOURCE = Path(__file__).with_name("occupancy.c")
_FUNCTIONS = {
    torch.float32: "occupancy_float32",
    torch.float64: "occupancy_float64",
    torch.float16: "occupancy_float16",
    torch.bfloat16: "occupancy_bfloat16",
}
Pass = Callable[..., int]
_MOST_ROWS = 2**31 - 1  # a count is an int32


class BuildError(Exception):
    """The library cannot be built or loaded here; the message says why."""


def occupancy(x: Tensor) -> tuple[Tensor, int, int] | None:
    """Pass once over x [R, M], contiguous: non-zero elements by column (int32 [M]), in all, and those that are 1 or -1.

    None where torch has to do it: no compiler, another device or type, or too many rows.
    """
    if x.device.type != "cpu" or x.dtype not in _FUNCTIONS or x.shape[0] > _MOST_ROWS:
        return None
    passes = _passes()
    if passes is None:
        return None
    rows, columns = x.shape
    counts = torch.empty(columns, dtype=torch.int32)
    totals = (ctypes.c_int64 * 2)()
    if passes[x.dtype](x.data_ptr(), rows, columns, counts.data_ptr(), totals):
        raise MemoryError(f"no memory for counts of {columns} positions in every thread")
    return counts, totals[0], totals[1]


@functools.cache
def _passes() -> dict[torch.dtype, Pass] | None:
    if os.environ.get("INFLOR_BENCH_EAGER"):
        return None
    try:
        library = ctypes.CDLL(str(built(directory())))
        return {dtype: _function(library, name) for dtype, name in _FUNCTIONS.items()}
    except (BuildError, OSError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        logger.warning("Counting goes without its native pass, with the same results but slower: %s", reason)
        return None


def _function(library: ctypes.CDLL, name: str) -> Pass:
    function = library[name]
    function.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
    function.restype = ctypes.c_int
    return function


def directory() -> Path:
    """Where libraries are kept: under INFLOR_BENCH_CACHE, else the user's cache directory."""
    if os.environ.get("INFLOR_BENCH_CACHE"):
        return Path(os.environ["INFLOR_BENCH_CACHE"]) / "native"
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inflor-bench" / "native"


def built(where: Path) -> Path:
    """Build the library in a directory, or find it there.

    Raises:
        BuildError: there is no C compiler, or it fails.
        OSError: the directory cannot be written to.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "gcc", "cc", "clang"))), None)
    if compiler is None:
        raise BuildError("no C compiler was found.")
    determined_by = [SOURCE.read_bytes(), str(Path(compiler).resolve()).encode(), os.uname().machine.encode()]
    path = where / f"occupancy-{hashlib.sha256(b'|'.join(determined_by)).hexdigest()[:16]}.so"
    if path.exists():
        return path
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where) as scratch:
        parts, library = Path(scratch) / "occupancy.o", Path(scratch) / "occupancy.so"
        _run(compiler, "-O3", "-fPIC", "-fopenmp", "-c", str(SOURCE), "-o", str(parts))
        # Linked without OpenMP's library: its symbols are those of the one that torch has loaded for all.
        _run(compiler, "-shared", str(parts), "-o", str(library))
        library.replace(path)
    return path


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
        raise BuildError(f"{command[0]} failed: {first}")
