"""The inputs of a measurement: a data set of ours, a file, or random numbers; with what a record says of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from inflor_bench.errors import SuiteInputError
from inflor_bench.record.origin import DatasetProvenance

_KEYS = "inputs or x, [N, ...], or sequences, [T, N, ...]; labels or y, [N], may stand beside it"
RANDOM_SAMPLES = 32


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs [N, ...], or [T, N, ...] where `timed`, and labels [N] where there are any."""

    tensors: dict[str, Tensor]
    timed: bool
    data: DatasetProvenance


def from_dataset(
    name: str, root: Path | None, download: bool, samples: int | None, timesteps: int | None = None
) -> Inputs:
    """The test split of a data set of ours, normalised as for training; events as so many frames as time steps.

    Raises:
        ModelInputError, DatasetUnavailableError: it is unknown, damaged or not here.
    """
    from inflor_bench.models.datasets import load_dataset

    dataset = load_dataset(name, root, download, timesteps)
    split = dataset.test
    images, labels = dataset.normalise(split.head(samples or len(split))), split.labels[:samples]
    return Inputs(
        {"inputs": images.contiguous(), "labels": labels.to(torch.int64).contiguous()},
        timed=split.timed,
        data=DatasetProvenance(
            name=name,
            split="test",
            samples=len(labels),
            sha256=dataset.sha256,
            simulated=dataset.simulated,
            events_sha256=dataset.events_sha256,
        ),
    )


def from_shape(shape: str, samples: int | None, seed: int) -> Inputs:
    """Uniform random numbers in [0, 1) of a shape such as 1x28x28, the same for the same seed.

    Raises:
        SuiteInputError: it is no shape.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,8}(x[1-9][0-9]{0,8})*", shape):
        raise SuiteInputError(f"--shape is {shape!r}: give the shape of one sample, such as 1x28x28.")
    size = [int(part) for part in shape.split("x")]
    number = RANDOM_SAMPLES if samples is None else samples
    try:
        values = torch.rand(number, *size, generator=torch.Generator().manual_seed(seed))
    except RuntimeError:
        raise SuiteInputError(f"{number} samples of --shape {shape} do not fit into memory: give fewer.") from None
    digest = hashlib.sha256(values.numpy().tobytes()).hexdigest()
    return Inputs(
        {"inputs": values},
        timed=False,
        data=DatasetProvenance(name="random", split=f"{shape}, seed {seed}", samples=number, sha256=digest),
    )


def from_file(path: Path, samples: int | None) -> Inputs:
    """The arrays of a .npz or .safetensors file.

    Raises:
        SuiteInputError: it cannot be read, or holds something else.
    """
    tensors = _read(path)
    found = [key for key in ("inputs", "x", "sequences") if key in tensors]
    if len(found) != 1:
        has = f"has {' and '.join(found)}" if found else f"has {', '.join(sorted(tensors)) or 'nothing'}"
        raise SuiteInputError(f"{path} {has}: give one key of {_KEYS}.")
    timed = found[0] == "sequences"
    values = tensors[found[0]]
    if values.ndim < 1 + timed or not values.numel():
        raise SuiteInputError(f"{path}: key {found[0]!r} has shape {list(values.shape)}: give {_KEYS}.")
    count = values.shape[int(timed)]
    values = values[:, :samples] if timed else values[:samples]
    kept = {"inputs": values.contiguous()}
    labels = [key for key in ("labels", "y") if key in tensors]
    if labels:
        given = tensors[labels[0]]
        if given.is_floating_point() or given.dtype == torch.bool or list(given.shape) != [count]:
            raise SuiteInputError(
                f"{path}: key {labels[0]!r} is {str(given.dtype).removeprefix('torch.')} of shape {list(given.shape)}: "
                f"give whole numbers of shape [{count}], a label for each of the {found[0]}."
            )
        kept["labels"] = given[:samples].to(torch.int64).contiguous()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    number = values.shape[int(timed)]
    return Inputs(
        kept, timed, DatasetProvenance(name=path.name, split=f"key {found[0]}", samples=number, sha256=digest)
    )


def _read(path: Path) -> Mapping[str, Tensor]:
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".safetensors"):
        raise SuiteInputError(f"--inputs {path} is neither .npz nor .safetensors: give one of them, with key {_KEYS}.")
    if not path.is_file():
        raise SuiteInputError(f"--inputs {path}: there is no such file.")
    try:
        if suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as archive:
            return {key: torch.from_numpy(archive[key]) for key in archive.files}
    except Exception as error:  # damaged or hostile bytes lead to errors of any kind
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SuiteInputError(f"--inputs {path} cannot be read ({reason}): write it anew.") from None
