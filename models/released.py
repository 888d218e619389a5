"""Weights in the format of the code that Guo et al. (ECCV 2022) released, for our networks of the same name.

The released code wraps each layer, and the whole network, in one more module. By the kind of layer an entry is called

    model.<path>.pool.weight (and .bias)    convolution
    model.<path>.bn.*                       plain batch norm
    model.<path>.*                          threshold-dependent batch norm
    model.<path>.conv.weight, .bias         linear layer

and `_released_path` gives the path of each of our layers. Files are safetensors, or torch's with weights alone: no
pickle is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models.checkpoints import save_tensors
from inflor_bench.models.create import ModelConfig, build
from inflor_bench.models.networks.released_resnet import ReleasedResNet
from inflor_bench.models.networks.tdbn import TdBatchNorm2d
from inflor_bench.models.networks.vgg import VGG
from inflor_bench.models.neurons import DEFAULT_CONSTANTS, WITHOUT_TIME

RELEASED_NETWORKS = ("resnet19", "resnet20-modified", "vgg16", "resnet18", "resnet34")

_WRAPPED = {nn.Conv2d: ".pool", nn.BatchNorm2d: ".bn", TdBatchNorm2d: "", nn.Linear: ".conv"}


def released_names(model: nn.Module) -> dict[str, str]:
    """Name in our state dict of each entry in the released format, by the latter."""
    names = {}
    for path, module in model.named_modules():
        if type(module) in _WRAPPED:
            wrapped = f"model.{_released_path(model, path)}{_WRAPPED[type(module)]}"
            names.update({f"{wrapped}.{entry}": f"{path}.{entry}" for entry in module.state_dict()})
    return names


def _released_path(model: nn.Module, path: str) -> str:
    """Path of a layer of ours in the released network."""
    first, *rest = path.split(".")
    if isinstance(model, VGG):
        fixed = {"conv": "features.0", "norm": "features.1", "linear": "classifier"}
        return fixed[first] if first in fixed else f"features.{int(rest[0]) + 2}"
    if first == "stages":
        stage, block, layer, *index = rest
        layer = layer.replace("norm", "bn").replace("shortcut", "downsample")
        return ".".join([f"layer{int(stage) + 1}", block, layer, *index])
    if first == "stem":
        return f"conv1.{int(rest[0]) + 2}"
    deep = isinstance(model, ReleasedResNet) and model.stem_is_deep
    return {"conv": "conv1.0" if deep else "conv1", "norm": "conv1.1" if deep else "bn1", "linear": "fc"}[first]


def import_weights(
    source: Path,
    out: Path,
    *,
    network: str,
    neuron: str,
    timesteps: int,
    num_classes: int,
    in_channels: int,
    decay: float,
) -> None:
    """Write the released weights in `source` as a checkpoint of ours, `out`, which `load_model` reads.

    A state dict does not say the neurons' `decay`: the released MPR layer has 1.0.

    Raises:
        ModelInputError: the network has no released form, or the file is missing, damaged, more than weights, or holds
            weights of another network or number of classes, or values that are not finite.
    """
    if network not in RELEASED_NETWORKS:
        raise ModelInputError(f"{network!r} is no released network: choose one of {', '.join(RELEASED_NETWORKS)}.")
    if not 0 <= decay <= 1:
        raise ModelInputError(f"decay is {decay}: give a number from 0 to 1.")
    constants = {} if neuron in WITHOUT_TIME else {**DEFAULT_CONSTANTS, "decay": decay}
    config = ModelConfig(network, neuron, timesteps, num_classes, in_channels, constants)
    model = build(config)
    content = _read(source)
    ours = convert(source, _tensors(source, content), network, model)
    origin = {"file": source.name, "sha256": hashlib.sha256(content).hexdigest()}
    save_tensors(out, ours, {"config": config.as_dict(), "imported": origin})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelInputError(f"{path} cannot be read ({error.strerror}): name a file of released weights.") from None


def _tensors(path: Path, content: bytes) -> Mapping[str, Tensor]:
    """Entries of a safetensors file, or of a torch file that holds tensors by name and nothing else."""
    try:
        if content[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
            return load(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd files torch says more than one sentence
            held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged or hostile bytes lead to errors of any kind
        raise ModelInputError(
            f"{path} cannot be read as weights ({type(error).__name__}), and nothing in it was executed: "
            "copy it anew, or save its state dict alone, best as safetensors."
        ) from None
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise ModelInputError(f"{path} holds no state dict, which is tensors by name: save the state dict alone.")
    return held


def convert(path: Path, tensors: Mapping[str, Tensor], network: str, model: nn.Module) -> dict[str, Tensor]:
    """State dict of `model` from entries in the released format; `path` is for the sentences.

    Raises:
        ModelInputError: naming the file and the first entry that is missing, unknown or does not fit.
    """
    names, expected = released_names(model), model.state_dict()
    for name in sorted(names.keys() ^ tensors.keys()):
        raise ModelInputError(
            f"{path}: the entry {name!r} is {'unknown' if name in tensors else 'missing'}: it holds {len(tensors)} "
            f"entries, which are not the {len(names)} of a released {network}."
        )
    ours = {}
    for name, own in names.items():
        given, target = tensors[name], expected[own]
        if not isinstance(given, Tensor) or given.layout != torch.strided or given.is_quantized or given.is_meta:
            raise ModelInputError(f"{path}: the entry {name!r} is no plain tensor: save the state dict of the network.")
        if given.shape != target.shape:
            raise ModelInputError(
                f"{path}: the entry {name!r} has the shape {list(given.shape)}, not {list(target.shape)}: it is of "
                f"another network than {network}, or of other --classes or --channels."
            )
        if given.is_floating_point() != target.is_floating_point() or given.is_complex():
            raise ModelInputError(f"{path}: the entry {name!r} has the type {given.dtype}, not {target.dtype}.")
        ours[own] = given.to(target.dtype)
        if not torch.isfinite(ours[own]).all():
            raise ModelInputError(
                f"{path}: the entry {name!r} holds values that are not finite: copy or train it anew."
            )
    return ours
