"""The check of dense operations by a counter that is not ours: fvcore's, on one sample.

fvcore traces the network and counts a multiply-accumulate as one flop, the taps of padding included: what is
`dense_padded` here. Compared are its products of matrices and its convolutions; what it counts besides, normalisation
and pooling, is not synaptic. An operator that it does not know has no count there; it is listed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from inflor_bench.measure.neurons.protocol import spiking_neurons
from inflor_bench.measure.running.modes import modes_kept
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.modes import CONDITIONS
from inflor_bench.measure.synops.result import within
from inflor_bench.measure.unavailable import Unavailable

COMPARED = frozenset({"addmm", "bmm", "conv", "einsum", "linear", "matmul", "mm"})


@dataclass(frozen=True)
class DenseDifference:
    """A module, with all inside it, in which the two counts differ.

    `operators` are those that either counted there, and what fvcore cannot.
    """

    name: str
    ours: int
    theirs: int
    operators: list[str]


@dataclass(frozen=True)
class DenseCheck:
    """Dense operations of one sample by both counters, and the innermost modules that explain a difference.

    `unsupported` are the operators that fvcore could not count in the whole network, with their calls.
    """

    counter: str
    ours: int
    theirs: int
    differences: list[DenseDifference]
    unsupported: dict[str, int]


def check_dense(module: nn.Module, run: Callable[[Tensor], Any], sample: Tensor) -> DenseCheck | Unavailable:
    """Count one sample with fvcore and with `SynOpCounter`; `run` brings the module to rest and runs it on the sample.

    Whatever fails in there is a reason and no error, and leaves nothing behind in the module.
    """
    try:
        with _undisturbed(module):
            with SynOpCounter(module) as counter:
                run(sample)
            sites = counter.result().layers.values()
            theirs, unsupported = _traced(module, run, sample)
    except Exception as error:
        what = (str(error).strip().splitlines() or ["no message"])[0]
        return Unavailable(f"fvcore_failed: {type(error).__name__}: {what}")
    differences = {}
    for name in theirs:
        inside = [site for site in sites if within(site.name, name)]
        operators = {*(site.kind for site in inside), *theirs[name], *unsupported[name]}
        ours = sum(site.dense_padded for site in inside)
        differences[name] = DenseDifference(name, ours, sum(theirs[name].values()), sorted(operators))
    whole = differences[""]
    explained = _innermost("", differences) if whole.ours != whole.theirs else []
    return DenseCheck(f"fvcore {version('fvcore')}", whole.ours, whole.theirs, explained, dict(unsupported[""]))


def _innermost(name: str, all_of_them: Mapping[str, DenseDifference]) -> list[DenseDifference]:
    """The innermost modules that explain the difference of a module.

    Which module an operator is of is read differently by the two where a layer runs outside of its own module.
    """
    found = all_of_them[name]
    inside = [one for key, one in all_of_them.items() if key and key.rpartition(".")[0] == name]
    differing = [one for one in inside if one.ours != one.theirs]
    if sum(one.ours - one.theirs for one in differing) != found.ours - found.theirs:
        return [found]
    return [other for one in differing for other in _innermost(one.name, all_of_them)]


Counts = dict[str, dict[str, int]]


def _traced(module: nn.Module, run: Callable[[Tensor], Any], sample: Tensor) -> tuple[Counts, Counts]:
    """What fvcore counted, and what it could not, by operator in each module and all inside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis  # here, because who only counts has no use for it
    analysis = FlopCountAnalysis(_Run(module, run), (sample,))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    with ExitStack() as stack:
        stack.enter_context(CONDITIONS.set())
        for neuron in spiking_neurons(module).values():
            for handle in _without_kernels(cast(nn.Module, neuron)):
                stack.callback(handle.remove)
        analysis.total()
    counted, unsupported = {}, {}
    for name, _ in module.named_modules():
        place = f"network.{name}" if name else ""
        by_operator = analysis.by_operator(place)
        counted[name] = {key: int(by_operator[key]) for key in sorted(COMPARED & by_operator.keys())}
        unsupported[name] = dict(sorted(analysis.unsupported_ops(place).items()))
    return counted, unsupported


class _Run(nn.Module):
    """The whole run of a network as a module that can be traced."""

    def __init__(self, network: nn.Module, run: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network = network
        self._run = (run,)  # where it is a module, it is not to be found here a second time
        self.train(network.training)

    def forward(self, sample: Tensor) -> tuple[Tensor, ...]:
        """Run the network. A trace drops what leads to nothing that is returned, so all tensors in its output are."""
        return tuple(_tensors(self._run[0](sample)))


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (list, tuple)):
        for part in output:
            yield from _tensors(part)
    elif isinstance(output, dict) or hasattr(output, "__dict__"):
        yield from _tensors(list((output if isinstance(output, dict) else vars(output)).values()))


def _without_kernels(neuron: nn.Module) -> tuple[RemovableHandle, ...]:
    """A compiled kernel refuses to be traced, and is given up for good; under a dispatch mode a neuron calls none."""
    mode = _Nothing()
    return (
        neuron.register_forward_pre_hook(lambda *_: mode.__enter__() and None),
        neuron.register_forward_hook(lambda *_: mode.__exit__(None, None, None), always_call=True),
    )


class _Nothing(TorchDispatchMode):
    """Runs every operator as it is."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Leave neither random numbers drawn nor hooks behind: fvcore takes its own away only where nothing fails."""
    hooks = [(held, set(held)) for part in module.modules() for held in (part._forward_hooks, part._forward_pre_hooks)]
    try:
        with modes_kept(module), torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        for held, before in hooks:
            for key in set(held) - before:
                del held[key]
