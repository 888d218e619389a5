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

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from bench.measure.calls import Called, ModuleCalls, is_layer, is_quiet
from bench.measure.errors import FormulaError, MeasureInputError, NotCoveredError
from bench.measure.formulas import Formula, formula_of, is_not_synaptic, is_view
from bench.measure.formulas.attention import attention
from bench.measure.neuron_ops import Ledger, NeuronOps, OtherOps, Rule
from bench.measure.neurons import SpikingNeuron, spiking_neurons
from bench.measure.repeats import Repeat, Repeats, Seen, undisturbed
from bench.measure.synop_counting import Counting, LinearCall
from bench.measure.synop_result import OperationCounts, SynOpResult, UncountedOperator
from bench.measure.synop_sites import Policy, SpikeClass
from bench.measure.synop_time import Rows, TimeAxis
from bench.measure.synop_weights import Weights


@dataclass(frozen=True)
class _Operator:
    """What is known of an operator, looked up once."""

    name: str
    formula: Formula | None
    known: bool
    composite: bool
    mutable: bool
    views: bool
    pads: bool
    rule: Rule | None


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
        rows = Rows(timesteps, time_axis, per_sample=per_sample)
        for name, policy in (("scaled_spikes", scaled_spikes), ("integer_spikes", integer_spikes)):
            if policy not in get_args(SpikeClass):
                raise MeasureInputError(f"{name} is {policy!r}: give 'mac' or 'ac'.")
        if isinstance(module, torch.jit.ScriptModule) and (timesteps is not None or per_sample):
            raise MeasureInputError("A scripted module gives totals only: leave out timesteps and per_sample.")
        if integer_spikes == "ac" and (timesteps is not None or per_sample):
            raise MeasureInputError("integer_spikes='ac' gives totals only: leave out timesteps and per_sample.")
        self._module = module
        self._policy, self._rows = Policy(scaled_spikes, integer_spikes), rows
        self._weights = Weights(module)
        self._counting = Counting(self._weights, self._policy, rows)
        self._ledger = Ledger()
        self._uncounted: dict[tuple[str, str], int] = {}
        self._known: dict[OpOverload, _Operator] = {}
        self._failed: str | None = None
        self._operators = 0
        self._ran: dict[str, int] = {}
        self._trusted: set[tuple[str, bool]] = set()
        self._function_mode: _FunctionMode | None = None
        self._nested = _Nested(self)
        self._handles: list[RemovableHandle] = []
        self._calls = ModuleCalls(self._call)
        self._repeats = Repeats()
        self._seen: Seen | None = None
        self._stack: list[str] = []
        self._neurons: list[_NeuronCall] = []
        self._paused = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without torch's guard around every dispatched operator: while counting nothing is compiled anyway."""
        return False

    # Context

    def __enter__(self) -> Self:
        """Start counting: watch the calls of modules and take over dispatch."""
        self._weights.learn(self._ran)
        neurons = {id(neuron) for neuron in spiking_neurons(self._module).values()}
        # What a scripted module calls inside does not come by here: its sites are named after their weights.
        self._calls.watch(
            (module, self._called(name, module, neurons))
            for name, module in self._module.named_modules()
            if not isinstance(module, torch.jit.ScriptModule)
        )
        if not isinstance(self._module, torch.jit.ScriptModule):
            self._handles.append(self._module.register_forward_pre_hook(lambda _, args: self._rows.begin(args)))
            self._handles.append(self._module.register_forward_hook(self._end_of_forward, always_call=True))
        self._fastpath = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._eager = torch.compiler.set_stance("force_eager")
        # Under inference mode linear layers and attention arrive whole, and a second mode would only cost time.
        self._function_mode = None if torch.is_inference_mode_enabled() else _FunctionMode(self)
        self._watch()
        return self

    def _called(self, name: str, module: nn.Module, neurons: set[int]) -> Called:
        neuron = cast(SpikingNeuron, module) if id(module) in neurons else None
        return Called(name, neuron, layer=is_layer(module), quiet=is_quiet(module))

    def _watch(self) -> None:
        if self._function_mode is not None:
            self._function_mode.__enter__()  # type: ignore[no-untyped-call]
        TorchDispatchMode.__enter__(self)  # type: ignore[no-untyped-call]

    def _look_away(self) -> None:
        TorchDispatchMode.__exit__(self, None, None, None)  # type: ignore[no-untyped-call]
        if self._function_mode is not None:
            self._function_mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting and leave everything as it was.

        Raises:
            MeasureInputError: a weight changed while counting in a way that torch does not record.
        """
        self._look_away()
        torch.backends.mha.set_fastpath_enabled(self._fastpath)
        self._eager.__exit__(None, None, None)
        self._calls.stop()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for transient in (self._stack, self._neurons, self._counting.linear):
            transient.clear()
        self._counting.forget()
        self._repeats.forget()
        self._paused = 0
        if error is None:
            self._check_weights()

    def _check_weights(self) -> None:
        """Count the zeros of cached weights again: a change through NumPy or a foreign pointer leaves no trace."""
        for site in self._counting.sites.values():
            if not site.unchanged():
                self._failed = f"The weight of {site.name!r} changed while counting without torch recording it"
                raise MeasureInputError(f"{self._failed}: change weights through torch, or outside the counter.")

    def _call(self, called: Called, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call of one of the modules, by its name."""
        name = called.name
        self._stack.append(name)
        self._ran[name] = self._ran.get(name, 0) + 1
        try:
            if called.neuron is not None:
                return self._call_neuron(name, called.neuron, module, args, kwargs)
            if called.layer:
                return self._call_layer(called, module, args, kwargs)
            return self._calls.run(module, *args, **kwargs)
        finally:
            if self._stack:
                self._stack.pop()

    def _call_layer(self, called: Called, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a layer of torch: watched, or as it did before."""
        watched = self._without_function_mode if called.quiet else self._calls.run
        if kwargs or len(args) != 1 or type(args[0]) is not Tensor or not self._alone():
            return watched(module, *args, **kwargs)
        (x,) = args
        with torch._C.DisableTorchFunction():  # what we look at ourselves need not come by our own mode
            repeat = self._repeats.find(module, x)
            product = None if repeat is None else repeat.product
            if repeat is not None and (product is None or self._counting.holds(product, x)):
                return self._call_again(called.name, repeat, x)
        seen = self._seen = Seen(x)
        try:
            output = watched(module, x)
        finally:
            self._seen = None
        self._repeats.learn(module, seen, output)
        return output

    def _call_again(self, name: str, repeat: Repeat, x: Tensor) -> Any:
        """Run a layer that was watched before, without dispatch, and count what flows into it."""
        with torch._C._DisableTorchDispatch():
            output = self._calls.run(repeat.module, x)
            for cost in repeat.costs:
                self._ledger.cost(name, cost)
            if repeat.product is not None:
                self._operators += 1
                with torch._C._AutoDispatchBelowAutograd():
                    self._counting.repeat(repeat.product, x)
        return output

    def _alone(self) -> bool:
        """Whether operators come by here and nowhere else, and count as they are."""
        return (
            self._only_mode()
            and not (self._neurons or self._paused)
            and (self._function_mode is not None or torch.is_inference_mode_enabled())
            and undisturbed()
        )

    def _only_mode(self) -> bool:
        modes = torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()
        return modes == (1, 0 if self._function_mode is None else 1)

    def _without_function_mode(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if self._function_mode is None or not torch._C._len_torch_function_stack():
            return self._calls.run(module, *args, **kwargs)
        # Where it is not on top, another mode is, which is put back at once.
        mode = torch._C._pop_torch_function_stack()
        if mode is not self._function_mode:
            torch._C._push_on_torch_function_stack(mode)
            return self._calls.run(module, *args, **kwargs)
        try:
            return self._calls.run(module, *args, **kwargs)
        finally:
            torch._C._push_on_torch_function_stack(mode)

    def _call_neuron(
        self, name: str, neuron: SpikingNeuron, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = _NeuronCall(name, neuron, suspended=self._suspend((name, module.training)))
        self._neurons.append(call)
        output = None
        try:
            output = self._calls.run(module, *args, **kwargs)
        finally:
            if self._neurons:
                self._neurons.pop()
            self._end_of_neuron(call, module, output)
        return output

    def _end_of_neuron(self, call: _NeuronCall, module: nn.Module, output: Any) -> None:
        try:
            if isinstance(output, Tensor) and not self._neurons:
                with nullcontext() if call.suspended else _aside():
                    _, found = self._counting.occupancy_of(output, 1)
                self._ledger.neuron(call.name or type(module).__name__, call.neuron, output, found.nonzero)
        finally:
            if call.suspended:
                self._eager.__enter__()
                self._watch()
            elif not call.synaptic:
                self._trusted.add((call.name, module.training))

    def _suspend(self, neuron: tuple[str, bool]) -> bool:
        """Leave a neuron alone that was watched once and held no synaptic operation, so that its fused kernels run."""
        if neuron not in self._trusted or not self._only_mode():
            return False
        self._look_away()
        self._eager.__exit__(None, None, None)
        return True

    def _end_of_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        self._rows.end(self._counting.sites.values())

    # Dispatch

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and count what it multiplies."""
        kwargs = kwargs or {}
        operator = self._known.get(func) or self._look_up(func)
        if operator.composite:
            return self._decompose(func, args, kwargs)
        if self._function_mode is None and not torch.is_inference_mode_enabled():
            self._failed = "Inference mode was left inside a counter that was entered under it"
            raise MeasureInputError(f"{self._failed}: enter the counter outside of inference mode.")
        if operator.mutable:
            self._unrepeatable()
            self._counting.forget()
            self._weights.written((*args, *kwargs.values()))
        output = func(*args, **kwargs)
        if self._weights.unseen and not operator.views:
            self._weights.received((*args, *kwargs.values()))
        if operator.known and not (operator.rule or operator.pads):
            return output
        if torch._C._current_graph_task_id() != -1:
            return output
        if operator.pads:
            self._unrepeatable()
            self._counting.padding(args, output)
        if operator.rule and not self._neurons and not self._paused:
            cost = self._ledger.operator(self._where(), operator.rule, args, kwargs, output)
            if self._seen is not None and cost is not None:
                self._seen.costs.append(cost)
        if not operator.known and not self._paused:
            if operator.formula is None or not _plain(types, args):
                self._list_uncounted(operator.name)
            else:
                self._apply(operator.formula, operator.name, output, args, kwargs)
        return output

    def _look_up(self, func: OpOverload) -> _Operator:
        formula = formula_of(func)
        known = formula is None and is_not_synaptic(func)
        is_composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
        self._known[func] = _Operator(
            name=str(func),
            formula=formula,
            known=known,
            composite=is_composite and formula is None and not known,
            mutable=func._schema.is_mutable,
            views=is_view(func),
            pads=func is torch.ops.aten.constant_pad_nd.default,
            rule=Ledger.rule_of(func),
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
        self._counting.linear.append(LinearCall(shape, bias))
        try:
            return run()
        finally:
            if self._counting.linear:
                self._counting.linear.pop()

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
                counted = self._counting.count(product, index, output, self._where())
                if self._seen is not None:
                    self._seen.product(counted)
        except NotCoveredError as reason:
            self._list_uncounted(f"{operator} ({reason})")
        except Exception as error:
            self._failed = (
                f"The formula of {operator} failed in module {self._where()!r}: {type(error).__name__}: {error}"
            )
            raise FormulaError(self._failed) from error

    def _unrepeatable(self) -> None:
        if self._seen is not None:
            self._seen.fit = False

    def _list_uncounted(self, operator: str) -> None:
        self._unrepeatable()
        for neuron in self._neurons:
            neuron.synaptic = True
        self._operators += 1
        key = (self._where(), operator)
        self._uncounted[key] = self._uncounted.get(key, 0) + 1

    def _where(self) -> str:
        return self._stack[-1] if self._stack else ""

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
        unseen = self._weights.unseen.values()
        for name in dict.fromkeys(name for names in unseen for name in sorted(names)):
            if name in self._ran:
                uncounted.append(UncountedOperator(name, "no operator received its weight", self._ran[name]))
        if not self._operators and not self._ran:
            raise MeasureInputError("The module was never called inside the counter: call it in the `with` block.")
        layers = {
            site.name: site.layer(
                self._policy, by_step=self._rows.timesteps is not None, by_sample=self._rows.per_sample
            )
            for site in self._counting.sites.values()
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


_PLAIN = frozenset({Tensor, nn.Parameter, nn.Buffer})


def _plain(types: Any, args: tuple[Any, ...]) -> bool:
    """Whether all tensors are dense and of torch's own types."""
    dense = True
    for value in args:  # a loop, for this runs at every operator and a generator would cost more than what it looks at
        dense = dense and (not isinstance(value, Tensor) or value.layout is torch.strided)
    return dense and _PLAIN.issuperset(types)
