"""What a pass over a test set is asked for: nothing but predictions, one part of a record, or all of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.cell.test_set import measure_test_set
from inflor_bench.measure.information import InformationRecorder
from inflor_bench.measure.neurons.spikes import SpikeRecorder
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.models.datasets import Dataset, Split
from inflor_bench.models.training.evaluation import EVALUATION_BATCH, evaluate

Recorder = Callable[[nn.Module, Dataset], object]


def random_test_set(images: Tensor, classes: int) -> Dataset:
    """A data set of random images [N, C, H, W] and labels."""
    split = Split(images, torch.arange(len(images)) % classes)
    return Dataset("random", tuple(map(str, range(classes))), lambda: split, split, "0" * 64, 0.0, 1.0)


def plain(model: nn.Module, dataset: Dataset) -> object:
    """One boolean a sample, as training evaluates."""
    return evaluate(model, dataset, dataset.test)


def _under(make: Callable[[nn.Module], AbstractContextManager[Any]]) -> Recorder:
    def record(model: nn.Module, dataset: Dataset) -> object:
        with make(model) as recorder:
            evaluate(model, dataset, dataset.test)
        return recorder.result()

    return record


def _whole(every: int) -> Recorder:
    return lambda model, dataset: measure_test_set(
        model, dataset, information_samples=max(1, len(dataset.test) // every)
    )


class _Loader:
    """What NeuroBench takes from a data loader."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = range(len(dataset.test))
        self._batches = [(dataset.normalise(x), y) for x, y in dataset.test.batches(EVALUATION_BATCH)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Any:
        return iter(self._batches)


def _neurobench(model: nn.Module, dataset: Dataset) -> object:
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.workload import ClassificationAccuracy, SynapticOperations
    from neurobench.models import TorchModel

    metrics = [[], [ClassificationAccuracy, SynapticOperations]]
    benchmark = Benchmark(TorchModel(model), None, [], [lambda logits: logits.argmax(-1)], metrics)
    return benchmark.run(quiet=True, dataloader=_Loader(dataset))


RECORDERS: dict[str, Recorder] = {
    "ours, spikes": _under(SpikeRecorder),
    "ours, counts": _under(SynOpCounter),
    "ours, information loss": _under(InformationRecorder),
    "ours, whole record": _whole(5),
    "ours, whole record, information loss of all": _whole(1),
    "neurobench": _neurobench,
}
