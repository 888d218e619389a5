"""Native passes over tensors, built from C where a compiler is found; without one, torch does the same, slower.

The library is built once and kept in the user's cache directory under a hash of its source and its compiler, so that
the next process only loads it. `INFLOR_BENCH_EAGER` keeps to torch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inflor_bench.cache import cache_directory
from inflor_bench.files import write_whole
from inflor_bench.measure.bins import BINS, BINS_PER_UNIT, HIGH, LOW

logger = logging.getLogger("inflor_bench.measure")

SOURCES = tuple(Path(__file__).with_name(name) for name in ("occupancy.c", "losses.c", "clones.h"))
_TYPES = {torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16"}
_LOSS_TYPES = (torch.float32, torch.float64)
_POINTER, _INTEGER, _DOUBLE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
# Result and arguments of each pass; its name goes on with the type.
_PASSES: dict[str, tuple[type[Any], list[type[Any]]]] = {
    "occupancy": (ctypes.c_int, [_POINTER, _INTEGER, _INTEGER, _POINTER, _POINTER]),
    "distance": (_DOUBLE, [_POINTER, _POINTER, _INTEGER, _POINTER]),
    "thrown_away": (_DOUBLE, [_POINTER, _POINTER, _POINTER, _INTEGER]),
    "levels_off": (_DOUBLE, [_POINTER, _POINTER, _INTEGER, _INTEGER]),
    "binary": (ctypes.c_int, [_POINTER, _INTEGER]),
}
Pass = Callable[..., Any]
COMPILER_SECONDS = 300.0
# Without contraction a product is rounded before it is added, on every machine.
_OPTIONS = (
    *("-O3", "-fPIC", "-fopenmp", "-ffp-contract=off"),
    *(f"-DBINS_FROM={LOW}", f"-DBINS_TO={HIGH}", f"-DBINS_PER_UNIT={BINS_PER_UNIT}"),
)
_MOST_ROWS = 2**31 - 1  # a count is an int32


class BuildError(Exception):
    """The library cannot be built or loaded here; the message says why."""


def occupancy(x: Tensor) -> tuple[Tensor, int, int] | None:
    """Pass once over x [R, M], contiguous: non-zero elements by column (int32 [M]), in all, and those that are 1 or -1.

    None where torch has to do it: no compiler, another device or type, or too many rows.
    """
    if x.shape[0] > _MOST_ROWS:
        return None
    found = _pass("occupancy", x)
    if found is None:
        return None
    rows, columns = x.shape
    counts = torch.empty(columns, dtype=torch.int32)
    totals = (ctypes.c_int64 * 2)()
    if found(x.data_ptr(), rows, columns, counts.data_ptr(), totals):
        raise MemoryError(f"no memory for counts of {columns} positions in every thread")
    return counts, totals[0], totals[1]


def distance(x: Tensor, spikes: Tensor) -> tuple[float, Tensor] | None:
    """Sum of (spikes - x)^2 and the counts of x in the bins of information loss (int64), over one piece of a layer.

    None where torch has to do it: no compiler, another device or type, or two layouts. So it is below.
    """
    found = _pass("distance", x, spikes)
    if found is None:
        return None
    counts = torch.empty(BINS + 2, dtype=torch.int64)
    return found(x.data_ptr(), spikes.data_ptr(), x.numel(), counts.data_ptr()), counts


def thrown_away(u: Tensor, v: Tensor, spikes: Tensor) -> float | None:
    """Sum of |u - v - spike| where there is a spike, over one piece of a layer."""
    found = _pass("thrown_away", u, v, spikes)
    return None if found is None else found(u.data_ptr(), v.data_ptr(), spikes.data_ptr(), u.numel())


def levels_off(current: Tensor, spikes: Tensor, timesteps: int) -> float | None:
    """Sum over neurons of |spikes - k|, over one piece of a layer, [T*n, ...]; k / T is the rounded mean current."""
    found = _pass("levels_off", current, spikes)
    if found is None:
        return None
    return found(current.data_ptr(), spikes.data_ptr(), timesteps, current.numel() // timesteps)


def binary(x: Tensor) -> bool | None:
    """Tell whether every element is 0 or 1."""
    found = _pass("binary", x)
    return None if found is None else bool(found(x.data_ptr(), x.numel()))


def _pass(name: str, *tensors: Tensor) -> Pass | None:
    """The pass over tensors of one type, size and layout, dense in memory; None where torch has to do it."""
    first = tensors[0]
    passes = _passes()
    if passes is None or (name, first.dtype) not in passes:
        return None
    dense = first.is_contiguous() or (first.ndim == 4 and first.is_contiguous(memory_format=torch.channels_last))
    fits = dense and all(
        tensor.device.type == "cpu"
        and tensor.dtype == first.dtype
        and tensor.shape == first.shape
        and tensor.stride() == first.stride()
        for tensor in tensors
    )
    return passes[name, first.dtype] if fits else None


@functools.cache
def _passes() -> dict[tuple[str, torch.dtype], Pass] | None:
    if os.environ.get("INFLOR_BENCH_EAGER"):
        return None
    try:
        library = ctypes.CDLL(str(built(cache_directory() / "native")))
        return {
            (name, dtype): _function(library, name, dtype)
            for name in _PASSES
            for dtype in (_TYPES if name == "occupancy" else _LOSS_TYPES)
        }
    except (BuildError, OSError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        logger.warning("Counting goes without its native passes, with the same results but slower: %s", reason)
        return None


def _function(library: ctypes.CDLL, name: str, dtype: torch.dtype) -> Pass:
    function = library[f"{name}_{_TYPES[dtype]}"]
    function.restype, function.argtypes = _PASSES[name]
    return function


def built(where: Path) -> Path:
    """Build the library in a directory, or find it there.

    Raises:
        BuildError: there is no C compiler, or it fails.
        OSError: the directory cannot be written to.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "gcc", "cc", "clang"))), None)
    if compiler is None:
        raise BuildError("no C compiler was found.")
    built_by = [str(Path(compiler).resolve()), platform.machine(), *_OPTIONS]
    determined_by = b"|".join([*(source.read_bytes() for source in SOURCES), *map(str.encode, built_by)])
    path = where / f"passes-{hashlib.sha256(determined_by).hexdigest()[:16]}.so"
    if path.exists():
        return path
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where) as scratch:
        parts, library = [], Path(scratch) / "passes.so"
        for source in SOURCES:
            if source.suffix == ".c":
                parts.append(str(Path(scratch) / f"{source.stem}.o"))
                _run(compiler, *_OPTIONS, "-c", str(source), "-o", parts[-1])
        # Linked without OpenMP's library: its symbols are those of the one that torch has loaded for all.
        _run(compiler, "-shared", *parts, "-o", str(library))
        write_whole(path, library.read_bytes())
    return path


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILER_SECONDS)
    except subprocess.TimeoutExpired:
        raise BuildError(f"{command[0]} was not done within {COMPILER_SECONDS:g} s") from None
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
        raise BuildError(f"{command[0]} failed: {first}")
