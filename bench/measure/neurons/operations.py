"""The ledger of what is not synaptic: neuron updates, and normalisation, pooling, bias, residual and other arithmetic.

Neuron updates of one layer, for the dynamics u = decay * v + current, spike where u > threshold, reset:

    updates             one per neuron, time step and sample
    leak_multiplies     one per update; none where decay is 1 (integrate and fire)
    integrate_adds      one per update
    compares            one per update, with the threshold
    reset_operations    one per spike: the soft reset subtracts from the membrane, the hard reset sets it

The membrane potential rectifier (MPR, Guo et al., ECCV 2022, arXiv 2307.04356) costs nothing at inference. It is
increasing and maps the firing level 1/2 to itself, so phi(u) > 1/2 exactly where u > 1/2: it never changes a spike,
what is carried on is u and not phi(u), and so it need not be computed. It acts in training, through the gradient.

Normalisation appears where a model runs it. A model that was deployed with its normalisation folded into the
convolutions runs none, and has none here: nothing is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.protocol import SpikingNeuron


@dataclass(frozen=True)
class NeuronUpdates:
    """Neuron updates of one layer over the whole run. `neurons` is how many it has, whose membranes are kept."""

    name: str
    reset: str
    mpr: bool
    neurons: int
    updates: int
    leak_multiplies: int
    integrate_adds: int
    compares: int
    reset_operations: int


@dataclass(frozen=True)
class OtherOps:
    """Elementary operations of one sort in one module over the whole run; what one element costs stands at each rule.

    `kind` is "normalisation", "pooling", "bias", "residual", "elementwise" or "activation".
    """

    name: str
    kind: str
    calls: int
    adds: int
    multiplies: int
    compares: int


@dataclass(frozen=True)
class Cost:
    """What one call of an operator costs."""

    kind: str
    adds: int = 0
    multiplies: int = 0
    compares: int = 0


Rule = Callable[..., Cost | None]

aten = torch.ops.aten
_rules: dict[Any, Rule] = {}


def _rule(*operators: Any) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _rules.update(dict.fromkeys(operators, rule))
        return rule

    return register


def _first(output: Any) -> Tensor:
    tensor = output[0] if isinstance(output, (tuple, list)) else output
    assert isinstance(tensor, Tensor)
    return tensor


@_rule(
    aten.batch_norm,
    aten.native_batch_norm,
    aten.cudnn_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
    aten._batch_norm_no_update,
    aten._batch_norm_with_update,
    aten.native_group_norm,
    aten.native_layer_norm,
)
def normalisation(output: Any, *_: Any, **__: Any) -> Cost:
    """One multiply and one add an element. Statistics that are taken at run time are not included."""
    elements = _first(output).numel()
    return Cost("normalisation", adds=elements, multiplies=elements)


def _windows(output: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """Elements that all windows of one axis read inside the borders, and how many windows read any."""
    reads = [
        sum(0 <= place * stride - padding + tap * dilation < size for tap in range(kernel)) for place in range(output)
    ]
    return sum(reads), sum(count > 0 for count in reads)


def _pooled(output: Tensor, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, int]:
    """Elements read by all windows of a pooling layer, and windows."""
    spatial = len(kernel)
    each = [
        list(value) * spatial if len(value) == 1 else list(value) for value in (stride or kernel, padding, dilation)
    ]
    axes = [
        _windows(output.shape[axis - spatial], x.shape[axis - spatial], kernel[axis], *(value[axis] for value in each))
        for axis in range(spatial)
    ]
    planes = math.prod(output.shape[:-spatial])
    return planes * math.prod(reads for reads, _ in axes), planes * math.prod(windows for _, windows in axes)


@_rule(aten.avg_pool2d, aten.avg_pool3d)
def average_pooling(
    output: Tensor, x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), *_: Any, **__: Any
) -> Cost:
    """A window of k elements inside the borders is k - 1 adds and one multiply."""
    kernel = list(kernel) * (2 if output.ndim < 5 else 3) if len(kernel) == 1 else kernel
    reads, windows = _pooled(output, x, kernel, stride, padding, (1,))
    return Cost("pooling", adds=reads - windows, multiplies=windows)


@_rule(aten.max_pool2d_with_indices, aten.max_pool3d_with_indices)
def max_pooling(
    output: Any, x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), *_: Any
) -> Cost:
    """A window of k elements inside the borders is k - 1 compares."""
    pooled = _first(output)
    kernel = list(kernel) * (2 if pooled.ndim < 5 else 3) if len(kernel) == 1 else kernel
    reads, windows = _pooled(pooled, x, kernel, stride, padding, dilation)
    return Cost("pooling", compares=reads - windows)


@_rule(aten._adaptive_avg_pool2d, aten._adaptive_avg_pool3d)
def adaptive_pooling(output: Tensor, x: Tensor, size: Any, *_: Any) -> Cost:
    """As average pooling, with the windows that torch chooses: from floor(i * in / out) to ceil((i + 1) * in / out)."""
    spatial = len(size)
    reads = math.prod(
        sum(-(-(place + 1) * taken // given) - place * taken // given for place in range(given))
        for taken, given in zip(x.shape[-spatial:], output.shape[-spatial:], strict=True)
    ) * math.prod(output.shape[:-spatial])
    return Cost("pooling", adds=reads - output.numel(), multiplies=output.numel())


@_rule(aten.mean)
def mean(output: Tensor, x: Tensor, *_: Any, **__: Any) -> Cost:
    """Pooling over whole axes: the sum of k elements is k - 1 adds, the mean one multiply more."""
    return Cost("pooling", adds=x.numel() - output.numel(), multiplies=output.numel())


@_rule(aten.sum)
def total(output: Tensor, x: Tensor, *_: Any, **__: Any) -> Cost:
    """The sum of k elements is k - 1 adds."""
    return Cost("elementwise", adds=max(0, x.numel() - output.numel()))


@_rule(
    aten.convolution,
    aten._convolution,
    aten.conv1d,
    aten.conv2d,
    aten.conv3d,
    aten.conv_transpose1d,
    aten.conv_transpose2d,
    aten.conv_transpose3d,
    aten.linear,
)
def layer_bias(
    output: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any
) -> Cost | None:
    """One add an output element where there is a bias."""
    return None if bias is None else Cost("bias", adds=output.numel())


@_rule(aten.addmm, aten.addmv, aten.baddbmm, aten._addmm_activation)
def product_bias(output: Tensor, *_: Any, **__: Any) -> Cost:
    """One add an output element."""
    return Cost("bias", adds=output.numel())


@_rule(aten.add, aten.add_, aten.sub, aten.sub_)
def addition(output: Tensor, first: Any, second: Any = None, *_: Any, **__: Any) -> Cost:
    """One add an element: residual where two activations of one shape meet, else elementwise."""
    same = isinstance(first, Tensor) and isinstance(second, Tensor) and first.shape == second.shape and first.ndim > 1
    return Cost("residual" if same else "elementwise", adds=output.numel())


@_rule(aten.mul, aten.mul_, aten.div, aten.div_)
def multiplication(output: Tensor, *_: Any, **__: Any) -> Cost:
    """One multiply an element."""
    return Cost("elementwise", multiplies=output.numel())


@_rule(aten.addcmul, aten.addcmul_)
def multiply_add(output: Tensor, *_: Any, **__: Any) -> Cost:
    """One multiply and one add an element."""
    return Cost("elementwise", adds=output.numel(), multiplies=output.numel())


@_rule(aten.relu, aten.relu_, aten.clamp, aten.clamp_, aten.clamp_min, aten.clamp_min_, aten.hardtanh, aten.hardtanh_)
def rectifier(output: Tensor, *_: Any, **__: Any) -> Cost:
    """One compare an element."""
    return Cost("activation", compares=output.numel())


@dataclass
class _NeuronRow:
    """One layer so far. `spikes` is an int, or a 0-d tensor on an accelerator so that nothing waits."""

    reset: str
    mpr: bool
    neurons: int
    updates: int = 0
    leaks: int = 0
    spikes: Any = 0


class Ledger:
    """Adds up what is not synaptic, by module."""

    def __init__(self) -> None:
        self._neurons: dict[str, _NeuronRow] = {}
        self._others: dict[tuple[str, str], list[int]] = {}

    @staticmethod
    def rule_of(operator: OpOverload) -> Rule | None:
        """Return what one call of an operator costs, as a function; None where it has no rule."""
        return _rules.get(operator) or _rules.get(operator.overloadpacket)

    def operator(self, name: str, rule: Rule, args: tuple[Any, ...], kwargs: Any, output: Any) -> Cost | None:
        """Add one call of an operator in the module `name`, and return what it cost."""
        cost = rule(output, *args, **kwargs)
        if cost is not None:
            self.cost(name, cost)
        return cost

    def cost(self, name: str, cost: Cost) -> None:
        """Add one call of an operator that cost this in the module `name`."""
        row = self._others.get((name, cost.kind))
        if row is None:
            row = self._others[name, cost.kind] = [0, 0, 0, 0]
        row[0] += 1
        row[1] += cost.adds
        row[2] += cost.multiplies
        row[3] += cost.compares

    def neuron(self, name: str, neuron: SpikingNeuron, output: Tensor, spikes: int | Tensor) -> None:
        """Add one call of a spiking neuron: its output [T*N, ...], and how many elements of it are not 0.

        Raises:
            MeasureInputError: the reset is neither "hard" nor "soft".
        """
        if neuron.reset not in ("hard", "soft"):
            raise MeasureInputError(
                f"The reset of {name!r} is {neuron.reset!r}: what it costs is known for 'hard' and 'soft'."
            )
        if name not in self._neurons:
            self._neurons[name] = _NeuronRow(neuron.reset, bool(neuron.mpr), output.shape[1:].numel())
        row = self._neurons[name]
        row.updates += output.numel()
        row.leaks += 0 if _is_one(neuron.decay) else output.numel()
        row.spikes += spikes

    def neurons(self) -> list[NeuronUpdates]:
        """Return the layers in the order in which they first ran."""
        return [
            NeuronUpdates(
                name=name,
                reset=row.reset,
                mpr=row.mpr,
                neurons=row.neurons,
                updates=row.updates,
                leak_multiplies=row.leaks,
                integrate_adds=row.updates,
                compares=row.updates,
                reset_operations=int(row.spikes),
            )
            for name, row in self._neurons.items()
        ]

    def others(self) -> list[OtherOps]:
        """Return a row for every module and kind in the order in which they first ran."""
        return [OtherOps(name, kind, *row) for (name, kind), row in self._others.items()]


def _is_one(decay: Any) -> bool:
    """Whether a decay, a number or a tensor of learned ones, is 1 throughout."""
    return bool((decay == 1).all()) if isinstance(decay, Tensor) else bool(decay == 1)
