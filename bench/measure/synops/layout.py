"""Where samples and time steps are in the tensors of a run: followed from the model's input, and never guessed.

An axis is a list of parts, outer first: "N" (samples), "T" (time steps) or None, each with its size; [T*N] is T, then
N. Views of a storage share what is known of it, by strides, so that no view has to be followed. What an operator does
to axes is known for those below; behind any other one, the layout is lost, and the reason is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef

from inflor_bench.measure.synops.weights import storage

Part = tuple[str | None, int]
Axis = tuple[Part, ...]
# The parts of every axis, or why they are not known.
Layout = list[Axis] | str

aten = torch.ops.aten

# What gives each element, or each row, to where it was in its first argument.
_KEEPING = """
    clone _to_copy contiguous to type_as dropout native_dropout _softmax _log_softmax softmax log_softmax batch_norm
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _batch_norm_with_update
    _batch_norm_no_update cudnn_batch_norm native_group_norm native_layer_norm _fused_rms_norm cumsum constant_pad_nd
    reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d avg_pool1d avg_pool2d avg_pool3d im2col
    _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d max_pool2d_with_indices max_pool3d_with_indices
    mkldnn_max_pool2d upsample_nearest2d upsample_bilinear2d mkldnn_rnn_layer zeros_like ones_like empty_like full_like
    rand_like randn_like bernoulli glu _thnn_fused_lstm_cell _thnn_fused_gru_cell
"""
# What does so by broadcasting, as elementwise operators do.
_BROADCASTING = "where masked_fill masked_fill_ copy_ _prelu_kernel gelu_"
_CONVOLVING = "convolution _convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"
_REDUCING = """
    sum mean amax amin any all prod var std logsumexp nansum max min argmax argmin norm linalg_vector_norm
"""
_RESHAPING = "reshape flatten unflatten view_as reshape_as expand_as _unsafe_view _reshape_copy"
_SAME, _BROADCAST, _CONVOLUTIONS, _REDUCTIONS, _RESHAPES = (
    frozenset(names.split()) for names in (_KEEPING, _BROADCASTING, _CONVOLVING, _REDUCING, _RESHAPING)
)


class Layouts:
    """The layouts of the tensors of a run, by their storages."""

    def __init__(self, timesteps: int, *, makes_steps: bool) -> None:
        self._timesteps = timesteps
        # Whether the model itself repeats over time, or takes steps apart and puts them together.
        self._makes_steps = makes_steps and timesteps > 1
        self._known: dict[int, tuple[frozenset[tuple[str, int, int]] | str, StorageWeakRef]] = {}

    def forget(self) -> None:
        """Let go of tensors that nobody holds any more."""
        self._known = {key: known for key, known in self._known.items() if not known[1].expired()}

    def set(self, tensor: Tensor, layout: Layout) -> None:
        """Say how a tensor is laid out."""
        key = storage(tensor)
        if key is None:
            return
        labels, _ = self._known.get(key, (frozenset(), None))
        if isinstance(layout, str) or isinstance(labels, str):
            self._known[key] = (labels if isinstance(labels, str) else layout, StorageWeakRef(tensor.untyped_storage()))  # type: ignore[assignment]
            return
        found = set(labels)
        for axis, size, stride in zip(layout, tensor.shape, tensor.stride(), strict=True):
            for kind, length in reversed(axis if math.prod(length for _, length in axis) == size else ()):
                if kind is not None:
                    found.add((kind, stride, length))
                stride *= length
        self._known[key] = (frozenset(found), StorageWeakRef(tensor.untyped_storage()))

    def of(self, tensor: Tensor) -> Layout | None:
        """Return the parts of each axis, why they are not known, or None where there is nothing of samples in it."""
        labels, _ = self._known.get(storage(tensor) or 0, (None, None))
        if labels is None or isinstance(labels, str):
            return labels
        layout: list[Axis] = []
        for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
            if size == 1 or not stride:
                layout.append(((None, size),) if size > 1 else ())
                continue
            end = size * stride
            parts: list[Part] = []
            for kind, step, length in sorted(labels, key=lambda label: -label[1]):
                if step >= size * stride or step * length <= stride:
                    continue
                if step < stride or step * length > end or end % (step * length) or step % stride:
                    return "a part of it was cut out"
                parts += [(None, end // (step * length)), (kind, length)]
                end = step
            layout.append(tuple(part for part in (*parts, (None, end // stride)) if part[1] > 1))
        return layout

    def follow(
        self, operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], output: Any, module: str
    ) -> None:
        """Note how what an operator gave is laid out."""
        tensors = [value for value in _flat(args) if isinstance(value, Tensor)]
        known = [layout for layout in map(self.of, tensors) if layout is not None]
        outputs = [value for value in _flat((output,)) if isinstance(value, Tensor)]
        if not known or not outputs:
            return
        name = operator.overloadpacket.__name__
        lost = next((layout for layout in known if isinstance(layout, str)), None)
        for tensor in outputs:
            if lost is None:
                layout = self._through(operator, name, args, tensors, tensor)
                self.set(
                    tensor, layout if layout is not None else f"{name} in {module or 'the model'} may move samples"
                )
            else:
                self.set(tensor, lost)

    def same(self, given: Tensor, output: Tensor) -> None:
        """A neuron that was left alone gave each element where it was."""
        layout = self.of(given)
        if layout is not None and given.shape == output.shape:
            self.set(output, layout)

    def _through(
        self, operator: OpOverload, name: str, args: Sequence[Any], tensors: list[Tensor], output: Tensor
    ) -> Layout | None:
        first = tensors[0]
        layout = self.of(first)
        if torch.Tag.inplace_view in operator.tags:
            return self.of(output)
        if torch.Tag.pointwise in operator.tags or name in _BROADCAST:
            return self._aligned(tensors, output, left=False)
        if name in _SAME:
            return self._aligned(tensors[:1], output, left=True)
        if name in _CONVOLUTIONS:
            return _only_first(layout, output)
        if name in ("linear", "mm", "bmm", "addmm", "baddbmm", "_addmm_activation"):
            pair = tensors[1:3] if "add" in name else tensors[:2]
            return self._product(name, pair[0], pair[1])
        if name in _REDUCTIONS and isinstance(layout, list):
            given = args[1] if len(args) > 1 else None
            reduced = {
                axis % first.ndim for axis in ([given] if isinstance(given, int) else given or range(first.ndim))
            }
            if output.ndim == first.ndim:
                return [() if axis in reduced else parts for axis, parts in enumerate(layout)]
            return [parts for axis, parts in enumerate(layout) if axis not in reduced]
        if name in _RESHAPES and isinstance(layout, list):
            if storage(first) == storage(output):
                return self.of(output)
            return _regrouped([part for axis in self._repeated(first, layout) for part in axis], output.shape)
        if name in ("cat", "stack"):
            return self._joined(name, args, tensors, output)
        if name == "repeat" and isinstance(layout, list):
            repeated = [*[()] * (len(args[1]) - first.ndim), *layout]
            return [self._times(count, axis) for count, axis in zip(args[1], repeated, strict=True)]
        if name == "embedding":
            indices = self.of(tensors[1])
            return [*indices, ()] if isinstance(indices, list) else indices
        if name in ("roll", "flip") and isinstance(layout, list):
            given = args[-1] if isinstance(args[-1], (list, tuple)) else [args[-1]]
            return None if _labelled(layout[axis] for axis in given) else layout
        return None

    def _aligned(self, tensors: list[Tensor], output: Tensor, *, left: bool) -> Layout | None:
        """Axes that stay where they are, from the right where shapes are broadcast, else from the left."""
        result: list[Axis] = [()] * output.ndim
        for tensor in tensors:
            layout = self.of(tensor)
            if not isinstance(layout, list):
                continue
            layout = self._repeated(tensor, layout)
            for axis, parts in enumerate(layout):
                place = axis if left else axis + output.ndim - tensor.ndim
                if not _labelled([parts]):
                    continue
                if (
                    place >= output.ndim
                    or output.shape[place] != tensor.shape[axis]
                    or result[place] not in ((), parts)
                ):
                    return None
                result[place] = parts
        kinds = [kind for axis in result for kind, _ in axis if kind]
        return result if len(kinds) == len(set(kinds)) else None

    def _product(self, name: str, left: Tensor, right: Tensor) -> Layout | None:
        one, other = self.of(left) or [()] * left.ndim, self.of(right) or [()] * right.ndim
        if isinstance(one, str) or isinstance(other, str):
            return None
        if name == "linear":
            return [*one[:-1], ()]
        batch = [one[0] if _labelled(one[:1]) else other[0]] if left.ndim == 3 else []
        return [*batch, one[-2], other[-1]]

    def _joined(self, name: str, args: Sequence[Any], tensors: list[Tensor], output: Tensor) -> Layout | None:
        dim = (args[1] if len(args) > 1 else 0) % output.ndim
        layouts = [self.of(tensor) or [()] * tensor.ndim for tensor in tensors]
        lists = [one for one in layouts if isinstance(one, list)]
        labelled = [one for one in lists if _labelled(one)] or lists[:1]
        first = labelled[0]
        if name == "stack":
            alike = all(one == first for one in labelled)
            return [*first[:dim], self._times(len(tensors), ()), *first[dim:]] if alike else None
        if _labelled([first[dim]]) or all(tensor.shape[dim] == 1 for tensor in tensors):
            joined = [self._times(len(tensors), parts) if axis == dim else parts for axis, parts in enumerate(first)]
            return joined if all(one == first for one in layouts) else None
        others = [[parts if _labelled([parts]) else () for parts in one] for one in labelled]
        return others[0] if all(one == others[0] for one in others) else None

    def _times(self, count: int, axis: Axis) -> Axis:
        """An axis that is there so many times, one after the other: time, if it is as often as there are steps."""
        if count == 1:
            return axis
        timed = self._makes_steps and count == self._timesteps and "T" not in [kind for kind, _ in axis]
        return (("T" if timed else None, count), *axis)

    def _repeated(self, tensor: Tensor, layout: list[Axis]) -> list[Axis]:
        """An expanded axis of as many as there are steps is time, where it is the only one."""
        expanded = [axis for axis, size in enumerate(tensor.shape) if size > 1 and not tensor.stride(axis)]
        repeated = [axis for axis in expanded if tensor.shape[axis] == self._timesteps]
        if not self._makes_steps or len(repeated) != 1 or any(kind == "T" for axis in layout for kind, _ in axis):
            return layout
        return [(("T", self._timesteps),) if axis == repeated[0] else parts for axis, parts in enumerate(layout)]


def _only_first(layout: Layout | None, output: Tensor) -> Layout | None:
    if not isinstance(layout, list) or len(layout) != output.ndim:
        return None
    if _labelled(layout[1:]):
        return None
    return [layout[0], *[()] * (output.ndim - 1)]


def _regrouped(parts: list[Part], shape: Iterable[int]) -> Layout | None:
    """Share parts out to axes of another shape; None where samples or steps would be torn apart."""
    rest, result = list(parts), []
    for size in shape:
        axis: list[Part] = []
        while size > 1:
            if not rest:
                return None
            kind, length = rest[0]
            if size % length == 0:
                axis.append(rest.pop(0))
                size //= length
            elif kind is None and length % size == 0:
                axis.append((None, size))
                rest[0] = (None, length // size)
                size = 1
            else:
                return None
        result.append(tuple(axis))
    return result


def _labelled(layout: Iterable[Axis]) -> bool:
    return any(kind for axis in layout for kind, _ in axis)


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value
