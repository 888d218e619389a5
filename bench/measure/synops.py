"""Exact synaptic operations of any torch.nn.Module.

A synaptic operation is one pair of a non-zero input element and a non-zero weight element that an operator multiplies
or accumulates. Zero padding never counts. Bias, normalisation, pooling and elementwise arithmetic are not synaptic (an
elementwise product has no fan-in, so it is no synapse); they have a ledger of their own, as have the neuron updates.

    with SynOpCounter(model) as counter:
        for x in batches:
            model(x)
    counter.result(samples=n).total.ac

Accumulates (`ac`) are the operations of a site whose input held only -1, 0 and 1 in every call of the run, multiply-
accumulates (`mac`) those of every other site. A site is a weight, or a place in the code, in one module; so the class
depends neither on the batch size nor on how time is laid out.

What the numbers do not say: the backward pass is not counted, and what runs outside torch's dispatcher (a hand-written
kernel called from Python) is invisible. A module that ran with a weight which no operator ever received is therefore
listed as uncounted, as is every operator that no formula covers. torch.compile steps aside under a counter: compiled
modules run eagerly, with the same operators, and are counted.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode, _get_current_function_mode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils.hooks import RemovableHandle

from bench.measure.errors import FormulaError, MeasureInputError, NotCoveredError
from bench.measure.formulas import (
    Contraction,
    Convolution,
    Count,
    Formula,
    Linear,
    Product,
    Projection,
    formula_of,
    is_not_synaptic,
    is_view,
)
from bench.measure.formulas.attention import attention
from bench.measure.formulas.inputs import Occupancy, flatten_rows, occupancy, per_row
from bench.measure.neuron_ops import Ledger, NeuronOps, OtherOps
from bench.measure.neurons import SpikingNeuron, spiking_neurons
from bench.measure.synop_result import OperationCounts, SynOpResult, UncountedOperator
from bench.measure.synop_sites import Policy, Site, SpikeClass, numbers

TimeAxis = Literal["inside", "leading", "flattened", "calls"]

# Inputs whose pass is remembered, because several sites often read one tensor (a shortcut; query, key and value).
_REMEMBERED = 4


@dataclass(frozen=True)
class _Operator:
    """What is known of an operator, looked up once."""

    formula: Formula | None
    known: bool
    composite: bool
    mutable: bool
    views: bool
    pads: bool
    in_ledger: bool


class SynOpCounter(TorchDispatchMode):
    """Count the synaptic operations of every call of `module` inside the `with` block.

    Args:
        module: the model. Modules that it shares between several places are one site each.
        timesteps: T; gives operations per time step for the sites that have a time axis.
        time_axis: where time is. "inside": the model takes [N, ...] and makes the steps itself; "leading": it takes
            [T, N, ...]; "flattened": [T*N, ...], time outermost; "calls": it takes one step [N, ...] a call, T calls in
            a row. Inside the model a site may see [T, N, ...] or [T*N, ...] at once, or [N, ...] once a step.
        per_sample: also keep the operations of each sample.
        scaled_spikes: class of inputs that are 0, s or -s with one s over the whole run: "ac" folds s into the weights.
        integer_spikes: class of other whole-numbered inputs: "ac" makes an input of k (times a weight) k accumulates.

    Raises:
        MeasureInputError: the arguments do not fit.
        FormulaError: a formula failed; the forward pass stops there and `result` refuses.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        timesteps: int | None = None,
        time_axis: TimeAxis = "inside",
        per_sample: bool = False,
        scaled_spikes: SpikeClass = "mac",
        integer_spikes: SpikeClass = "mac",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not isinstance(module, nn.Module):
            raise MeasureInputError(f"{type(module).__name__} is not a torch.nn.Module: give the model itself.")
        if timesteps is not None and timesteps < 1:
            raise MeasureInputError(f"timesteps is {timesteps}: give at least 1.")
        if time_axis not in get_args(TimeAxis):
            raise MeasureInputError(f"time_axis is {time_axis!r}: give one of {', '.join(get_args(TimeAxis))}.")
        if timesteps is None and time_axis != "inside":
            raise MeasureInputError(f"time_axis {time_axis!r} needs the number of time steps: give timesteps.")
        for name, policy in (("scaled_spikes", scaled_spikes), ("integer_spikes", integer_spikes)):
            if policy not in get_args(SpikeClass):
                raise MeasureInputError(f"{name} is {policy!r}: give 'mac' or 'ac'.")
        if isinstance(module, torch.jit.ScriptModule) and (timesteps is not None or per_sample):
            raise MeasureInputError("A scripted module gives totals only: leave out timesteps and per_sample.")
        if integer_spikes == "ac" and (timesteps is not None or per_sample):
            raise MeasureInputError("integer_spikes='ac' gives totals only: leave out timesteps and per_sample.")
        self._module = module
        self._timesteps, self._time_axis, self._per_sample = timesteps, time_axis, per_sample
        self._policy = Policy(scaled_spikes, integer_spikes)
        self._by_policy = "ac" in (scaled_spikes, integer_spikes)
        self._by_row = timesteps is not None or per_sample
        self._sites: dict[Any, Site] = {}
        self._names: set[str] = set()
        self._uncounted: dict[tuple[str, str], int] = {}
        self._known: dict[OpOverload, _Operator] = {}
        self._failed: str | None = None
        self._operators = 0
        self._samples = 0
        self._root_calls = 0
        self._batch: int | None = None
        self._ledger = Ledger()
        self._trusted: set[tuple[str, bool]] = set()
        self._unseen: dict[int, set[str]] = {}
        self._ran: dict[str, int] = {}
        self._function_mode = _FunctionMode(self)
        self._nested = _Nested(self)
        self._handles: list[RemovableHandle] = []
        self._weights: dict[int, tuple[str, Tensor]] = {}
        self._stack: list[str] = []
        self._neurons: list[_NeuronCall] = []
        self._epoch = 0
        self._linear: list[_LinearCall] = []
        self._paused = 0
        self._padded: tuple[Tensor, tuple[tuple[int, int], ...]] | None = None
        self._passes: list[tuple[weakref.ref[Tensor], int, Any, Occupancy]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without torch's guard around every dispatched operator: while counting nothing is compiled anyway."""
        return False

    # Context

    def __enter__(self) -> Self:
        """Start counting: hook the modules and take over dispatch."""
        self._epoch += 1
        self._learn_weights()
        neurons = {id(neuron): name for name, neuron in spiking_neurons(self._module).items()}
        for name, module in self._module.named_modules():
            # Scripted modules take no hooks: their sites are named after their weights.
            if isinstance(module, torch.jit.ScriptModule):
                continue
            neuron = cast(SpikingNeuron, module) if id(module) in neurons else None
            self._handles.append(module.register_forward_pre_hook(self._entering(name, neuron), prepend=True))
            self._handles.append(module.register_forward_hook(self._leaving(name), always_call=True))
        self._fastpath = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._eager = torch.compiler.set_stance("force_eager")
        self._function_mode.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting and remove every hook.

        Raises:
            MeasureInputError: a weight changed while counting in a way that torch does not record.
        """
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._function_mode.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        torch.backends.mha.set_fastpath_enabled(self._fastpath)
        self._eager.__exit__(None, None, None)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for transient in (self._stack, self._neurons, self._passes, self._linear):
            transient.clear()
        self._padded, self._paused = None, 0
        if error is None:
            self._check_weights()

    def _learn_weights(self) -> None:
        """Learn which storages hold weights, and which of them no operator has received yet."""
        self._weights.clear()
        for name, tensor in [*self._module.named_parameters(), *self._module.named_buffers()]:
            if tensor.layout is torch.strided and tensor.ndim >= 2 and tensor.numel():
                self._weights.setdefault(_storage(tensor), (name, tensor))
        self._unseen = {}
        for name, module in self._module.named_modules():
            owned = {_storage(p) for p in module.parameters(recurse=False) if p.layout is torch.strided and p.ndim >= 2}
            for storage in owned:
                self._unseen.setdefault(storage, set()).add(name)
        self._unseen = {storage: names - set(self._ran) for storage, names in self._unseen.items()}

    def _check_weights(self) -> None:
        """Count the zeros of cached weights again: a change through NumPy or a foreign pointer leaves no trace."""
        for site in self._sites.values():
            if not site.unchanged():
                self._failed = f"The weight of {site.name!r} changed while counting without torch recording it"
                raise MeasureInputError(f"{self._failed}: change weights through torch, or outside the counter.")

    def _entering(self, name: str, neuron: SpikingNeuron | None) -> Callable[[nn.Module, Any], None]:
        def enter(module: nn.Module, args: Any) -> None:
            self._stack.append(name)
            self._ran[name] = self._ran.get(name, 0) + 1
            if module is self._module:
                self._batch = self._samples_in(args)
            if neuron is not None:
                self._neurons.append(_NeuronCall(name, neuron, suspended=self._suspend((name, module.training))))

        return enter

    def _leaving(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if self._stack:
                self._stack.pop()
            if self._neurons and self._neurons[-1].name == name:
                call = self._neurons.pop()
                if call.suspended:
                    self._resume()
                elif not call.synaptic:
                    self._trusted.add((name, module.training))
                if isinstance(output, Tensor) and not self._neurons:
                    with _aside():
                        self._ledger.neuron(name or type(module).__name__, call.neuron, output, self._spikes(output))
            if module is self._module:
                self._end_of_forward()

        return leave

    def _suspend(self, neuron: tuple[str, bool]) -> bool:
        """Leave a neuron alone that was watched once and held no synaptic operation, so that its fused kernels run."""
        alone = _get_current_dispatch_mode() is self and _get_current_function_mode() is self._function_mode
        if neuron not in self._trusted or not alone:
            return False
        TorchDispatchMode.__exit__(self, None, None, None)
        self._function_mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self._eager.__exit__(None, None, None)
        return True

    def _resume(self) -> None:
        self._eager = torch.compiler.set_stance("force_eager")
        self._function_mode.__enter__()  # type: ignore[no-untyped-call]
        TorchDispatchMode.__enter__(self)

    # Dispatch

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and count what it multiplies."""
        kwargs = kwargs or {}
        operator = self._known.get(func) or self._look_up(func)
        if operator.composite:
            return self._decompose(func, args, kwargs)
        if operator.mutable:
            self._note_change((*args, *kwargs.values()))
        output = func(*args, **kwargs)
        if self._unseen and not operator.views:
            self._note_weights((*args, *kwargs.values()))
        if operator.known and not (operator.in_ledger or operator.pads):
            return output
        if torch._C._current_graph_task_id() != -1:
            return output
        if operator.pads:
            self._note_padding(args, output)
        if operator.in_ledger and not self._neurons and not self._paused:
            self._ledger.operator(self._where(), func, args, kwargs, output)
        if not operator.known and not self._paused:
            plain = all(kind in _PLAIN for kind in types) and all(
                value.layout is torch.strided for value in args if isinstance(value, Tensor)
            )
            if operator.formula is None or not plain:
                self._list_uncounted(str(func))
            else:
                self._apply(operator.formula, str(func), output, args, kwargs)
        return output

    def _look_up(self, func: OpOverload) -> _Operator:
        formula = formula_of(func)
        known = formula is None and is_not_synaptic(func)
        is_composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
        self._known[func] = _Operator(
            formula=formula,
            known=known,
            composite=is_composite and formula is None and not known,
            mutable=func._schema.is_mutable,
            views=is_view(func),
            pads=func is torch.ops.aten.constant_pad_nd.default,
            in_ledger=Ledger.covers(func),
        )
        return self._known[func]

    def _decompose(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run what a composite operator is made of; they arrive whole under inference mode alone."""
        if func is torch.ops.aten.scaled_dot_product_attention.default:
            return self.run_attention(lambda: self._parts(func, args, kwargs), args, kwargs)
        return self._parts(func, args, kwargs)

    def _parts(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._nested:
            return func.decompose(*args, **kwargs)

    def run_linear(self, run: Callable[[], Any], shape: torch.Size, bias: bool) -> Any:
        """Run a linear layer: the matrix product in it has a weight, and rows of the shape that it was given."""
        self._linear.append(_LinearCall(shape, bias))
        try:
            return run()
        finally:
            if self._linear:
                self._linear.pop()

    def run_attention(self, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run attention and count it by its definition, whatever it is made of. With dropout its parts are counted."""
        dropout = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
        self._paused += not dropout
        try:
            output = run()
        finally:
            self._paused -= not dropout
        if not dropout and not self._paused and torch._C._current_graph_task_id() == -1:
            with _aside():
                self._apply(attention, "scaled_dot_product_attention", output, args, kwargs)
        return output

    def _apply(
        self, formula: Formula, operator: str, output: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        for neuron in self._neurons:
            neuron.synaptic = True
        self._operators += 1
        try:
            for index, product in enumerate(formula(output, *args, **kwargs)):
                self._count(product, index, output)
        except NotCoveredError as reason:
            self._list_uncounted(f"{operator} ({reason})")
        except Exception as error:
            self._failed = (
                f"The formula of {operator} failed in module {self._where()!r}: {type(error).__name__}: {error}"
            )
            raise FormulaError(self._failed) from error

    def _list_uncounted(self, operator: str) -> None:
        for neuron in self._neurons:
            neuron.synaptic = True
        self._operators += 1
        key = (self._where(), operator)
        self._uncounted[key] = self._uncounted.get(key, 0) + 1

    def _where(self) -> str:
        return self._stack[-1] if self._stack else ""

    # What must be noticed on the way

    def _note_change(self, values: Iterable[Any]) -> None:
        """An operator writes into a tensor: forget passes over inputs, and the zeros of weights if it may be one."""
        self._passes.clear()
        self._padded = None
        if any(_storage(tensor) in self._weights for tensor in _tensors(values)):
            self._epoch += 1

    def _note_weights(self, values: Iterable[Any]) -> None:
        for tensor in _tensors(values):
            owners = self._unseen.get(_storage(tensor))
            if owners is not None:
                del self._unseen[_storage(tensor)]

    def _note_padding(self, args: tuple[Any, ...], output: Tensor) -> None:
        """Remember explicit zero padding: a convolution right after it must not take it for input."""
        pads = list(args[1])
        edges = tuple((pads[i], pads[i + 1]) for i in range(len(pads) - 2, -1, -2))
        value = args[2] if len(args) > 2 else 0
        if value == 0 and min(pads, default=0) >= 0:
            self._padded = (output, edges)

    # Counting

    def _count(self, product: Product, index: int, output: Any) -> None:
        if isinstance(product, Contraction):
            product = self._projection_of(product)
        if isinstance(product, Projection):
            site = self._site(product.kind, product.weight, index)
            self._count_projection(site, self._with_border(product))
        elif isinstance(product, Contraction):
            site = self._site(product.kind, None, index)
            self._count_contraction(site, product)
        else:
            site = self._site(product.kind, product.weight, index)
            self._count_directly(site, product)
        first = output[0] if isinstance(output, (tuple, list)) else output
        site.output_shape = list(first.shape[1:])

    def _projection_of(self, product: Contraction) -> Projection | Contraction:
        """Recognise a linear layer: inside F.linear, or where one operand is a parameter or a view of one."""
        if product.left.shape[0] != 1:
            return product
        bias = self._linear[-1].bias if self._linear else product.bias
        if self._linear or self._is_weight(product.right):
            return Projection("linear", product.left[0], product.right[0].t(), Linear(), bias)
        if self._is_weight(product.left):
            return Projection("linear", product.right[0].t(), product.left[0], Linear(), bias)
        return product

    def _is_weight(self, tensor: Tensor) -> bool:
        return _storage(tensor) in self._weights

    def _with_border(self, product: Projection) -> Projection:
        geometry, x = product.geometry, product.input
        if self._padded is None or not isinstance(geometry, Convolution):
            return product
        padded, edges = self._padded
        spatial = x.ndim - 2
        if (
            x.data_ptr() != padded.data_ptr()
            or x.shape[2:] != padded.shape[-spatial:]
            or any(map(any, edges[:-spatial]))
        ):
            return product
        border = ((0, 0),) * (spatial - len(edges[-spatial:])) + edges[-spatial:]
        return replace(product, geometry=replace(geometry, border=border))

    def _count_projection(self, site: Site, product: Projection) -> None:
        geometry, x = product.geometry, product.input
        leading = geometry.row_axes(tuple(x.shape))
        order, found, matrix = self._look_through(x, leading)
        source, state = self._weight_state(product.weight)
        fan_out = site.fan_out(product, tuple(x.shape[leading:]), source, state)
        weights = fan_out.matrix(order)
        effective, nonzero = numbers(torch.mv(weights, found.counts.to(torch.float64)))
        rows = x.shape[:leading].numel()
        site.elements += x.numel()
        site.add(effective, fan_out.dense * rows, fan_out.dense_padded * rows)
        site.input_rows += rows
        shape = geometry.output_shape(tuple(product.weight.shape))
        site.output_channels = shape[0]
        site.outputs += math.prod(shape) * rows
        site.bias |= product.bias
        operand = site.operand(0)
        operand.see(nonzero, found.unit)
        if self._by_policy:
            matrix = flatten_rows(x, leading)[0] if matrix is None else matrix
            operand.see_levels(
                matrix, found.unit is None, self._policy, lambda counts: int(torch.dot(weights[0], counts)), effective
            )
        if self._by_row:
            matrix = flatten_rows(x, leading)[0] if matrix is None else matrix
            self._keep_rows(site, per_row(matrix, weights[0]), x.shape)

    def _look_through(self, x: Tensor, leading: int) -> tuple[Any, Occupancy, Tensor | None]:
        """Return the order of positions, what one pass over x finds, and x as a matrix if it had to be made."""
        for seen, axes, order, found in self._passes:
            if axes == leading and seen() is x:
                return order, found, None
        matrix, order = flatten_rows(x, leading)
        found = occupancy(matrix)
        self._passes = [(weakref.ref(x), leading, order, found), *self._passes[: _REMEMBERED - 1]]
        return order, found, matrix

    def _spikes(self, output: Tensor) -> Any:
        _, found, _ = self._look_through(output, 1)
        return numbers(found.counts.sum(dtype=torch.float64)[None])[0]

    def _count_contraction(self, site: Site, product: Contraction) -> None:
        left, right = product.left, product.right
        batch, rows, inner = left.shape
        matrices = [operand.contiguous().flatten(1) for operand in (left.permute(1, 0, 2), right.permute(2, 0, 1))]
        found = [occupancy(matrix) for matrix in matrices]
        counts = [operand.counts.to(torch.float64) for operand in found]
        (effective,) = numbers(torch.dot(counts[0], counts[1])[None])
        dense = batch * rows * inner * right.shape[2]
        site.add(effective, dense, dense)
        weights = [self._is_weight(left), self._is_weight(right)]
        position = 0
        for index in (0, 1):
            if weights[index] and not weights[1 - index]:
                continue
            operand = site.operand(position)
            position += 1
            (nonzero,) = numbers(counts[index].sum()[None])
            operand.see(nonzero, found[index].unit)
            site.elements += matrices[index].numel()
            if self._by_policy:
                other = counts[1 - index]
                operand.see_levels(
                    matrices[index],
                    found[index].unit is None,
                    self._policy,
                    lambda sums, other=other: int(torch.dot(other, sums)),  # type: ignore[misc]
                    effective,
                )
        if self._by_row:
            if batch == 1:
                self._keep_rows(site, per_row(matrices[0], counts[1]), left.shape[1:])
            else:
                by_batch = (counts[0] * counts[1]).view(batch, inner).sum(1)
                self._keep_rows(site, by_batch.to(torch.int64), left.shape)

    def _count_directly(self, site: Site, product: Count) -> None:
        operand = site.operand(0)
        for x in product.inputs:
            found = occupancy(x.contiguous().view(-1, 1))
            (nonzero,) = numbers(found.counts.sum(dtype=torch.float64)[None])
            operand.see(nonzero, found.unit)
            site.elements += x.numel()
        operand.scaled = operand.integer = False
        site.add(product.effective, product.dense, product.dense_padded)
        site.has_samples = site.has_steps = False

    def _weight_state(self, weight: Tensor) -> tuple[Tensor | None, Any]:
        """Return the registered tensor that a weight is a view of, and what changes whenever its content does."""
        known = self._weights.get(_storage(weight))
        if known is None:
            return None, None
        source = known[1]
        version = None if source.is_inference() else source._version
        return source, (self._epoch, version, weight.data_ptr(), weight.shape, weight.stride())

    # Time and samples

    def _keep_rows(self, site: Site, rows: Tensor, shape: torch.Size) -> None:
        """Keep a call's operations by the first axis that the layer was given, until the forward pass ends."""
        given = self._linear[-1].shape if self._linear and len(self._linear[-1].shape) > 1 else shape
        first = given[0]
        if self._time_axis != "calls" and len(given) > 2 and tuple(given[:2]) == (self._timesteps, self._batch):
            first *= given[1]  # [T, N, ...]: a linear layer takes any number of leading axes
        whole = rows.numel() % max(1, first) == 0
        site.rows.append(rows.view(first, -1).sum(1) if whole and first else rows)

    def _samples_in(self, args: tuple[Any, ...]) -> int | None:
        """N of a forward pass of the root, by its first positional tensor; None without one."""
        first = next((value for value in args if isinstance(value, Tensor) and value.ndim), None)
        if first is None:
            return None
        if self._time_axis == "leading":
            return first.shape[1]
        return first.shape[0] // (self._timesteps or 1) if self._time_axis == "flattened" else first.shape[0]

    def _end_of_forward(self) -> None:
        step = self._root_calls % (self._timesteps or 1)
        self._root_calls += 1
        if not self._by_row:
            return
        steps, samples = self._timesteps or 1, self._batch
        if samples is None:
            raise MeasureInputError("timesteps and per_sample need a tensor as the module's first positional argument.")
        for site in self._sites.values():
            site.fold(samples, self._samples, steps, step if self._time_axis == "calls" else None)
        if self._time_axis != "calls" or step == steps - 1:
            self._samples += samples

    # Sites

    def _site(self, kind: str, weight: Tensor | None, index: int) -> Site:
        module = self._where()
        known = None if weight is None else self._weights.get(_storage(weight))
        key: Any
        if known is not None and weight is not None:
            key = (module, weight.data_ptr())
        else:
            key = (module, kind, index, _place_in_code())
        if key not in self._sites:
            name = self._name(module, kind, None if known is None else known[0])
            self._sites[key] = Site(name, kind, weight)
        return self._sites[key]

    def _name(self, module: str, kind: str, weight: str | None) -> str:
        """Name a site: the owner of its weight, else its module, for products of activations with their kind."""
        if weight is not None and (not module or weight.startswith(f"{module}.")):
            name = weight.removesuffix(".weight")
        elif kind in ("matmul", "attention_scores", "attention_values"):
            name = f"{module}.{kind}" if module else kind
        else:
            name = module or kind
        number, unique = 2, name
        while unique in self._names:
            unique, number = f"{name}#{number}", number + 1
        self._names.add(unique)
        return unique

    # Result

    def result(self, samples: int | None = None) -> SynOpResult:
        """Return what was counted so far, over all calls. `samples` is recorded with it and gives `mean()`.

        Raises:
            MeasureInputError: nothing ran inside the counter.
            FormulaError: a formula failed earlier, also where the caller went on.
        """
        if self._failed:
            raise FormulaError(self._failed)
        if samples is not None and samples < 1:
            raise MeasureInputError(f"samples is {samples}: give at least 1.")
        uncounted = [UncountedOperator(name, operator, calls) for (name, operator), calls in self._uncounted.items()]
        for name in dict.fromkeys(name for names in self._unseen.values() for name in sorted(names)):
            if name in self._ran:
                uncounted.append(UncountedOperator(name, "no operator received its weight", self._ran[name]))
        if not self._operators and not self._ran:
            raise MeasureInputError("The module was never called inside the counter: call it in the `with` block.")
        layers = {
            site.name: site.layer(self._policy, by_step=self._timesteps is not None, by_sample=self._per_sample)
            for site in self._sites.values()
        }
        total = OperationCounts(
            ac=sum(layer.ac for layer in layers.values()),
            mac=sum(layer.mac for layer in layers.values()),
            dense=sum(layer.dense for layer in layers.values()),
            dense_padded=sum(layer.dense_padded for layer in layers.values()),
        )
        return SynOpResult(total, layers, uncounted, samples)

    def neuron_ops(self) -> list[NeuronOps]:
        """Return the updates of every spiking neuron layer so far."""
        return self._ledger.neurons()

    def other_ops(self) -> list[OtherOps]:
        """Return what else is not synaptic: normalisation, pooling, bias, residual and other elementwise arithmetic."""
        return self._ledger.others()


class _FunctionMode(TorchFunctionMode):
    """Sees whole linear layers and attention: below autograd they can no longer be told from other products."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.linear:
            shape = (args[0] if args else kwargs["input"]).shape
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return self._counter.run_linear(lambda: func(*args, **kwargs), shape, bias is not None)
        if func is nn.functional.scaled_dot_product_attention:
            return self._counter.run_attention(lambda: func(*args, **kwargs), args, kwargs)
        return func(*args, **kwargs)


class _Nested:
    """Dispatches what an operator is made of through the counter again."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __enter__(self) -> None:
        TorchDispatchMode.__enter__(self._counter)

    def __exit__(self, *error: Any) -> None:
        TorchDispatchMode.__exit__(self._counter, *error)


@dataclass(frozen=True)
class _LinearCall:
    """A linear layer that is running: the shape of its input, and whether it has a bias."""

    shape: torch.Size
    bias: bool


@dataclass
class _NeuronCall:
    """A spiking neuron that is running. `synaptic` says that a possibly synaptic operator was seen inside it."""

    name: str
    neuron: SpikingNeuron
    suspended: bool
    synaptic: bool = False


@contextmanager
def _aside() -> Iterator[None]:
    """Arithmetic on what has been computed: neither autograd nor any counter may see it."""
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch(), torch.no_grad():
        yield


_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    """Strided tensors among arguments, also in lists."""
    for value in values:
        if isinstance(value, Tensor):
            if value.layout is torch.strided:
                yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _place_in_code() -> tuple[tuple[int, int], ...]:
    """Where in the module's code an operator was called: the same in every turn of a loop."""
    place = []
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        place.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(place)
