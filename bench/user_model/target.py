"""Finds the model that a target names, in the measuring process."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from inflor_bench.errors import SuiteInputError
from inflor_bench.measure.running.foreign import foreign_code

_FORM = "write file.py:factory or package.module:factory"


def load_target(target: str, directory: Path) -> nn.Module:
    """Import a target and make its model, in evaluation mode.

    The directory of a file, and then `directory`, come first on the path.

    Raises:
        SuiteInputError, MeasureInputError: there is no such file, module or attribute, it raised, or it gives no
            torch.nn.Module.
    """
    place, colon, attribute = target.rpartition(":")
    if not colon or not place or not attribute:
        raise SuiteInputError(f"{target!r} is no target: {_FORM}.")
    sys.path.insert(0, str(directory))
    module = _from_file(target, directory / place) if place.endswith(".py") else _import(place)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise SuiteInputError(f"{place} has no attribute {attribute!r}: {_FORM}.")
        value = getattr(value, part)
    if not isinstance(value, nn.Module):
        if not callable(value):
            raise SuiteInputError(
                f"{target} is a {type(value).__name__}: name a torch.nn.Module, or a function that returns one."
            )
        with foreign_code(f"{target}()", "it must return a torch.nn.Module when it is called without arguments"):
            value = value()
    if not isinstance(value, nn.Module):
        raise SuiteInputError(f"{target} returned a {type(value).__name__}: it must be or return a torch.nn.Module.")
    return value.eval()


def _from_file(target: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise SuiteInputError(f"{target}: there is no file {path}: {_FORM}.")
    sys.path.insert(0, str(path.parent.resolve()))
    name = path.stem if path.stem not in sys.modules else f"_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with foreign_code(f"Importing {path.name}", "correct it, or run in its environment"):
        spec.loader.exec_module(module)
    return module


def _import(name: str) -> ModuleType:
    with foreign_code(f"Importing {name}", f"{_FORM}, and run where it can be imported"):
        return importlib.import_module(name)


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of all parameters and persistent buffers with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            plain = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {plain.dtype} {list(plain.shape)}\n".encode())
            digest.update(plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return digest.hexdigest()
