"""Another way to the same numbers: hooks that keep what a module took and gave, and plain loops over it."""

import torch
from torch import nn


def first(value):
    return value[0] if isinstance(value, tuple) else value


class Watched:
    """Inputs and outputs of every module by name, one entry a call."""

    def __init__(self, model: nn.Module) -> None:
        self.inputs: dict[str, list[torch.Tensor]] = {}
        self.outputs: dict[str, list[torch.Tensor]] = {}
        for name, module in model.named_modules():
            module.register_forward_hook(self._hook(name))

    def _hook(self, name):
        def hook(module, args, output):
            if args and isinstance(args[0], torch.Tensor) and isinstance(first(output), torch.Tensor):
                self.inputs.setdefault(name, []).append(args[0].detach().clone())
                self.outputs.setdefault(name, []).append(first(output).detach().clone())

        return hook


def linear_operations(x: torch.Tensor, weight: torch.Tensor) -> int:
    """Pairs of a non-zero input and a non-zero weight."""
    return int(((x != 0).double().flatten(0, -2) @ (weight != 0).double().t()).sum())


def conv_operations(x: torch.Tensor, conv: nn.Module) -> int:
    """The same of a convolution, by the convolution of ones and zeros."""
    taps = (conv.weight != 0).double()
    ones = (x.flatten(0, -4) != 0).double()
    return int(
        nn.functional.conv2d(
            ones, taps, stride=conv.stride, padding=conv.padding, dilation=conv.dilation, groups=conv.groups
        ).sum()
    )
