"""The counters behind one face. Each imports its package where it is made, so a worker loads one peer alone.

What a counter gives is named by what it means: `ac`, `mac` (effective, by class), `synops` (effective, without class),
`dense` and `dense_padded`; totals over the batch. It is judged by what it gives, and by nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Counts = dict[str, float]


@dataclass(frozen=True)
class Attached:
    """A counter on one module: `run` is one counted forward pass, `counts` what was found since `watching` began.

    `watching` is what a user enters once for many passes; where the package knows no such thing, every pass is alone.
    """

    run: Callable[[Tensor], object]
    counts: Callable[[], Counts]
    watching: Callable[[], AbstractContextManager[object]] = nullcontext


def ours(module: nn.Module) -> Attached:
    """`inflor_bench.measure.SynOpCounter`."""
    from inflor_bench.measure import SynOpCounter

    counter = SynOpCounter(module)

    def counts() -> Counts:
        total = counter.result().total
        return {"ac": total.ac, "mac": total.mac, "dense": total.dense, "dense_padded": total.dense_padded}

    return Attached(module, counts, lambda: counter)


def torch_flops(module: nn.Module) -> Attached:
    """torch.utils.flop_counter.FlopCounterMode: two FLOPs a multiply-accumulate, padding taps included."""
    from torch.utils.flop_counter import FlopCounterMode

    mode = FlopCounterMode(display=False)
    return Attached(module, lambda: {"dense_padded": mode.get_total_flops() / 2}, lambda: mode)


def fvcore(module: nn.Module) -> Attached:
    """fvcore.nn.FlopCountAnalysis: traces the model at every pass; one "FLOP" is a multiply-accumulate."""
    from fvcore.nn import FlopCountAnalysis

    total: list[float] = [0.0]

    def run(x: Tensor) -> None:
        analysis = FlopCountAnalysis(module, (x,)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        total[0] = float(analysis.total())

    return Attached(run, lambda: {"dense_padded": total[0]})


def _spikingjelly(module: nn.Module, names: dict[str, str]) -> Attached:
    from spikingjelly.activation_based import functional, op_counter

    counters = {meaning: getattr(op_counter, name)() for meaning, name in names.items()}

    def run(x: Tensor) -> None:
        functional.reset_net(module)
        module(x)

    return Attached(
        run,
        lambda: {meaning: float(counter.get_total()) for meaning, counter in counters.items()},
        lambda: op_counter.DispatchCounterMode(list(counters.values())),
    )


def spikingjelly_synops(module: nn.Module) -> Attached:
    """SpikingJelly's SynOpCounter: accumulates that spikes drive."""
    return _spikingjelly(module, {"ac": "SynOpCounter"})


def spikingjelly(module: nn.Module) -> Attached:
    """SpikingJelly's SynOpCounter and MACCounter. Its ACCounter also counts additions that are not synaptic."""
    return _spikingjelly(module, {"ac": "SynOpCounter", "mac": "MACCounter"})


class _OneBatch:
    """What NeuroBench takes from a data loader: one batch with labels, and the length of its data set."""

    def __init__(self, x: Tensor) -> None:
        self.dataset = range(len(x))
        self._batch = (x, torch.zeros(len(x)))

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter([self._batch])


def neurobench(module: nn.Module) -> Attached:
    """NeuroBench's SynapticOperations, in a benchmark of one batch. It gives means, here times the samples."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    benchmark = Benchmark(TorchModel(module), None, [], [], [[], [SynapticOperations]])
    found: Counts = {}

    def run(x: Tensor) -> None:
        result = benchmark.run(quiet=True, dataloader=_OneBatch(x))["SynapticOperations"]
        names = {"ac": "Effective_ACs", "mac": "Effective_MACs", "dense": "Dense"}
        found.update({meaning: float(result[name]) * len(x) for meaning, name in names.items()})

    return Attached(run, lambda: found)


def syops(module: nn.Module) -> Attached:
    """syops' get_model_complexity_info. It gives means, here times the samples."""
    from syops import get_model_complexity_info

    found: Counts = {}

    def run(x: Tensor) -> None:
        (_, ac, mac, _), _ = get_model_complexity_info(
            module, tuple(x.shape[1:]), _OneBatch(x), as_strings=False, print_per_layer_stat=False, ost=sys.stderr
        )
        found.update(ac=float(ac) * len(x), mac=float(mac) * len(x))

    return Attached(run, lambda: found)


def sinabs(module: nn.Module) -> Attached:
    """The SNNAnalyzer of sinabs: the fan-out of all spikes. It gives the mean over the first axis, here times it."""
    from sinabs.synopcounter import SNNAnalyzer

    analyzer = SNNAnalyzer(module)
    samples = [0]

    def run(x: Tensor) -> None:
        samples[0] = len(x)
        module(x)

    return Attached(run, lambda: {"synops": float(analyzer.get_model_statistics()["synops"]) * samples[0]})


COUNTERS: dict[str, Callable[[nn.Module], Attached]] = {
    "ours": ours,
    "torch": torch_flops,
    "fvcore": fvcore,
    "spikingjelly-synops": spikingjelly_synops,
    "spikingjelly": spikingjelly,
    "neurobench": neurobench,
    "syops": syops,
    "sinabs": sinabs,
}
