"""The inference form of a network: what training alone needs is gone, the predictions stay."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inflor_bench.errors import ModelInputError
from inflor_bench.models.networks.tdbn import TdBatchNorm2d
from inflor_bench.models.neurons import LIF

# From so many channels on, contiguous convolutions are as fast as channels-last ones or faster: of torch 2.14 on an
# AVX-512 Xeon, 3x3 ones took 0.5 to 0.95 times as long channels last with 16 to 128 channels, 1.0 to 1.6 times with
# 256, and 1.3 to 2.8 times with 384 and 512.
_WIDE = 256


def deploy(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, with normalisation folded into the convolutions, no MPR, in the faster layouts.

    In evaluation mode a batch norm is a multiply and an add for each channel, which the convolution before it can
    carry; tdBN is one too (`models.networks.tdbn`). The MPR is for training (`models.functional.fire`). Sums are
    rounded differently from the trained form: a membrane within about 1e-7 of the firing level may fall on its other
    side. The memory layout goes by the channels alone (`_WIDE`): one that a timing chose would change the rounding, and
    with it spikes, from run to run.

    Raises:
        ModelInputError: a normalisation does not follow a convolution, so that it cannot be folded.
    """
    deployed = copy.deepcopy(model).eval()
    for parent, convolution, normalisation in list(_pairs(deployed)):
        norm = getattr(parent, normalisation)
        norm = norm.plain() if isinstance(norm, TdBatchNorm2d) else norm
        setattr(parent, convolution, fuse_conv_bn_eval(getattr(parent, convolution), norm))
        setattr(parent, normalisation, nn.Identity())
    for name, module in deployed.named_modules():
        if isinstance(module, _BatchNorm):
            raise ModelInputError(f"{name!r} does not follow a convolution: a network with it cannot be deployed.")
        if isinstance(module, LIF):
            module.mpr = False
    deployed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in deployed.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels >= _WIDE:
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            module.register_forward_pre_hook(_contiguous)
    return deployed


def _contiguous(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(arg.contiguous() for arg in args)


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Parent, convolution and normalisation: `conv<suffix>` and `norm<suffix>`, or neighbours in a Sequential."""
    for parent in model.modules():
        children = list(parent.named_children())
        if isinstance(parent, nn.Sequential):
            neighbours = [(first, second) for (first, _), (second, _) in pairwise(children)]
        else:
            neighbours = [(name, name.replace("conv", "norm", 1)) for name, _ in children if name.startswith("conv")]
        for first, second in neighbours:
            if isinstance(getattr(parent, first), nn.Conv2d) and isinstance(getattr(parent, second, None), _BatchNorm):
                yield parent, first, second
