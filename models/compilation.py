"""Compiles the neuron kernels where a compiler is found, and says once where none is.

The eager path runs the same functions: the results are equal, only slower.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
from collections.abc import Callable

import torch
from torch import Tensor

logger = logging.getLogger("inflor_bench.models")

Kernel = Callable[..., Tensor]


@functools.cache
def compiler_available() -> bool:
    """Whether torch.compile can build CPU kernels here: a C++ compiler is found and `INFLOR_BENCH_EAGER` is not set."""
    if os.environ.get("INFLOR_BENCH_EAGER"):
        return False
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None and shutil.which("clang++") is None:
        logger.warning("No C++ compiler was found: neurons run eagerly, with the same results but slower.")
        return False
    return True


# Kernels that one function may have: one for each number of time steps, type and set of the neurons' constants.
_VARIANTS = 64


@functools.cache
def _compiled(function: Kernel) -> Kernel:
    return torch.compile(function, fullgraph=True, dynamic=False, recompile_limit=_VARIANTS)  # type: ignore[call-overload]


_broken: set[Kernel] = set()


def run_fused(function: Kernel, *tensors: Tensor, **constants: float | bool | str) -> Tensor:
    """Call `function(*tensors, **constants)`, compiled where possible; tensors are [..., M] with M free to vary.

    M is marked dynamic, else every layer shape would compile anew until torch's recompile limit drops to eager.
    """
    device = tensors[0].device.type
    # A counter's dispatch mode looks at single operators, which a compiled kernel has none of.
    watched = torch._C._len_torch_dispatch_stack() > 0
    if watched or function in _broken or tensors[0].shape[-1] < 2 or (device == "cpu" and not compiler_available()):
        return function(*tensors, **constants)
    for tensor in tensors:
        torch._dynamo.mark_dynamic(tensor, tensor.ndim - 1)
    try:
        return _compiled(function)(*tensors, **constants)
    except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError, RuntimeError) as error:
        _broken.add(function)
        logger.warning("%s could not be compiled and runs eagerly: %s", function.__name__, str(error).splitlines()[0])
        return function(*tensors, **constants)
