"""Exact synaptic operations of any torch.nn.Module.

A synaptic operation is one pair of a non-zero input element and a non-zero weight element that an operator multiplies
or accumulates. Zero padding never counts. Bias, normalisation, pooling and elementwise arithmetic are not synaptic (an
elementwise product has no fan-in, unless it is summed: `elementwise`); they have a ledger of their own, as have the
neuron updates. Nor is a product of weights alone, into which nothing came (`weights`).

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

from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from types import TracebackType
from typing import Any, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.operations import Ledger, NeuronUpdates, OtherOps
from inflor_bench.measure.neurons.protocol import SpikingNeuron, spiking_neurons
from inflor_bench.measure.running.calls import Called, ModuleCalls
from inflor_bench.measure.synops.counting import Counting
from inflor_bench.measure.synops.elementwise import Sums
from inflor_bench.measure.synops.following import Following
from inflor_bench.measure.synops.formulas import Formula
from inflor_bench.measure.synops.formulas.attention import attention
from inflor_bench.measure.synops.formulas.registry import FormulaError, NotCoveredError
from inflor_bench.measure.synops.modes import CONDITIONS, Again, aside, remove
from inflor_bench.measure.synops.operators import Operator, look_up
from inflor_bench.measure.synops.quiet import QuietNeurons
from inflor_bench.measure.synops.result import SynOpResult, summed
from inflor_bench.measure.synops.sites import Policy, SpikeClass
from inflor_bench.measure.synops.synaptic import NeuronCall, Running, Synaptic
from inflor_bench.measure.synops.time_and_samples import Rows, TimeAxis
from inflor_bench.measure.synops.uncounted import Uncounted
from inflor_bench.measure.synops.weights import Weights, why_uncountable
from inflor_bench.measure.synops.whole_calls import WholeCalls


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
        self._sums = Sums(self._weights)
        self._counting = Counting(self._weights, self._policy, rows)
        self._running = Running()
        self._stack, self._neurons = self._running.modules, self._running.neurons
        self._products = Synaptic(self._weights, self._counting, self._running)
        self._ledger = Ledger()
        self._uncounted = Uncounted(self._weights, self._running)
        self._following = Following(self._sums, self._weights, self._counting, self._products, self._uncounted)
        self._known: dict[OpOverload, Operator] = {}
        self._failed: str | None = None
        self._ran: dict[str, int] = {}
        self._quiet = QuietNeurons()
        self._function_mode: WholeCalls | None = None
        self._nested = Again(self)
        self._undo: ExitStack | None = None
        self._calls = ModuleCalls(self._call)
        self._paused = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do without torch's guard around every dispatched operator: while counting nothing is compiled anyway."""
        return False

    # Context

    def __enter__(self) -> Self:
        """Start counting: watch the calls of modules and take over dispatch.

        Raises:
            MeasureInputError: the counter is at work already.
        """
        if self._undo is not None:
            raise MeasureInputError("This counter is at work already: leave it before it is entered again.")
        with ExitStack() as undo:
            self._weights.learn(self._ran)
            neurons = {id(neuron) for neuron in spiking_neurons(self._module).values()}
            undo.callback(self._calls.stop)
            # What a scripted module calls inside does not come by here: its sites are named after their weights.
            self._calls.watch(
                (module, self._called(name, module, neurons))
                for name, module in self._module.named_modules()
                if not isinstance(module, torch.jit.ScriptModule)
            )
            if not isinstance(self._module, torch.jit.ScriptModule):
                begin = self._module.register_forward_pre_hook(self._begin_of_forward, with_kwargs=True)
                undo.callback(begin.remove)
                end = self._module.register_forward_hook(self._end_of_forward, always_call=True)
                undo.callback(end.remove)
            undo.enter_context(CONDITIONS.set())
            # Under inference mode linear layers and attention arrive whole, and a second mode would only cost time.
            self._function_mode = None if torch.is_inference_mode_enabled() else WholeCalls(self)
            undo.callback(self._look_away)
            self._watch()
            self._undo = undo.pop_all()
        return self

    def _called(self, name: str, module: nn.Module, neurons: set[int]) -> Called:
        neuron = cast(SpikingNeuron, module) if id(module) in neurons else None
        return Called(name, neuron)

    def _watch(self) -> None:
        if self._function_mode is not None:
            self._function_mode.__enter__()  # type: ignore[no-untyped-call]
        TorchDispatchMode.__enter__(self)  # type: ignore[no-untyped-call]

    def _look_away(self) -> None:
        remove(self)
        if self._function_mode is not None:
            remove(self._function_mode)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting and leave everything as it was.

        Raises:
            MeasureInputError: a weight changed while counting in a way that torch does not record.
        """
        if self._undo is None:
            return
        self._undo.close()
        self._undo = None
        for transient in (self._stack, self._neurons, self._counting.linear):
            transient.clear()
        self._counting.forget()
        self._sums.forget(all_of_them=True)
        self._paused = 0
        if error is None:
            with aside():
                self._products.decide()
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
            return self._calls.run(module, *args, **kwargs)
        finally:
            if self._stack:
                self._stack.pop()

    def _only_mode(self) -> bool:
        modes = torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()
        return modes == (1, 0 if self._function_mode is None else 1)

    def _call_neuron(
        self, name: str, neuron: SpikingNeuron, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        alone = (name, module) in self._quiet and not self._needs((*args, *kwargs.values()))
        given = args[0] if args and isinstance(args[0], Tensor) else None
        call = NeuronCall(name, neuron, given, suspended=alone and self._suspend())
        self._neurons.append(call)
        output = None
        try:
            output = self._calls.run(module, *args, **kwargs)
        finally:
            if self._neurons:
                self._neurons.pop()
            self._end_of_neuron(call, module, output)
        return output

    def _end_of_neuron(self, call: NeuronCall, module: nn.Module, output: Any) -> None:
        try:
            if isinstance(output, Tensor) and (reason := why_uncountable((output,))):
                self._uncounted.add(f"a spiking neuron ({reason})", (output,), {})
            elif isinstance(output, Tensor) and not self._neurons:
                with nullcontext() if call.suspended else aside():
                    _, found = self._counting.occupancy_of(output, 1)
                self._ledger.neuron(call.name or type(module).__name__, call.neuron, output, found.nonzero)
        finally:
            if call.suspended:
                CONDITIONS.stay_eager()
                self._watch()
                self._counting.forget()  # it may have written into what it was given
                if self._rows.wanted and isinstance(output, Tensor) and call.given is not None:
                    self._rows.layouts.same(call.given, output)
            else:
                self._quiet.end_call(call, module, whole_model=module is self._module)

    def _needs(self, values: Iterable[Any]) -> bool:
        """Whether what happens to these has to be seen: they are made of weights, or products not summed yet."""
        return self._sums.waits_for(values) or self._weights.origin_of_all(values) is not None

    def _suspend(self) -> bool:
        """Leave a neuron alone, so that its fused kernels run."""
        if not self._only_mode():
            return False
        self._look_away()
        CONDITIONS.compile_again()
        return True

    def _begin_of_forward(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._weights.came_in((*args, *kwargs.values()))
        self._rows.begin(args)

    def _end_of_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        self._quiet.end_pass()
        with aside():
            self._products.decide()
            self._sums.forget()
            self._rows.end(self._counting.sites.values())

    # Dispatch

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and count what it multiplies."""
        kwargs = kwargs or {}
        operator = self._known.get(func) or self._known.setdefault(func, look_up(func))
        if operator.composite:
            return self._decompose(func, args, kwargs)
        if self._function_mode is None and not torch.is_inference_mode_enabled():
            self._failed = "Inference mode was left inside a counter that was entered under it"
            raise MeasureInputError(f"{self._failed}: enter the counter outside of inference mode.")
        output = self._following.write(func, args, kwargs) if operator.mutable else func(*args, **kwargs)
        if self._weights.unseen and not operator.views:
            self._weights.received((*args, *kwargs.values()))
        if operator.makes:
            self._weights.made(func, args, kwargs, output, constants=bool(self._stack))
        if self._rows.wanted and (operator.makes or operator.mutable):
            self._rows.follow(func, args, kwargs, output, self._running.where())
        if operator.known and not (operator.rule or operator.pads or operator.follows):
            return output
        if torch._C._current_graph_task_id() != -1:
            return output
        if operator.pads:
            self._counting.padding(args, output)
        if operator.rule and not self._neurons and not self._paused and not getattr(output, "is_nested", False):
            self._ledger.operator(self._running.where(), operator.rule, args, kwargs, output)
        if self._paused or (operator.follows and self._following.follow(operator, func, args, kwargs, output)):
            return output
        if not operator.known:
            if operator.formula is None:
                self._uncounted.add(operator.name, args, kwargs)
            else:
                self._apply(operator.formula, operator.name, output, args, kwargs)
        return output

    def _decompose(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run what a composite operator is made of; they arrive whole under inference mode alone."""
        if func is torch.ops.aten.scaled_dot_product_attention.default:
            return self.run_attention(lambda: self._parts(func, args, kwargs), args, kwargs)
        return self._parts(func, args, kwargs)

    def _parts(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._nested:
            return func.decompose(*args, **kwargs)

    def run_linear(self, run: Callable[[], Any], bias: bool) -> Any:
        """Run a linear layer: the matrix product in it has a weight, and maybe a bias."""
        self._counting.linear.append(bias)
        try:
            return run()
        finally:
            if self._counting.linear:
                self._counting.linear.pop()

    def run_uncounted(
        self, run: Callable[[], Any], operator: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run something whole that cannot be counted, and list it."""
        self._paused += 1
        try:
            output = run()
        finally:
            self._paused -= 1
        self._uncounted.add(f"{operator} ({why_uncountable((*args, *kwargs.values()))})", args, kwargs)
        return output

    def run_attention(self, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run attention and count it by its definition, whatever it is made of. With dropout its parts are counted."""
        dropout = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
        self._paused += not dropout
        try:
            output = run()
        finally:
            self._paused -= not dropout
        if not dropout and not self._paused and torch._C._current_graph_task_id() == -1:
            with aside():
                self._apply(attention, "scaled_dot_product_attention", output, args, kwargs)
        return output

    def _apply(
        self, formula: Formula, operator: str, output: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if reason := why_uncountable((*args, *kwargs.values())):
            self._uncounted.add(f"{operator} ({reason})", args, kwargs)
            return
        try:
            for index, product in enumerate(formula(output, *args, **kwargs)):
                self._products.consider(self._counting.resolve(product), index, output)
        except NotCoveredError as reason:
            self._uncounted.add(f"{operator} ({reason})", args, kwargs)
        except Exception as error:
            self._failed = (
                f"The formula of {operator} failed in module {self._running.where()!r}: {type(error).__name__}: {error}"
            )
            raise FormulaError(self._failed) from error

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
        if not self._running.operators and not self._ran:
            raise MeasureInputError("The module was never called inside the counter: call it in the `with` block.")
        layers = {
            site.name: site.layer(
                self._policy, by_step=self._rows.timesteps is not None, by_sample=self._rows.per_sample
            )
            for site in self._counting.sites.values()
        }
        uncounted = self._uncounted.found(self._ran, self._products.left_out)
        return SynOpResult(summed(layers.values()), layers, uncounted, samples)

    def neuron_ops(self) -> list[NeuronUpdates]:
        """Return the updates of every spiking neuron layer so far."""
        return self._ledger.neurons()

    def other_ops(self) -> list[OtherOps]:
        """Return what else is not synaptic: normalisation, pooling, bias, residual and other elementwise arithmetic."""
        return self._ledger.others()
