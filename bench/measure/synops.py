"""Exact synaptic operations of any torch.nn.Module.

A synaptic operation is one pair of a non-zero input element and a non-zero weight element that an operator multiplies or
accumulates. Zero padding never counts. Bias, normalisation, pooling and elementwise arithmetic are not synaptic: an
elementwise product has no fan-in, so it is no synapse.

    with SynOpCounter(model) as counter:
        for x in batches:
            model(x)
    counter.result(samples=n).total.ac

Accumulates (`ac`) are the operations of a site whose input held only -1, 0 and 1 in every call of the run, multiply-
accumulates (`mac`) those of every other site. A site is a weight, or a place in the code, in one module.

What the numbers do not say: the backward pass is not counted, and what runs outside torch's dispatcher (a hand-written
kernel called from Python) is invisible. A module that ran with a weight which no operator ever received is therefore
listed as uncounted, as is every operator that no formula covers.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from bench.measure.errors import FormulaError, MeasureInputError
from bench.measure.formulas import Contraction, Count, Linear, Product, Projection, formula_of
from bench.measure.formulas.inputs import flatten_rows, occupancy
from bench.measure.formulas.products import Geometry, Shape
from bench.measure.synop_result import OperationCounts, SynOpLayer, SynOpResult, UncountedOperator


class _FanOut:
    """The fan-out of one weight at one input shape, ready for a product with counts."""

    def __init__(self, fan_out: Tensor, dense: Tensor, inside: tuple[slice, ...], dense_padded: int) -> None:
        self._fan_out = fan_out
        self.dense = int(dense[inside].sum())
        self.dense_padded = dense_padded
        self._matrices: dict[tuple[int, ...] | None, Tensor] = {}

    def matrix(self, order: tuple[int, ...] | None) -> Tensor:
        """[2, M]: the fan-out and ones, with the positions in memory order `order`."""
        if order not in self._matrices:
            flat = (self._fan_out if order is None else self._fan_out.permute(order)).flatten()
            self._matrices[order] = torch.stack((flat, torch.ones_like(flat)))
        return self._matrices[order]


class _Site:
    """Running totals of one site. Numbers are ints, or int64 tensors on an accelerator so that nothing waits."""

    def __init__(self, name: str, kind: str, weight: Tensor | None) -> None:
        self.name, self.kind = name, kind
        self.weight_shape = [] if weight is None else list(weight.shape)
        self.output_shape: list[int] = []
        self.calls = 0
        self.effective: Any = 0
        self.dense = self.dense_padded = 0
        self.operands: list[list[Any]] = []
        self.taps: Tensor | None = None
        self.weight_state: Any = None
        self.fan_outs: dict[tuple[Geometry, Shape], _FanOut] = {}

    def add(self, effective: Any, dense: int, dense_padded: int, operands: list[tuple[Any, Any]]) -> None:
        """Add one call; `operands` are (non-zero, unit-valued) elements of each input."""
        self.calls += 1
        self.effective += effective
        self.dense += dense
        self.dense_padded += dense_padded
        self.operands = self.operands or [[0, 0] for _ in operands]
        for total, (nonzero, unit) in zip(self.operands, operands, strict=True):
            total[0] += nonzero
            total[1] += unit

    def layer(self) -> SynOpLayer:
        """Return the site's result."""
        effective = int(self.effective)
        operands = [(int(nonzero), int(unit)) for nonzero, unit in self.operands]
        is_unit = any(nonzero == unit for nonzero, unit in operands)
        shares = [unit / nonzero for nonzero, unit in operands if nonzero]
        share = max(shares) if shares else None
        return SynOpLayer(
            ac=effective if is_unit else 0,
            mac=0 if is_unit else effective,
            dense=self.dense,
            dense_padded=self.dense_padded,
            name=self.name,
            kind=self.kind,
            weight_shape=self.weight_shape,
            output_shape=self.output_shape,
            calls=self.calls,
            mixed=not is_unit and share is not None and share > 0,
            unit_share=share,
        )


class _LinearContext(TorchFunctionMode):
    """Says when a matrix product is a linear layer's: below autograd that can no longer be told."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not nn.functional.linear:
            return func(*args, **(kwargs or {}))
        with self._counter._linear():
            return func(*args, **(kwargs or {}))


class _Linear:
    """Marks the calls inside it as a linear layer's."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __enter__(self) -> None:
        self._counter._linear_depth += 1

    def __exit__(self, *_: object) -> None:
        self._counter._linear_depth -= 1


class SynOpCounter(TorchDispatchMode):
    """Count the synaptic operations of every call of `module` inside the `with` block.

    Raises:
        MeasureInputError: the module is not an `nn.Module`, or nothing ran.
        FormulaError: a formula failed; nothing is reported then.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise MeasureInputError(f"{type(module).__name__} is not a torch.nn.Module: give the model itself.")
        self._module = module
        self._sites: dict[Any, _Site] = {}
        self._names: set[str] = set()
        self._uncounted: dict[tuple[str, str], int] = {}
        self._stack: list[str] = []
        self._linear_depth = 0
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._weights: dict[int, tuple[str, Tensor]] = {}
        self._function_mode = _LinearContext(self)
        self._failed: str | None = None
        self._operators = 0

    # Context

    def __enter__(self) -> Self:
        """Start counting: hook the modules and take over dispatch."""
        self._register()
        for name, module in self._module.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._entering(name), prepend=True))
            self._handles.append(module.register_forward_hook(self._leaving, always_call=True))
        self._function_mode.__enter__()
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting and remove every hook."""
        super().__exit__(kind, error, trace)
        self._function_mode.__exit__(kind, error, trace)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._stack.clear()

    def _register(self) -> None:
        """Learn which storages are weights, and their names."""
        self._weights.clear()
        for name, tensor in [*self._module.named_parameters(), *self._module.named_buffers()]:
            if tensor.layout is torch.strided and tensor.ndim >= 2 and tensor.numel():
                self._weights.setdefault(tensor.untyped_storage().data_ptr(), (name, tensor))

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, args: Any) -> None:
            self._stack.append(name)

        return enter

    def _leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        self._stack.pop()

    def _linear(self) -> _Linear:
        return _Linear(self)

    # Dispatch

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and count what it multiplies."""
        kwargs = kwargs or {}
        formula = formula_of(func)
        if formula is None:
            return self._without_formula(func, args, kwargs)
        output = func(*args, **kwargs)
        if torch._C._current_graph_task_id() != -1:
            return output
        self._operators += 1
        try:
            for index, product in enumerate(formula(output, *args, **kwargs)):
                self._count(product, index, output)
        except Exception as error:
            where = self._stack[-1] if self._stack else ""
            self._failed = f"The formula of {func} failed in module {where!r}: {type(error).__name__}: {error}"
            raise FormulaError(self._failed) from error
        return output

    def _without_formula(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is torch.ops.aten.linear.default:
            with self._linear(), self._nested():
                return func.decompose(*args, **kwargs)
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self._nested():
                return func.decompose(*args, **kwargs)
        return func(*args, **kwargs)

    def _nested(self) -> _Nested:
        return _Nested(self)

    # Counting

    def _count(self, product: Product, index: int, output: Any) -> None:
        if isinstance(product, Contraction):
            product = self._projection_of(product)
        if isinstance(product, Projection):
            site = self._site(product.kind, product.weight, index)
            self._count_projection(site, product)
        elif isinstance(product, Contraction):
            site = self._site(product.kind, None, index)
            self._count_contraction(site, product)
        else:
            site = self._site(product.kind, product.weight, index)
            self._count_directly(site, product)
        site.output_shape = list(output.shape[1:])

    def _projection_of(self, product: Contraction) -> Projection | Contraction:
        """Recognise a linear layer: inside F.linear, or where one operand is a parameter or a view of one."""
        if product.left.shape[0] != 1:
            return product
        if self._linear_depth or self._is_weight(product.right):
            return Projection("linear", product.left[0], product.right[0].t(), Linear())
        if self._is_weight(product.left):
            return Projection("linear", product.right[0].t(), product.left[0], Linear())
        return product

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._weights

    def _count_projection(self, site: _Site, product: Projection) -> None:
        geometry = product.geometry
        rows = geometry.row_axes(tuple(product.input.shape))
        matrix, order = flatten_rows(product.input, rows)
        fan_out = self._fan_out(site, product, tuple(product.input.shape[rows:]))
        found = occupancy(matrix)
        effective, nonzero = self._numbers(torch.mv(fan_out.matrix(order), found.counts.to(torch.float64)))
        unit = nonzero if found.unit is None else found.unit
        site.add(effective, fan_out.dense * len(matrix), fan_out.dense_padded * len(matrix), [(nonzero, unit)])

    def _count_contraction(self, site: _Site, product: Contraction) -> None:
        left, right = product.left, product.right
        batch, rows, inner = left.shape
        columns = right.shape[2]
        found = [
            occupancy(flatten_rows(operand, 1)[0])
            for operand in (left.permute(1, 0, 2).contiguous(), right.permute(2, 0, 1).contiguous())
        ]
        counts = [operand.counts.to(torch.float64) for operand in found]
        (effective,) = self._numbers(torch.dot(counts[0], counts[1])[None])
        operands = []
        for operand, count in zip(found, counts, strict=True):
            (nonzero,) = self._numbers(count.sum()[None])
            operands.append((nonzero, nonzero if operand.unit is None else operand.unit))
        dense = batch * rows * inner * columns
        site.add(effective, dense, dense, operands)

    def _count_directly(self, site: _Site, product: Count) -> None:
        nonzero, unit = 0, 0
        for x in product.inputs:
            found = occupancy(x.contiguous().view(1, -1))
            seen = int(found.counts.sum())
            nonzero += seen
            unit += seen if found.unit is None else int(found.unit)
        site.add(product.effective, product.dense, product.dense_padded, [(nonzero, unit)])

    @staticmethod
    def _numbers(values: Tensor) -> list[Any]:
        """Exact whole numbers of a float64 vector: ints, or int64 tensors where the device would have to be waited for."""
        if values.device.type == "cpu":
            return [int(value) for value in values.tolist()]
        return list(values.to(torch.int64).unbind())

    def _fan_out(self, site: _Site, product: Projection, positions: Shape) -> _FanOut:
        weight, geometry = product.weight, product.geometry
        taps = geometry.taps(weight)
        if site.taps is None or not torch.equal(taps, site.taps):
            site.taps = taps
            site.fan_outs.clear()
        key = (geometry, positions)
        if key not in site.fan_outs:
            shape = tuple(weight.shape)
            site.fan_outs[key] = _FanOut(
                geometry.fan_out(taps, positions),
                geometry.fan_out(geometry.dense_taps(shape), positions),
                geometry.inside(positions),
                geometry.dense_padded(shape, positions),
            )
        return site.fan_outs[key]

    # Sites

    def _site(self, kind: str, weight: Tensor | None, index: int) -> _Site:
        module = self._stack[-1] if self._stack else ""
        known = None if weight is None else self._weights.get(weight.untyped_storage().data_ptr())
        key: Any
        if known is not None and weight is not None:
            key = (module, weight.data_ptr())
        else:
            key = (module, kind, index, _place_in_code())
        if key not in self._sites:
            name = self._name(module, kind, None if known is None else known[0])
            self._sites[key] = _Site(name, kind, weight)
        return self._sites[key]

    def _name(self, module: str, kind: str, weight: str | None) -> str:
        """Name a site: the module that owns the weight, else the module it is in and its kind; numbered if taken."""
        if weight is not None:
            name = weight.removesuffix(".weight") if weight != "weight" else ""
            if module and name != module and not weight.startswith(f"{module}."):
                name = module
        else:
            name = module if kind not in ("matmul",) else f"{module}.{kind}".lstrip(".")
        name = name or kind
        number, unique = 2, name
        while unique in self._names:
            unique, number = f"{name}#{number}", number + 1
        self._names.add(unique)
        return unique

    # Result

    def result(self, samples: int | None = None) -> SynOpResult:
        """Return what was counted so far, over all calls. `samples` is recorded with it.

        Raises:
            MeasureInputError: nothing ran inside the counter.
            FormulaError: a formula failed earlier, also where the caller went on.
        """
        if self._failed:
            raise FormulaError(self._failed)
        if not self._operators:
            raise MeasureInputError("The module was never called inside the counter: call it in the `with` block.")
        layers = {site.name: site.layer() for site in self._sites.values()}
        total = OperationCounts(
            ac=sum(layer.ac for layer in layers.values()),
            mac=sum(layer.mac for layer in layers.values()),
            dense=sum(layer.dense for layer in layers.values()),
            dense_padded=sum(layer.dense_padded for layer in layers.values()),
        )
        uncounted = [UncountedOperator(name, operator, calls) for (name, operator), calls in self._uncounted.items()]
        return SynOpResult(total, layers, uncounted, samples)


class _Nested:
    """Dispatches what an operator is made of through the counter again."""

    def __init__(self, counter: SynOpCounter) -> None:
        self._counter = counter

    def __enter__(self) -> None:
        TorchDispatchMode.__enter__(self._counter)

    def __exit__(self, *error: Any) -> None:
        TorchDispatchMode.__exit__(self._counter, *error)


def _place_in_code() -> tuple[tuple[int, int], ...]:
    """Where in the module's code an operator was called: the same in every turn of a loop."""
    place = []
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        place.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(place)
