"""Weights on disk: safetensors with what they are as metadata. No pickle is ever read or written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from inflor_bench.errors import ModelInputError
from inflor_bench.files import write_whole
from inflor_bench.models.create import ModelConfig, build

FORMAT = 1
_KEY = "inflor_bench"  # One key: safetensors keeps no order among several, and equal weights must give equal files.


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, shapes, types and values, independent of the file that holds them."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """As `inflor_bench.files.write_whole`.

    Raises:
        ModelInputError: the directory cannot be written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise ModelInputError(f"{path} cannot be written ({error.strerror}): choose another directory.") from None


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata to one safetensors file, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"format": FORMAT, **metadata}, sort_keys=True, allow_nan=False)
    write_atomically(path, save(contiguous, {_KEY: text}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises:
        ModelInputError: the file is missing, damaged, not ours, or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        metadata = json.loads(text) if text is not None else None
    except FileNotFoundError:
        raise ModelInputError(f"{path} does not exist: name a checkpoint that `inflor-bench train` wrote.") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ModelInputError(f"{path} is damaged ({error}): copy or train it anew.") from None
    if not isinstance(metadata, dict):
        raise ModelInputError(f"{path} has no {_KEY!r} metadata: it was not written by `inflor-bench train`.")
    if metadata.get("format") != FORMAT:
        raise ModelInputError(f"{path} has the format {metadata.get('format')!r}, not {FORMAT}: train it anew.")
    return tensors, metadata


def model_config(path: Path, metadata: Mapping[str, Any]) -> ModelConfig:
    """The network that a checkpoint's metadata describes.

    Raises:
        ModelInputError: the description is missing or incomplete.
    """
    config = metadata.get("config")
    try:
        made = ModelConfig(**config)  # type: ignore[arg-type]
    except TypeError:
        made = None
    if made is None or not _describes_a_network(made):
        raise ModelInputError(f"{path}: the key 'config' does not describe a network: train it anew.")
    return made


def _describes_a_network(config: ModelConfig) -> bool:
    """Whether every value is of its type and no size is absurd: a stranger's file may not fill the memory."""
    sizes = ((config.timesteps, 1000), (config.num_classes, 100_000), (config.in_channels, 10_000))
    constants: Any = config.hyperparameters
    return (
        all(isinstance(name, str) for name in (config.network, config.neuron))
        and all(type(size) is int and 1 <= size <= most for size, most in sizes)
        and isinstance(constants, dict)
        and all(type(value) in (int, float) and abs(value) < 1e6 for value in constants.values())
    )


_OF_TRAINING: dict[str, type] = {
    "recipe": dict,
    "dataset": dict,
    "seed": int,
    "training_key": str,
    "weights_sha256": str,
    "curve": list,
    "correct": int,
    "samples": int,
    "command": list,
}


def read_trained(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `read_tensors`, of a checkpoint that says how it was trained.

    Raises:
        ModelInputError: the file is missing or damaged, or does not say it.
    """
    tensors, metadata = read_tensors(path)
    check_trained(path, metadata)
    return tensors, metadata


def check_trained(path: Path, metadata: Mapping[str, Any]) -> None:
    """Check that a checkpoint says how it was trained.

    Raises:
        ModelInputError: it does not.
    """
    model_config(path, metadata)
    for key, kind in _OF_TRAINING.items():
        if key not in metadata:
            raise ModelInputError(f"{path}: the key {key!r} is missing: it was not written by `inflor-bench train`.")
        if type(metadata[key]) is not kind:
            raise ModelInputError(f"{path}: the key {key!r} is damaged: copy or train it anew.")
    curve = [point.get("test_accuracy") if isinstance(point, dict) else None for point in metadata["curve"]]
    if not all(isinstance(value, float) and 0 <= value <= 1 for value in curve):
        raise ModelInputError(f"{path}: the key 'curve' is damaged: copy or train it anew.")
    anytime = metadata.get("anytime", [])
    counts = [metadata["correct"], *anytime] if isinstance(anytime, list) else [None]
    if not all(type(count) is int and 0 <= count <= metadata["samples"] > 0 for count in counts):
        raise ModelInputError(f"{path}: the key 'correct', 'anytime' or 'samples' is damaged: copy or train it anew.")


def load_model(path: str | Path) -> nn.Module:
    """Make the network that a checkpoint describes and load its weights, in evaluation mode.

    Raises:
        ModelInputError: the file is missing, damaged, of another network, or holds values that are not finite.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path)
    model = build(model_config(path, metadata))
    load_weights(model, tensors, path)
    if metadata.get("weights_sha256", "") not in ("", weights_sha256(tensors)):
        raise ModelInputError(f"{path} is damaged (its weights are not those that were stored): copy or train it anew.")
    return model.eval().to(memory_format=torch.channels_last)


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the model; every name and shape must agree and every value be finite.

    Raises:
        ModelInputError: naming the file and the first entry that does not fit.
    """
    expected = model.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise ModelInputError(f"{path}: the entry {name!r} is missing: this is a checkpoint of another network.")
        if name not in expected:
            raise ModelInputError(f"{path}: the entry {name!r} is unknown: this is a checkpoint of another network.")
        if tensors[name].shape != expected[name].shape:
            raise ModelInputError(
                f"{path}: the entry {name!r} has the shape {list(tensors[name].shape)}, "
                f"not {list(expected[name].shape)}: this is a checkpoint of another network or number of classes."
            )
        if not torch.isfinite(tensors[name]).all():
            raise ModelInputError(f"{path}: the entry {name!r} holds values that are not finite: train it anew.")
    model.load_state_dict(dict(tensors))
